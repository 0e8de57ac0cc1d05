//! An event: reading what a producer sent, and completing it without touching its bytes.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::{
    name::{EventId, EventName, OrganisationId},
    time::Timestamp,
};

/// The most events in one request.
pub const BATCH_MAX_EVENTS: usize = 1_000;
/// The most bytes of one event by default; a broker with a small `max_payload` lowers it.
pub const EVENT_MAX_BYTES: usize = 1024 * 1024;
/// The most bytes that completing an event adds to what its producer sent.
const COMPLETION_MAX_BYTES: usize = 192;
/// The deepest nesting of an event, the event itself included: what common JSON readers take.
const NESTING_MAX: usize = 128;
/// The most bytes of `eventCategory` and of `eventSourceId`.
const LABEL_MAX_BYTES: usize = 256;

/// A hash of an event's body: the first 128 bits of its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BodyHash([u8; 16]);

/// An event that was read, checked and completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The organisation that owns it: from the producer's token or from the subject.
    pub organisation: OrganisationId,
    /// Its id, the producer's or a derived one.
    pub id: EventId,
    /// Its name, the body's `eventSubCategory`.
    pub name: EventName,
    /// Its `eventCategory`, if the producer gave one.
    pub category: Option<String>,
    /// Its `eventSourceId`, which entity filters are compared with.
    pub source_id: Option<String>,
    /// The bytes that receivers get: those of the producer, with what was missing put in front.
    pub body: Bytes,
}

/// Returns how large an event may be that a producer sends, with a broker of that room.
#[must_use]
pub fn sent_max_bytes(broker_room: usize) -> usize {
    EVENT_MAX_BYTES.min(broker_room)
}

/// Returns how large an event may be that is read back from the broker: it was completed meanwhile.
#[must_use]
pub fn stored_max_bytes(broker_room: usize) -> usize {
    sent_max_bytes(broker_room) + COMPLETION_MAX_BYTES
}

/// What is wrong with an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The body is larger than the limit.
    #[error("must be at most {limit} bytes, is {size}")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
        /// The size in bytes.
        size: usize,
    },
    /// The body is not a JSON object, or not JSON at all.
    #[error("{0}")]
    NotAnObject(String),
    /// A field is missing or wrong.
    #[error("{field}: {problem}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The event claims another organisation than that of its token or subject.
    #[error("organisationId: is not the organisation of the token or subject")]
    ForeignOrganisation,
}

/// The fields that Posthorn reads; all others are kept and delivered unread.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    event_sub_category: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    event_category: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    organisation_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    event_source_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    created_at: Option<&'a RawValue>,
}

impl Event {
    /// Reads an event as a producer sent it, and completes it.
    ///
    /// A missing `id` becomes a hash of organisation, name and the body as received, so that the same
    /// bytes are the same event; a missing `createdAt` becomes `received_at`. Both are put behind the
    /// opening brace; no other byte changes. Reading the same input twice gives the same event.
    ///
    /// # Errors
    /// [`Fault`] names the field.
    pub fn read(
        organisation: &OrganisationId,
        body: &Bytes,
        received_at: Timestamp,
        limit: usize,
    ) -> Result<Self, Fault> {
        if body.len() > limit {
            return Err(Fault::TooLarge {
                limit,
                size: body.len(),
            });
        }
        let text = std::str::from_utf8(body)
            .map_err(|_error| Fault::NotAnObject("must be UTF-8 text".to_owned()))?;
        let envelope = envelope(text)?;
        check_organisation(&envelope, organisation)?;
        let name = required_name(&envelope)?;
        let given_id = name_field::<EventId>("id", envelope.id)?;
        check_created_at(envelope.created_at)?;
        let category = label("eventCategory", envelope.event_category)?;
        let source_id = label("eventSourceId", envelope.event_source_id)?;
        let id = match &given_id {
            Some(id) => id.clone(),
            None => derived_id(organisation, &name, body),
        };
        let missing = Missing {
            id: given_id.is_none().then_some(&id),
            created_at: envelope.created_at.is_none().then_some(received_at),
        };
        let body = missing.put_into(text, body);
        Ok(Self {
            organisation: organisation.clone(),
            id,
            name,
            category,
            source_id,
            body,
        })
    }

    /// Returns the hash of the bytes that receivers get.
    #[must_use]
    pub fn body_hash(&self) -> BodyHash {
        BodyHash::of(&self.body)
    }
}

impl BodyHash {
    /// Hashes a body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        let mut first = [0; 16];
        first
            .iter_mut()
            .zip(Sha256::digest(body))
            .for_each(|(to, from)| *to = from);
        Self(first)
    }

    /// Returns the hash as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Makes a hash from its bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Parses 32 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then_some(())?;
        u128::from_str_radix(text, 16)
            .ok()
            .map(|bits| Self(bits.to_be_bytes()))
    }
}

impl fmt::Display for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for BodyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BodyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("must be 32 hex digits"))
    }
}

/// Splits a request's body into its events: the items of an array, or the one object that it is.
///
/// The returned slices share the body's memory.
///
/// # Errors
/// [`Fault`] if it is neither, or an array that is empty or too long.
pub fn split(body: &Bytes) -> Result<Vec<Bytes>, Fault> {
    let text = std::str::from_utf8(body)
        .map_err(|_error| Fault::NotAnObject("must be UTF-8 text".to_owned()))?;
    if !text.trim_ascii_start().starts_with('[') {
        return Ok(vec![body.slice_ref(text.trim_ascii().as_bytes())]);
    }
    let Items(items) = serde_json::from_str(text)
        .map_err(|error| Fault::NotAnObject(format!("must be JSON: {error}")))?;
    match items.len() {
        0 => Err(Fault::NotAnObject(
            "must hold at least one event".to_owned(),
        )),
        n if n > BATCH_MAX_EVENTS => Err(Fault::NotAnObject(format!(
            "must hold at most {BATCH_MAX_EVENTS} events"
        ))),
        _ => Ok(items
            .iter()
            .map(|item| body.slice_ref(item.get().as_bytes()))
            .collect()),
    }
}

/// The items of an array, at most one more than a request may hold: the rest is read and not kept.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of events")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() <= BATCH_MAX_EVENTS {
                    match seq.next_element()? {
                        Some(item) => items.push(item),
                        None => return Ok(Items(items)),
                    }
                }
                while seq.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(Items(items))
            }
        }

        deserializer.deserialize_seq(Visitor)
    }
}

/// What a producer left out.
struct Missing<'a> {
    id: Option<&'a EventId>,
    created_at: Option<Timestamp>,
}

impl Missing<'_> {
    /// Puts the missing fields behind the opening brace of the object.
    fn put_into(&self, text: &str, body: &Bytes) -> Bytes {
        let Some((before, behind)) = text.split_once('{') else {
            return body.clone();
        };
        if self.id.is_none() && self.created_at.is_none() {
            return body.clone();
        }
        let mut whole = String::with_capacity(text.len() + 192);
        whole.push_str(before);
        whole.push('{');
        if let Some(id) = self.id {
            whole.push_str(&format!("\"id\":\"{id}\","));
        }
        if let Some(time) = self.created_at {
            whole.push_str(&format!("\"createdAt\":\"{time}\","));
        }
        whole.push_str(behind);
        Bytes::from(whole)
    }
}

/// Finds the fields that we read.
fn envelope(text: &str) -> Result<Envelope<'_>, Fault> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Fault::NotAnObject("must be a JSON object".to_owned()));
    }
    if nesting(text) > NESTING_MAX {
        return Err(Fault::NotAnObject(format!(
            "must be nested at most {NESTING_MAX} deep"
        )));
    }
    serde_json::from_str(text).map_err(|error| Fault::NotAnObject(format!("must be JSON: {error}")))
}

/// Returns how deep a JSON text is nested; what is not JSON is found out later.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Keeps `null` apart from a field that is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a string; `None` if the value is of another type.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str::<String>(text).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Reads a field whose text is a name.
fn name_field<N: std::str::FromStr>(
    field: &'static str,
    raw: Option<&RawValue>,
) -> Result<Option<N>, Fault>
where
    N::Err: fmt::Display,
{
    let Some(raw) = raw else { return Ok(None) };
    let fault = |problem| Fault::Field { field, problem };
    let text = string(raw).ok_or_else(|| fault("must be a string".to_owned()))?;
    text.parse()
        .map(Some)
        .map_err(|error: N::Err| fault(error.to_string()))
}

/// Reads the name of the event, which must be there.
fn required_name(envelope: &Envelope<'_>) -> Result<EventName, Fault> {
    name_field("eventSubCategory", envelope.event_sub_category)?.ok_or_else(|| Fault::Field {
        field: "eventSubCategory",
        problem: "is required".to_owned(),
    })
}

/// Refuses an event that claims another organisation.
fn check_organisation(envelope: &Envelope<'_>, own: &OrganisationId) -> Result<(), Fault> {
    let Some(raw) = envelope.organisation_id else {
        return Ok(());
    };
    let field = "organisationId";
    let claimed = string(raw).ok_or_else(|| Fault::Field {
        field,
        problem: "must be a string".to_owned(),
    })?;
    if claimed == own.as_str() {
        Ok(())
    } else {
        Err(Fault::ForeignOrganisation)
    }
}

/// Refuses a `createdAt` that is no time.
fn check_created_at(raw: Option<&RawValue>) -> Result<(), Fault> {
    let Some(raw) = raw else { return Ok(()) };
    let fault = |problem| Fault::Field {
        field: "createdAt",
        problem,
    };
    let text = string(raw).ok_or_else(|| fault("must be a string".to_owned()))?;
    Timestamp::parse(&text)
        .map(|_| ())
        .map_err(|error| fault(error.to_string()))
}

/// Reads an optional short text; `null` counts as absent.
fn label(field: &'static str, raw: Option<&RawValue>) -> Result<Option<String>, Fault> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else {
        return Ok(None);
    };
    let fault = |problem: String| Fault::Field { field, problem };
    let text = string(raw).ok_or_else(|| fault("must be a string".to_owned()))?;
    if text.len() > LABEL_MAX_BYTES {
        return Err(fault(format!("must be at most {LABEL_MAX_BYTES} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(fault("must not hold control characters".to_owned()));
    }
    Ok(Some(text.into_owned()))
}

/// Derives the id of an event that came without one.
fn derived_id(organisation: &OrganisationId, name: &EventName, body: &[u8]) -> EventId {
    let mut hash = Sha256::new();
    hash.update(organisation.as_str());
    hash.update([0]);
    hash.update(name.as_str());
    hash.update([0]);
    hash.update(body);
    let digest = hash.finalize();
    let mut text = String::from("evt_");
    digest
        .iter()
        .take(16)
        .for_each(|byte| text.push_str(&format!("{byte:02x}")));
    #[expect(
        clippy::expect_used,
        reason = "letters, digits and an underscore are allowed"
    )]
    EventId::try_new(&text).expect("a derived id is a valid id")
}

#[cfg(test)]
mod tests;

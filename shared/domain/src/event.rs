//! An event: reading what a producer sent, and completing it without touching its bytes.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::{
    content::Content,
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

/// A hash of an event's body and of the headers that travel with it: the first 128 bits of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BodyHash([u8; 16]);

/// An event that was read, checked and completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The organisation that owns it: from the producer's token or from the subject.
    pub organisation: OrganisationId,
    /// Its id, the producer's or a derived one.
    pub id: EventId,
    /// Its name, the body's `eventSubCategory` or a CloudEvent's `type`.
    pub name: EventName,
    /// Its `eventCategory`, if the producer gave one.
    pub category: Option<String>,
    /// Its `eventSourceId` or a CloudEvent's `subject`, which entity filters are compared with.
    pub source_id: Option<String>,
    /// The bytes that receivers get: those of the producer, with what was missing put in front.
    pub body: Bytes,
    /// The headers that travel with these bytes.
    pub content: Content,
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
        field: Cow<'static, str>,
        /// What is wrong with it.
        problem: String,
    },
    /// The event claims another organisation than that of its token or subject.
    #[error("organisationId: is not the organisation of the token or subject")]
    ForeignOrganisation,
    /// It reads like a CloudEvent, and did not come as one.
    #[error("eventSubCategory: is required; a CloudEvent is sent as application/cloudevents+json")]
    CloudEvent,
    /// A CloudEvent is written in a format other than JSON.
    #[error(
        "content-type: must be application/cloudevents+json or application/cloudevents-batch+json"
    )]
    UnknownFormat,
}

impl Fault {
    /// Makes the fault of a field.
    pub(crate) fn field(field: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            problem: problem.into(),
        }
    }
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
    /// The mark of a CloudEvent.
    #[serde(borrow, default, deserialize_with = "present")]
    specversion: Option<&'a RawValue>,
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
        check_size(body, limit)?;
        let text = utf8(body)?;
        let envelope = envelope(text)?;
        if envelope.specversion.is_some() && envelope.event_sub_category.is_none() {
            return Err(Fault::CloudEvent);
        }
        check_organisation(&envelope, organisation)?;
        let name = required_name(&envelope)?;
        let given_id = name_field::<EventId>("id", envelope.id)?;
        check_created_at(envelope.created_at)?;
        let category = label("eventCategory", envelope.event_category)?;
        let source_id = label("eventSourceId", envelope.event_source_id)?;
        let id = match &given_id {
            Some(id) => id.clone(),
            None => hashed_id("evt", organisation, name.as_str(), body),
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
            content: Content::default(),
        })
    }

    /// Returns the hash of what receivers get: the bytes, and the headers that travel with them.
    #[must_use]
    pub fn body_hash(&self) -> BodyHash {
        if self.content.is_own() {
            return BodyHash::of(&self.body);
        }
        let mut hash = Sha256::new();
        for (name, value) in self.content.headers() {
            hash.update(name);
            hash.update([0]);
            hash.update(value);
            hash.update([0]);
        }
        hash.update(&self.body);
        BodyHash::first_of(&hash.finalize())
    }
}

impl BodyHash {
    /// Hashes a body that travels without headers of its own.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self::first_of(&Sha256::digest(body))
    }

    fn first_of(digest: &[u8]) -> Self {
        let mut first = [0; 16];
        first
            .iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = *from);
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

/// Returns the items of an array of events, which share the body's memory.
///
/// # Errors
/// [`Fault`] if it is no array, or one that is empty or too long.
pub(crate) fn items(body: &Bytes) -> Result<Vec<Bytes>, Fault> {
    let text = utf8(body)?;
    if !text.trim_ascii_start().starts_with('[') {
        return Err(Fault::NotAnObject("must be a JSON array".to_owned()));
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

/// Refuses a body over the limit.
pub(crate) fn check_size(body: &[u8], limit: usize) -> Result<(), Fault> {
    if body.len() > limit {
        return Err(Fault::TooLarge {
            limit,
            size: body.len(),
        });
    }
    Ok(())
}

/// Reads a body as text.
pub(crate) fn utf8(body: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(body).map_err(|_error| Fault::NotAnObject("must be UTF-8 text".to_owned()))
}

/// Finds the fields that we read.
fn envelope(text: &str) -> Result<Envelope<'_>, Fault> {
    object(text)
}

/// Reads a JSON object that is not nested too deep.
pub(crate) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Fault> {
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
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
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
    let text = string(raw).ok_or_else(|| Fault::field(field, "must be a string"))?;
    text.parse()
        .map(Some)
        .map_err(|error: N::Err| Fault::field(field, error.to_string()))
}

/// Reads the name of the event, which must be there.
fn required_name(envelope: &Envelope<'_>) -> Result<EventName, Fault> {
    name_field("eventSubCategory", envelope.event_sub_category)?
        .ok_or_else(|| Fault::field("eventSubCategory", "is required"))
}

/// Refuses an event that claims another organisation.
fn check_organisation(envelope: &Envelope<'_>, own: &OrganisationId) -> Result<(), Fault> {
    let Some(raw) = envelope.organisation_id else {
        return Ok(());
    };
    let claimed = string(raw).ok_or_else(|| Fault::field("organisationId", "must be a string"))?;
    if claimed == own.as_str() {
        Ok(())
    } else {
        Err(Fault::ForeignOrganisation)
    }
}

/// Refuses a `createdAt` that is no time.
fn check_created_at(raw: Option<&RawValue>) -> Result<(), Fault> {
    let Some(raw) = raw else { return Ok(()) };
    let fault = |problem: String| Fault::field("createdAt", problem);
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
    let text = string(raw).ok_or_else(|| Fault::field(field, "must be a string"))?;
    check_label(field, &text)?;
    Ok(Some(text.into_owned()))
}

/// Refuses what is too long for a label, or not to be shown.
pub(crate) fn check_label(field: &'static str, text: &str) -> Result<(), Fault> {
    if text.len() > LABEL_MAX_BYTES {
        return Err(Fault::field(
            field,
            format!("must be at most {LABEL_MAX_BYTES} bytes"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::field(field, "must not hold control characters"));
    }
    Ok(())
}

/// Makes the id of an event that has none of ours: a hash of what makes it this event. `first` holds no NUL.
pub(crate) fn hashed_id(
    prefix: &str,
    organisation: &OrganisationId,
    first: &str,
    second: &[u8],
) -> EventId {
    let mut hash = Sha256::new();
    hash.update(organisation.as_str());
    hash.update([0]);
    hash.update(first);
    hash.update([0]);
    hash.update(second);
    let digest = hash.finalize();
    let mut text = format!("{prefix}_");
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

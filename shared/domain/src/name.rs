//! Validated names and ids: a value of these types never needs checking again.

use std::{borrow::Borrow, cmp::Ordering, fmt, hash, marker::PhantomData, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a kind of name allows.
pub trait Rule {
    /// What the API calls such a text.
    const TITLE: &'static str;

    /// Says what is allowed, as it is told to a person: "must be …".
    const MUST: &'static str;

    /// The most bytes, which are ASCII; one is the fewest.
    const LENGTH_MAX: usize;

    /// A regular expression of what else is allowed.
    const PATTERN: &'static str;

    /// Returns whether the text is allowed.
    fn allows(text: &str) -> bool;
}

/// A text that satisfies its rule, cheap to clone.
pub struct Name<R>(Arc<str>, PhantomData<fn() -> R>);

/// A text that does not satisfy the rule of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct Invalid(pub &'static str);

impl<R: Rule> Name<R> {
    /// Checks the text.
    ///
    /// # Errors
    /// [`Invalid`] says what would be allowed.
    pub fn try_new(text: &str) -> Result<Self, Invalid> {
        if R::allows(text) {
            Ok(Self(Arc::from(text), PhantomData))
        } else {
            Err(Invalid(R::MUST))
        }
    }
}

impl<R> Name<R> {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An organisation: the owner of tokens, endpoints and events.
pub type OrganisationId = Name<OrganisationRule>;
/// The id of an event, which is also its `webhook-id` and the key of its deduplication.
pub type EventId = Name<EventIdRule>;
/// The name of an event (`eventSubCategory`), such as `challenge-completion` or `reward.earned`.
pub type EventName = Name<EventNameRule>;
/// The id of an endpoint (a webhook config), unique over all organisations.
pub type EndpointId = Name<EndpointIdRule>;
/// The id of a delivery job: `<event id>:<endpoint id>`, with `:<replay id>` behind it for a replay.
pub type JobId = Name<JobIdRule>;
/// The id of a replay.
pub type ReplayId = Name<ReplayIdRule>;
/// The id of an erasure.
pub type ErasureId = Name<ErasureIdRule>;
/// The id of a request that asks for attempts of a job.
pub type RequestId = Name<RequestIdRule>;

/// The rule of [`OrganisationId`].
#[derive(Debug)]
pub struct OrganisationRule;
/// The rule of [`EventId`].
#[derive(Debug)]
pub struct EventIdRule;
/// The rule of [`EventName`].
#[derive(Debug)]
pub struct EventNameRule;
/// The rule of [`EndpointId`].
#[derive(Debug)]
pub struct EndpointIdRule;
/// The rule of [`JobId`].
#[derive(Debug)]
pub struct JobIdRule;

/// The rule of [`ReplayId`].
#[derive(Debug)]
pub struct ReplayIdRule;

/// The rule of [`ErasureId`].
#[derive(Debug)]
pub struct ErasureIdRule;

/// The rule of [`RequestId`].
#[derive(Debug)]
pub struct RequestIdRule;

impl Rule for OrganisationRule {
    const TITLE: &'static str = "OrganisationId";
    const MUST: &'static str = "1 to 64 characters of A-Z a-z 0-9 _ -";
    const LENGTH_MAX: usize = 64;
    const PATTERN: &'static str = "^[A-Za-z0-9_-]+$";

    fn allows(text: &str) -> bool {
        is_sized::<Self>(text) && text.bytes().all(is_token_byte)
    }
}

impl Rule for EventIdRule {
    const TITLE: &'static str = "EventId";
    const MUST: &'static str = "1 to 128 characters of A-Z a-z 0-9 _ - :";
    const LENGTH_MAX: usize = 128;
    const PATTERN: &'static str = "^[A-Za-z0-9_:-]+$";

    fn allows(text: &str) -> bool {
        is_sized::<Self>(text) && text.bytes().all(|b| is_token_byte(b) || b == b':')
    }
}

impl Rule for EventNameRule {
    const TITLE: &'static str = "EventName";
    const MUST: &'static str =
        "1 to 64 characters of A-Z a-z 0-9 _ - in parts separated by single dots";
    const LENGTH_MAX: usize = 64;
    const PATTERN: &'static str = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$";

    fn allows(text: &str) -> bool {
        is_sized::<Self>(text)
            && text
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(is_token_byte))
    }
}

impl Rule for EndpointIdRule {
    const TITLE: &'static str = "WebhookConfigId";
    const MUST: &'static str = "1 to 64 characters of A-Z a-z 0-9 _ -";
    const LENGTH_MAX: usize = 64;
    const PATTERN: &'static str = "^[A-Za-z0-9_-]+$";

    fn allows(text: &str) -> bool {
        OrganisationRule::allows(text)
    }
}

impl Rule for ReplayIdRule {
    const TITLE: &'static str = "ReplayId";
    const MUST: &'static str = "1 to 64 characters of A-Z a-z 0-9 _ -";
    const LENGTH_MAX: usize = 64;
    const PATTERN: &'static str = "^[A-Za-z0-9_-]+$";

    fn allows(text: &str) -> bool {
        OrganisationRule::allows(text)
    }
}

impl Rule for ErasureIdRule {
    const TITLE: &'static str = "ErasureId";
    const MUST: &'static str = "1 to 64 characters of A-Z a-z 0-9 _ -";
    const LENGTH_MAX: usize = 64;
    const PATTERN: &'static str = "^[A-Za-z0-9_-]+$";

    fn allows(text: &str) -> bool {
        OrganisationRule::allows(text)
    }
}

impl Rule for RequestIdRule {
    const TITLE: &'static str = "RequestId";
    const MUST: &'static str = "1 to 64 characters of A-Z a-z 0-9 _ -";
    const LENGTH_MAX: usize = 64;
    const PATTERN: &'static str = "^[A-Za-z0-9_-]+$";

    fn allows(text: &str) -> bool {
        OrganisationRule::allows(text)
    }
}

impl Rule for JobIdRule {
    const TITLE: &'static str = "DeliveryId";
    const MUST: &'static str = "an event id and an endpoint id joined by a colon";
    const LENGTH_MAX: usize = 300;
    const PATTERN: &'static str = "^[A-Za-z0-9_-]*:[A-Za-z0-9_:-]*$";

    fn allows(text: &str) -> bool {
        text.contains(':')
            && is_sized::<Self>(text)
            && text.bytes().all(|b| is_token_byte(b) || b == b':')
    }
}

fn is_sized<R: Rule>(text: &str) -> bool {
    (1..=R::LENGTH_MAX).contains(&text.len())
}

/// Returns whether the byte may stand in one token of a NATS subject, in our names.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl JobId {
    /// Makes the id of the job that delivers an event to an endpoint.
    #[must_use]
    pub fn of(event: &EventId, endpoint: &EndpointId) -> Self {
        Self(Arc::from(format!("{event}:{endpoint}")), PhantomData)
    }

    /// Makes the id of the job that delivers an event to an endpoint once more, within a replay.
    #[must_use]
    pub fn of_replay(event: &EventId, endpoint: &EndpointId, replay: &ReplayId) -> Self {
        Self(
            Arc::from(format!("{event}:{endpoint}:{replay}")),
            PhantomData,
        )
    }
}

impl<R> Clone for Name<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl<R> fmt::Debug for Name<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<R> fmt::Display for Name<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<R> PartialEq for Name<R> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<R> Eq for Name<R> {}

impl<R> PartialOrd for Name<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> Ord for Name<R> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<R> hash::Hash for Name<R> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<R> Borrow<str> for Name<R> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<R: Rule> std::str::FromStr for Name<R> {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::try_new(text)
    }
}

impl<R> Serialize for Name<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, R: Rule> Deserialize<'de> for Name<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<R>(PhantomData<fn() -> R>);

        impl<R: Rule> de::Visitor<'_> for Visitor<R> {
            type Value = Name<R>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(R::MUST)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Name<R>, E> {
                Name::try_new(text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Visitor(PhantomData))
    }
}

#[cfg(test)]
mod tests;

//! An endpoint: where events go, which ones, and how. The Admin API calls it a webhook config.
//!
//! [`Endpoint`] is also the value of its key in the endpoints bucket; secrets and sensitive header
//! values are in it only sealed. Fields of later versions are kept.

mod sealed;
mod secret;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::secret::{KeyPair, LIVE_SECRETS_MAX, Secret, TooManySecrets};
use crate::{
    access::ClientCertificate,
    name::{EndpointId, EventName, Invalid, OrganisationId},
    oauth2::OAuth2,
    redaction,
    retry::RetryPolicy,
    signing::Scheme,
    time::Timestamp,
};

/// The time-out of an attempt unless the endpoint says otherwise, in milliseconds.
pub const TIMEOUT_DEFAULT_MS: u32 = 10_000;

/// A text that only the holders of the secrets key can read: `<key id>:<base64>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub String);

/// A registered receiver with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Its id, unique over all organisations.
    pub id: EndpointId,
    /// The organisation that it belongs to.
    pub organisation_id: OrganisationId,
    /// Where requests go: an absolute http or https URL without user info or fragment.
    pub url: String,
    /// Which events it wants; none means nothing.
    pub events: Vec<EventPattern>,
    /// For an event name, the `eventSourceId`s that it is limited to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub entity_filters: BTreeMap<EventName, BTreeSet<String>>,
    /// The HTTP method.
    #[serde(default)]
    pub http_method: Method,
    /// Whether it gets anything at all.
    pub is_enabled: bool,
    /// Whether its jobs wait until it is resumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_paused: bool,
    /// Automatic retries after the first attempt; `None` leaves it to the preset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// Its own request headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// How requests are signed.
    #[serde(default)]
    pub signing: Scheme,
    /// The certificate that is shown to a receiver which asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// The roots, in PEM, that are trusted in place of the installation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_certificate: Option<String>,
    /// Where the token for `authorization` comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
    /// Its signing secrets, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// When failed attempts are tried again.
    #[serde(default)]
    pub retry_policy: RetryPolicy,
    /// The time-out of one attempt, in milliseconds.
    pub timeout_ms: u32,
    /// Requests per second, if limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<f64>,
    /// Requests under way at once, if limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// A note for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The owner's own labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Fields of a later version, kept as they are.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, serde_json::Value>,
}

/// What each text takes in memory besides its bytes.
const TEXT_ROOM: usize = 48;

impl Endpoint {
    /// Returns about how many bytes of memory it takes: its texts, as far as an owner may make them many or long.
    #[must_use]
    pub fn room(&self) -> usize {
        let of = |text: &str| text.len() + TEXT_ROOM;
        let filters = self.entity_filters.values().flatten().map(|id| of(id));
        let labels = self
            .metadata
            .iter()
            .map(|(name, value)| of(name) + of(value));
        let headers = self.headers.iter().map(|header| match &header.value {
            HeaderValue::Value(text) => of(&header.name) + of(text),
            HeaderValue::Sealed { text, shown } => of(&header.name) + of(&text.0) + of(shown),
        });
        let client = self.client_certificate.as_ref();
        let certificates = client.map(|own| own.certificate.as_str()).into_iter();
        let others = certificates
            .chain(self.ca_certificate.as_deref())
            .chain(self.description.as_deref());
        filters
            .chain(labels)
            .chain(headers)
            .chain(others.map(of))
            .sum()
    }
}

/// The methods that a request may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schema(as = HttpMethod)]
pub enum Method {
    /// With the event as its body.
    #[default]
    Post,
    /// With the event as its body.
    Put,
    /// Without a body.
    Get,
}

impl Method {
    /// Returns the method as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Get => "GET",
        }
    }
}

/// One of an endpoint's own request headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The name, as it was configured.
    pub name: String,
    /// The value.
    #[serde(flatten)]
    pub value: HeaderValue,
}

/// A header's value: in the clear, or sealed if its name says that it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HeaderValue {
    /// In the clear.
    Value(String),
    /// Sealed, with what may be shown of it.
    #[serde(rename_all = "camelCase")]
    Sealed {
        /// The sealed value.
        text: Sealed,
        /// The redacted value, such as `Bearer ***`.
        shown: String,
    },
}

/// Which event names an endpoint wants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EventPattern {
    /// Every event.
    Any,
    /// Names that begin with this text; written with `*` behind it.
    Prefix(String),
    /// One name.
    Exact(EventName),
}

impl EventPattern {
    /// Parses an exact name, `*`, or a prefix such as `reward.*` or `challenge-*`.
    ///
    /// # Errors
    /// [`Invalid`] if it is none of them.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let must = Invalid("an event name, a prefix such as reward.*, or *");
        let Some(prefix) = text.strip_suffix('*') else {
            return EventName::try_new(text)
                .map(Self::Exact)
                .map_err(|_error| must);
        };
        if prefix.is_empty() {
            return Ok(Self::Any);
        }
        // A prefix is good if some name can begin with it.
        EventName::try_new(&format!("{prefix}x"))
            .map(|_| Self::Prefix(prefix.to_owned()))
            .map_err(|_error| must)
    }

    /// Returns whether the pattern wants events of that name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
            Self::Exact(exact) => exact.as_str() == name,
        }
    }
}

impl TryFrom<String> for EventPattern {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<EventPattern> for String {
    fn from(pattern: EventPattern) -> Self {
        match pattern {
            EventPattern::Any => "*".to_owned(),
            EventPattern::Prefix(prefix) => prefix + "*",
            EventPattern::Exact(name) => name.as_str().to_owned(),
        }
    }
}

impl Endpoint {
    /// Returns how many retries follow a first attempt.
    #[must_use]
    pub fn max_retries(&self) -> u32 {
        self.max_retries
            .unwrap_or_else(|| self.retry_policy.preset.max_retries())
    }

    /// Returns whether the endpoint wants an event, without an index. The slow truth that the index
    /// of [`crate::matching`] is tested against.
    #[must_use]
    pub fn wants(&self, name: &EventName, source_id: Option<&str>) -> bool {
        self.is_enabled
            && self
                .events
                .iter()
                .any(|pattern| pattern.matches(name.as_str()))
            && match (self.entity_filters.get(name), source_id) {
                (None, _) => true,
                (Some(ids), Some(id)) => ids.contains(id),
                (Some(_), None) => false,
            }
    }

    /// Seals the header values that are in the clear and whose names say that they are secrets.
    ///
    /// # Errors
    /// Whatever `seal` returns.
    pub fn seal_headers<E>(
        &mut self,
        mut seal: impl FnMut(&str) -> Result<Sealed, E>,
    ) -> Result<(), E> {
        for header in &mut self.headers {
            let HeaderValue::Value(value) = &header.value else {
                continue;
            };
            if redaction::is_sensitive(&header.name) {
                let shown = redaction::mask(value);
                header.value = HeaderValue::Sealed {
                    text: seal(value)?,
                    shown,
                };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::EventPattern;

    #[test]
    fn patterns_are_names_prefixes_and_the_star() {
        let matches =
            |pattern: &str, name: &str| EventPattern::parse(pattern).unwrap().matches(name);

        assert!(matches("*", "anything"));
        assert!(matches("reward.*", "reward.earned"));
        assert!(matches("challenge-*", "challenge-completion"));
        assert!(matches("a", "a"));
        assert!(!matches("reward.*", "reward"));
        assert!(!matches("a", "A"));
        for bad in ["", "**", "a*b", "*a", ".*", "a..*", "a >", "é*"] {
            assert!(EventPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_print_what_they_parse() {
        for text in ["*", "reward.*", "challenge-*", "auth.email"] {
            assert_eq!(String::from(EventPattern::parse(text).unwrap()), text);
        }
    }
}

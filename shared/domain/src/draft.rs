//! What a person asks for when a config is saved: its form, and applying it to an endpoint.
//!
//! A draft changes only what it names: fields that are left out stay as they are, `null` clears a
//! field that may be empty, and a masked secret or header value sent back means unchanged.

mod access;
mod check;
mod form;
mod rotation;

use std::fmt;

use serde::{Deserialize, de::IgnoredAny};
use sha2::{Digest as _, Sha256};
use url::Url;
use utoipa::ToSchema;

pub(crate) use self::form::nullable;
use self::form::{HeaderPairs, SecretText};
pub use self::{
    form::{Object, word},
    rotation::{Rotation, RotationDraft},
};
use crate::{
    destination,
    endpoint::{Endpoint, EventPattern, Method, TIMEOUT_DEFAULT_MS},
    name::{EndpointId, OrganisationId},
    retry::RetryPolicy,
    signing::Scheme,
    time::Timestamp,
};

/// A config as it is sent to the Admin API; every field may be left out.
///
/// Fields that only Posthorn writes are accepted, so that what was read can be sent back, and
/// ignored. A secret or the value of a header that is sent back as it is shown, masked, stays as it is.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = WebhookConfigDraft)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigDraft {
    /// Which endpoint to update.
    pub id: Option<EndpointId>,
    /// Must be the organisation of the request.
    #[schema(value_type = Option<OrganisationId>)]
    organisation_id: Option<String>,
    /// Where requests go: an absolute https URL (http where the installation allows it), without user info
    /// or fragment. Required for a new config.
    #[schema(
        format = "uri",
        max_length = 2048,
        examples("https://example.com/webhooks")
    )]
    url: Option<String>,
    /// Which events are wanted; none means nothing. Required for a new config.
    #[schema(value_type = Option<Vec<EventPattern>>, max_items = 100)]
    events: Option<Vec<String>>,
    /// For names of events, the `eventSourceId`s that they are limited to.
    #[schema(value_type = Option<BTreeMap<String, Vec<String>>>)]
    #[serde(default, deserialize_with = "form::nullable")]
    entity_filters: Option<Option<form::Filters>>,
    /// `POST` and `PUT` carry the event; a `GET` has no body.
    #[schema(value_type = Option<Method>, default = "POST")]
    http_method: Option<String>,
    /// Whether it gets anything at all; may be called `active`.
    #[schema(default = true)]
    #[serde(alias = "active")]
    is_enabled: Option<bool>,
    /// Automatic retries after the first attempt; the preset's number unless given.
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 100)]
    #[serde(default, deserialize_with = "form::nullable")]
    max_retries: Option<Option<i64>>,
    /// Request headers of its own, at most 50; `authorization` may be among them.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    #[serde(default, deserialize_with = "form::nullable")]
    headers: Option<Option<HeaderPairs>>,
    /// The certificate for receivers that ask for one (mutual TLS).
    #[schema(value_type = Option<access::CertificateDraft>)]
    #[serde(default, deserialize_with = "form::nullable")]
    client_certificate: Option<Option<Object<access::CertificateDraft>>>,
    /// Roots in PEM that are trusted in place of the installation's; at most 10 and 32 KiB.
    #[schema(value_type = Option<String>)]
    #[serde(default, deserialize_with = "form::nullable")]
    ca_certificate: Option<Option<String>>,
    /// Where the token for `authorization` comes from (OAuth 2.0 client credentials).
    #[schema(value_type = Option<access::OAuth2Draft>)]
    #[serde(default, deserialize_with = "form::nullable")]
    oauth2: Option<Option<Object<access::OAuth2Draft>>>,
    /// The signing secret; one is generated unless it is given. Another one takes its place at once, whereas
    /// rotating lets both sign for a while.
    #[schema(value_type = Option<String>, write_only, examples("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"))]
    secret: Option<SecretText>,
    /// How requests are signed; `standard` unless given.
    #[schema(value_type = Option<Scheme>)]
    signing: Option<serde_json::Value>,
    /// When failed attempts are tried again.
    #[schema(value_type = Option<RetryPolicy>)]
    #[serde(default, deserialize_with = "form::nullable")]
    retry_policy: Option<Option<form::Policy>>,
    /// How long an attempt may take, in milliseconds.
    #[schema(value_type = Option<u32>, minimum = 1000, maximum = 60000, default = 10000)]
    #[serde(default, deserialize_with = "form::nullable")]
    timeout_ms: Option<Option<i64>>,
    /// Requests per second.
    #[schema(value_type = Option<f64>, exclusive_minimum = 0, maximum = 10000)]
    #[serde(default, deserialize_with = "form::nullable")]
    rate_limit: Option<Option<f64>>,
    /// Requests under way at once.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    #[serde(default, deserialize_with = "form::nullable")]
    max_in_flight: Option<Option<i64>>,
    /// A note for people.
    #[schema(value_type = Option<String>, max_length = 1000)]
    #[serde(default, deserialize_with = "form::nullable")]
    description: Option<Option<String>>,
    /// The owner's own labels, at most 50: names of up to 64 characters, values of up to 500.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    #[serde(default, deserialize_with = "form::nullable")]
    metadata: Option<Option<form::Metadata>>,
    #[schema(value_type = Option<Timestamp>, read_only)]
    #[serde(rename = "createdAt")]
    _created_at: Option<IgnoredAny>,
    #[schema(value_type = Option<Timestamp>, read_only)]
    #[serde(rename = "updatedAt")]
    _updated_at: Option<IgnoredAny>,
    #[schema(value_type = Option<u64>, read_only)]
    #[serde(rename = "revision")]
    _revision: Option<IgnoredAny>,
    #[schema(value_type = Option<bool>, read_only)]
    #[serde(rename = "isPaused")]
    _is_paused: Option<IgnoredAny>,
    #[schema(value_type = Option<String>, read_only)]
    #[serde(rename = "publicKey")]
    _public_key: Option<IgnoredAny>,
}

/// What a draft is applied in.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The id of an endpoint that the draft makes.
    pub id: EndpointId,
    /// The organisation of such an endpoint.
    pub organisation: OrganisationId,
    /// The time now.
    pub now: Timestamp,
    /// Which URLs are allowed.
    pub destination: &'a destination::Policy,
}

/// What a draft comes to.
#[derive(Clone)]
pub struct Change {
    /// The endpoint after the change. Header values that are new stand in the clear, to be sealed by
    /// [`Endpoint::seal_headers`], and so do other secrets ([`crate::access::Hidden`]); its signing secrets
    /// and `updated_at` are those from before.
    pub endpoint: Endpoint,
    /// What is to become of its signing secret.
    pub secret: SecretChange,
}

/// What is to become of an endpoint's signing secret.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretChange {
    /// Nothing.
    Keep,
    /// The endpoint signs and has none: one is made.
    Generate,
    /// This one takes its place.
    Set(String),
}

/// What is wrong with a draft.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Fault {
    /// The field, from the config's root: `url`, `events[2]`, `headers.Host`.
    pub field: String,
    /// What it must be.
    pub problem: String,
}

impl Fault {
    fn new(field: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self {
            field: field.into(),
            problem: problem.to_string(),
        }
    }
}

impl ConfigDraft {
    /// Returns the URL that the draft asks for, as it was sent.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Returns whether the draft names an organisation that is not this one.
    #[must_use]
    pub fn is_foreign_to(&self, organisation: &OrganisationId) -> bool {
        self.organisation_id
            .as_deref()
            .is_some_and(|named| named != organisation.as_str())
    }

    /// Checks the draft and applies it to an endpoint, or to nothing to make a new one.
    ///
    /// # Errors
    /// [`Fault`] names the first field that is wrong. It never repeats a secret.
    pub fn apply(
        &self,
        existing: Option<&Endpoint>,
        context: &Context<'_>,
    ) -> Result<Change, Fault> {
        let mut endpoint = match existing {
            Some(existing) => existing.clone(),
            None => self.blank(context)?,
        };
        if let Some(url) = &self.url {
            check::url_in("url", url, context.destination)?;
            endpoint.url.clone_from(url);
        }
        self.apply_events(&mut endpoint)?;
        self.apply_request(&mut endpoint)?;
        self.apply_access(&mut endpoint, context)?;
        check::signature_is_alone(&endpoint, self.signing.is_some())?;
        self.apply_limits(&mut endpoint)?;
        self.apply_notes(&mut endpoint)?;
        let secret = self.secret_change(existing, &endpoint)?;
        Ok(Change { endpoint, secret })
    }

    /// Returns an endpoint with the defaults, once what has no default is there.
    fn blank(&self, context: &Context<'_>) -> Result<Endpoint, Fault> {
        for (field, is_given) in [
            ("url", self.url.is_some()),
            ("events", self.events.is_some()),
        ] {
            if !is_given {
                return Err(Fault::new(field, "is required"));
            }
        }
        Ok(Endpoint {
            id: context.id.clone(),
            organisation_id: context.organisation.clone(),
            url: String::new(),
            events: Vec::new(),
            entity_filters: Default::default(),
            http_method: Method::default(),
            is_enabled: true,
            is_paused: false,
            max_retries: None,
            headers: Vec::new(),
            signing: Scheme::default(),
            client_certificate: None,
            ca_certificate: None,
            oauth2: None,
            secrets: Vec::new(),
            retry_policy: RetryPolicy::default(),
            timeout_ms: TIMEOUT_DEFAULT_MS,
            rate_limit: None,
            max_in_flight: None,
            description: None,
            metadata: Default::default(),
            created_at: context.now,
            updated_at: context.now,
            unknown: Default::default(),
        })
    }

    fn apply_events(&self, endpoint: &mut Endpoint) -> Result<(), Fault> {
        if let Some(events) = &self.events {
            endpoint.events = check::events(events)?;
        }
        if let Some(filters) = &self.entity_filters {
            let none = form::Filters::default();
            endpoint.entity_filters = check::entity_filters(filters.as_ref().unwrap_or(&none))?;
        }
        if self.events.is_some() || self.entity_filters.is_some() {
            check::filters_fit(endpoint)?;
        }
        Ok(())
    }

    fn apply_request(&self, endpoint: &mut Endpoint) -> Result<(), Fault> {
        if let Some(method) = &self.http_method {
            endpoint.http_method = check::method(method)?;
        }
        if let Some(headers) = &self.headers {
            endpoint.headers = match headers {
                Some(pairs) => check::headers(pairs, &endpoint.headers)?,
                None => Vec::new(),
            };
        }
        if let Some(signing) = &self.signing {
            endpoint.signing = check::signing(signing)?;
        }
        Ok(())
    }

    fn apply_limits(&self, endpoint: &mut Endpoint) -> Result<(), Fault> {
        if let Some(enabled) = self.is_enabled {
            endpoint.is_enabled = enabled;
        }
        if let Some(policy) = &self.retry_policy {
            endpoint.retry_policy = match policy {
                Some(policy) => check::retry_policy(policy.get())?,
                None => RetryPolicy::default(),
            };
        }
        if let Some(retries) = self.max_retries {
            endpoint.max_retries = retries.map(check::max_retries).transpose()?;
        }
        if let Some(timeout) = self.timeout_ms {
            endpoint.timeout_ms = timeout.map_or(Ok(TIMEOUT_DEFAULT_MS), check::timeout_ms)?;
        }
        if let Some(rate) = self.rate_limit {
            endpoint.rate_limit = rate.map(check::rate_limit).transpose()?;
        }
        if let Some(most) = self.max_in_flight {
            endpoint.max_in_flight = most.map(check::max_in_flight).transpose()?;
        }
        Ok(())
    }

    fn apply_notes(&self, endpoint: &mut Endpoint) -> Result<(), Fault> {
        if let Some(description) = &self.description {
            endpoint.description = match description.as_deref() {
                Some(text) => Some(check::description(text)?),
                None => None,
            };
        }
        if let Some(metadata) = &self.metadata {
            let none = form::Metadata::default();
            endpoint.metadata = check::metadata(metadata.as_ref().unwrap_or(&none))?;
        }
        Ok(())
    }

    fn secret_change(
        &self,
        existing: Option<&Endpoint>,
        endpoint: &Endpoint,
    ) -> Result<SecretChange, Fault> {
        let has_one = existing.is_some_and(|existing| !existing.secrets.is_empty());
        match &self.secret {
            Some(secret) if !secret.is_masked() => {
                check::secret(secret, &endpoint.signing)?;
                Ok(SecretChange::Set(secret.expose().to_owned()))
            }
            Some(_) | None if has_one => Ok(SecretChange::Keep),
            Some(_) if existing.is_none() => {
                Err(Fault::new("secret", "is masked, and there is none to keep"))
            }
            Some(_) | None if endpoint.signing.signs() => Ok(SecretChange::Generate),
            Some(_) | None => Ok(SecretChange::Keep),
        }
    }
}

/// Returns the key of a URL: the same for all spellings of one URL, and safe in a subject.
///
/// A text that is no URL has a key too.
#[must_use]
pub fn url_key(text: &str) -> String {
    let normal = Url::parse(text).map_or_else(|_error| text.to_owned(), String::from);
    Sha256::digest(normal)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

// What follows may hold secrets in the clear, so none of it is printed whole.

impl fmt::Debug for ConfigDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigDraft")
            .field("id", &self.id)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("id", &self.endpoint.id)
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SecretChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "Keep",
            Self::Generate => "Generate",
            Self::Set(_) => "Set(***)",
        })
    }
}

#[cfg(test)]
mod tests;

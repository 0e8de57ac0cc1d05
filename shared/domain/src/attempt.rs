//! The record of one attempt: what is kept of it, and what the log shows.
//!
//! A record is the wire form inside a batch on `ATTEMPTS` as well; its JSON is pinned by a snapshot.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    event::BodyHash,
    name::{EndpointId, EventId, EventName, JobId, OrganisationId},
    outcome::ErrorKind,
    time::Timestamp,
};

/// The most bytes of a response's body that a record keeps.
pub const RESPONSE_BODY_KEPT_BYTES: usize = 20_000;
/// The most bytes of a response's headers, names and values together, that a record keeps.
pub const RESPONSE_HEADERS_KEPT_BYTES: usize = 16 * 1024;

/// What caused an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// The first attempt of a job.
    Auto,
    /// A retry by the endpoint's policy.
    Retry,
    /// A retry that a person asked for.
    Manual,
    /// A test send.
    Test,
    /// A replay of older events.
    Replay,
}

impl Trigger {
    /// Returns the name as it stands in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Retry => "retry",
            Self::Manual => "manual",
            Self::Test => "test",
            Self::Replay => "replay",
        }
    }

    /// Returns the trigger of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Auto,
            Self::Retry,
            Self::Manual,
            Self::Test,
            Self::Replay,
        ]
        .into_iter()
        .find(|trigger| trigger.as_str() == name)
    }
}

/// How the kept part of a response's body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BodyEncoding {
    /// As text.
    Text,
    /// As base64, because it is not UTF-8 text.
    Base64,
}

/// The record of one attempt.
///
/// `id` is made when the attempt is executed and is the store's key: a record read twice is written
/// once. The event's body is not in it: the store keeps each body once, under organisation, event
/// id and body hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptRecord {
    /// The record's id: a version 7 UUID in its simple form, so that ids sort by time.
    pub id: String,
    /// The endpoint.
    pub webhook_config_id: EndpointId,
    /// The organisation of the event and the endpoint.
    pub organisation_id: OrganisationId,
    /// The job that the attempt belongs to.
    pub job_id: JobId,
    /// The event.
    pub event_id: EventId,
    /// The event's category, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_category: Option<String>,
    /// The event's name.
    pub event_sub_category: EventName,
    /// Which body was sent.
    pub body_hash: BodyHash,
    /// The URL, its query values masked.
    pub url: String,
    /// The HTTP method.
    pub http_method: String,
    /// Request headers in the order sent, secrets redacted.
    pub request_headers: Vec<(String, String)>,
    /// The status, if an answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_status: Option<u16>,
    /// Response headers, scrubbed and cut; `None` if no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_headers: Option<Vec<(String, String)>>,
    /// The kept part of the response's body, scrubbed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// How `response_body` is written; `None` means as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_body_encoding: Option<BodyEncoding>,
    /// The attempt number, from 1.
    pub attempt: u32,
    /// What caused the attempt.
    pub trigger: Trigger,
    /// Whether the receiver took the event.
    pub success: bool,
    /// A sentence about what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// What kind of thing went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<ErrorKind>,
    /// How long the attempt took, in milliseconds.
    pub duration_ms: u32,
    /// When the next attempt is due, if there will be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// The id of the trace that the attempt is part of.
    pub trace_id: String,
    /// When the attempt began.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::Trigger;

    #[test]
    fn names_lead_back_to_triggers() {
        for name in ["auto", "retry", "manual", "test", "replay"] {
            let trigger = Trigger::from_name(name).unwrap();

            assert_eq!(trigger.as_str(), name);
            assert_eq!(
                serde_json::to_string(&trigger).unwrap(),
                format!("\"{name}\"")
            );
        }
        assert_eq!(Trigger::from_name("other"), None);
    }
}

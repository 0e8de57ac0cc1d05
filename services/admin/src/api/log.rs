//! `/webhooks/logs`: the form of a log record.

mod get;
mod list;
pub(super) mod query;
mod retry;

use std::sync::Arc;

use attempt_store::{ReadError, StoredAttempt};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    attempt::{BodyEncoding, Trigger},
    name::{EndpointId, EventId, EventName, JobId, OrganisationId},
    outcome::ErrorKind,
    time::Timestamp,
};
use http_api::problem::Problem;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Admin, api::counted, metrics::Instruments};

const MISSING: &str = "there is no such log record";

/// Returns the routes of the log.
pub(super) fn routes(instruments: &Arc<Instruments>) -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(counted(
            instruments,
            list::OPERATION,
            routes!(list::handler),
        ))
        .routes(counted(instruments, get::OPERATION, routes!(get::handler)))
        .routes(counted(
            instruments,
            retry::OPERATION,
            routes!(retry::handler),
        ))
}

/// A record as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LogRecord)]
#[serde(rename_all = "camelCase")]
struct RecordView<'a> {
    id: &'a str,
    webhook_config_id: &'a EndpointId,
    organisation_id: &'a OrganisationId,
    job_id: &'a JobId,
    event_id: &'a EventId,
    #[schema(required)]
    event_category: Option<&'a str>,
    event_sub_category: &'a EventName,
    url: &'a str,
    http_method: &'a str,
    /// Secrets are masked.
    #[schema(value_type = BTreeMap<String, String>)]
    #[serde(serialize_with = "object")]
    request_headers: &'a [(String, String)],
    /// The producer's own text; `null` until the body is archived, and once it has expired or was erased.
    #[schema(required, value_type = Option<serde_json::Value>)]
    request_body: Option<Box<RawValue>>,
    /// Whether the body has expired before the record. Left out if not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    request_body_expired: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body_encoding: Option<BodyEncoding>,
    #[schema(required)]
    response_status: Option<u16>,
    #[schema(required, value_type = Option<BTreeMap<String, String>>)]
    #[serde(serialize_with = "optional_object")]
    response_headers: Option<&'a [(String, String)]>,
    #[schema(required)]
    response_body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body_encoding: Option<BodyEncoding>,
    /// Whether the answer's body has expired before the record. Left out if not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    response_body_expired: bool,
    /// When the event's content was erased, and with it the headers and the answer. Left out if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    erased_at: Option<Timestamp>,
    attempt: u32,
    trigger: Trigger,
    success: bool,
    #[schema(required)]
    error_message: Option<&'a str>,
    #[schema(required)]
    error_kind: Option<ErrorKind>,
    duration_ms: u32,
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
    trace_id: &'a str,
    created_at: Timestamp,
}

impl<'a> RecordView<'a> {
    fn new(stored: &'a StoredAttempt) -> Self {
        let record = &stored.record;
        Self {
            id: &record.id,
            webhook_config_id: &record.webhook_config_id,
            organisation_id: &record.organisation_id,
            job_id: &record.job_id,
            event_id: &record.event_id,
            event_category: record.event_category.as_deref(),
            event_sub_category: &record.event_sub_category,
            url: &record.url,
            http_method: &record.http_method,
            request_headers: &record.request_headers,
            request_body: stored.request_body.as_deref().and_then(raw),
            request_body_expired: stored.is_request_body_expired,
            request_body_encoding: stored.request_body.as_deref().and_then(encoding),
            response_status: record.response_status,
            response_headers: record.response_headers.as_deref(),
            response_body: record.response_body.as_deref(),
            response_body_encoding: record
                .response_body_encoding
                .filter(|encoding| *encoding == BodyEncoding::Base64),
            response_body_expired: stored.is_response_body_expired,
            erased_at: stored.erased_at,
            attempt: record.attempt,
            trigger: record.trigger,
            success: record.success,
            error_message: record.error_message.as_deref(),
            error_kind: record.error_kind,
            duration_ms: record.duration_ms,
            next_attempt_at: record.next_attempt_at,
            trace_id: &record.trace_id,
            created_at: record.created_at,
        }
    }
}

/// Returns the body as JSON with its own text; one that is no JSON as a string, in base64 if it is no text.
pub(super) fn raw(body: &[u8]) -> Option<Box<RawValue>> {
    let Ok(text) = std::str::from_utf8(body) else {
        return serde_json::value::to_raw_value(&STANDARD.encode(body)).ok();
    };
    RawValue::from_string(text.to_owned())
        .or_else(|_error| serde_json::value::to_raw_value(text))
        .ok()
}

/// Returns how [`raw`] writes the body; `None` means as it is.
pub(super) fn encoding(body: &[u8]) -> Option<BodyEncoding> {
    std::str::from_utf8(body)
        .is_err()
        .then_some(BodyEncoding::Base64)
}

/// Writes headers as an object; values of one name are joined as HTTP joins them.
fn object<S: Serializer>(headers: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut joined: Vec<(&str, String)> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        match joined
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            Some((_, values)) => {
                values.push_str(", ");
                values.push_str(value);
            }
            None => joined.push((name, value.clone())),
        }
    }
    serializer.collect_map(joined)
}

fn optional_object<S: Serializer>(
    headers: &Option<&[(String, String)]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match headers {
        Some(headers) => object(headers, serializer),
        None => serializer.serialize_none(),
    }
}

/// Tells that the store does not answer; what it said is for the log alone.
pub(crate) fn unreadable(error: &ReadError, operation: &'static str) -> Problem {
    if error.is_transient() {
        tracing::warn!(error = %error, operation, "the attempt store does not answer");
        Problem::unavailable(operation, "the log can't be read at the moment")
    } else {
        Problem::internal(operation, error)
    }
}

#[cfg(test)]
mod tests {
    use domain::attempt::BodyEncoding;

    use super::{encoding, object, raw};

    #[test]
    fn a_body_keeps_its_own_text() {
        let text = "{\"a\": 1.0,  \"b\":\"\\u00e9\"}";

        assert_eq!(raw(text.as_bytes()).unwrap().get(), text);
        assert_eq!(raw(b"no json").unwrap().get(), "\"no json\"");
        assert_eq!(encoding(b"no json"), None);
    }

    #[test]
    fn a_body_that_is_no_text_is_shown_in_base64() {
        assert_eq!(raw(b"\xff\0").unwrap().get(), "\"/wA=\"");
        assert_eq!(encoding(b"\xff\0"), Some(BodyEncoding::Base64));
    }

    #[test]
    fn headers_of_one_name_are_joined_in_their_order() {
        let headers = [("b", "1"), ("a", "2"), ("B", "3")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));

        let json = object(&headers, serde_json::value::Serializer).unwrap();

        assert_eq!(json, serde_json::json!({"a": "2", "b": "1, 3"}));
    }
}

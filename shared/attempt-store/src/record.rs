//! What is stored and read, and its translation to and from columns.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use bytes::Bytes;
use domain::{
    attempt::{AttemptRecord, BodyEncoding, Trigger},
    content::Content,
    event::BodyHash,
    name::{EventId, EventName, Name, OrganisationId, Rule},
    outcome::ErrorKind,
    time::Timestamp,
};

use crate::error::ReadError;

/// The most bytes of a record's id.
pub const RECORD_ID_MAX_BYTES: usize = 64;

/// An event's body as the archive keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedEvent {
    /// The organisation.
    pub organisation: OrganisationId,
    /// The event's id.
    pub id: EventId,
    /// The hash of `body` and of the headers that travel with it.
    pub hash: BodyHash,
    /// The event's name.
    pub name: EventName,
    /// The event's category, if it has one.
    pub category: Option<String>,
    /// The event's `eventSourceId`, if it has one.
    pub source_id: Option<String>,
    /// The bytes that receivers get.
    pub body: Bytes,
    /// The headers that travel with them.
    pub content: Content,
    /// When the broker took the event: the broker's own time, which is the same at every reading.
    pub accepted_at: Timestamp,
}

/// One record, with the body that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAttempt {
    /// The record.
    pub record: AttemptRecord,
    /// The event's body; `None` while it is not archived, or once it has expired.
    pub request_body: Option<Bytes>,
    /// Whether the event's body was archived, and has expired before the record.
    pub is_request_body_expired: bool,
    /// Whether the answer's body has expired before the record.
    pub is_response_body_expired: bool,
    /// When the event's content was erased, and with it all that was sent and answered; `None` if it was not.
    pub erased_at: Option<Timestamp>,
}

impl StoredAttempt {
    /// Puts a record and its body together.
    pub(crate) fn with_body(
        self,
        bodies: &HashMap<BodyKey, Bytes>,
        expired: &HashSet<BodyKey>,
    ) -> Self {
        let key = body_key(&self.record);
        Self {
            request_body: bodies.get(&key).cloned(),
            is_request_body_expired: expired.contains(&key),
            ..self
        }
    }
}

/// What a body is found by.
pub(crate) type BodyKey = (OrganisationId, EventId, BodyHash);

/// The columns of an attempt but for the two times, which the engines keep in types of their own.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct AttemptRow {
    id: String,
    created_at: i64,
    organisation_id: String,
    endpoint_id: String,
    job_id: String,
    event_id: String,
    body_hash: Vec<u8>,
    event_category: Option<String>,
    event_name: String,
    attempt: i64,
    triggered_by: String,
    success: bool,
    error_kind: Option<String>,
    error_message: Option<String>,
    url: String,
    http_method: String,
    request_headers: String,
    response_status: Option<i32>,
    response_headers: Option<String>,
    response_body: Option<String>,
    response_body_encoding: Option<String>,
    duration_ms: i64,
    next_attempt_at: Option<i64>,
    trace_id: String,
    response_body_expired: bool,
}

/// What is known about a body, its length or the body itself, and its key.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct BodyRow<T> {
    organisation_id: String,
    event_id: String,
    body_hash: Vec<u8>,
    value: T,
}

impl AttemptRow {
    /// Reads the columns back; the body is still to be read.
    pub(crate) fn stored(self) -> Result<StoredAttempt, ReadError> {
        let is_response_body_expired = self.response_body_expired;
        Ok(StoredAttempt {
            record: self.record()?,
            request_body: None,
            is_request_body_expired: false,
            is_response_body_expired,
            erased_at: None,
        })
    }

    fn record(self) -> Result<AttemptRecord, ReadError> {
        Ok(AttemptRecord {
            webhook_config_id: name("endpoint_id", &self.endpoint_id)?,
            organisation_id: name("organisation_id", &self.organisation_id)?,
            job_id: name("job_id", &self.job_id)?,
            event_id: name("event_id", &self.event_id)?,
            event_category: self.event_category,
            event_sub_category: name("event_name", &self.event_name)?,
            body_hash: body_hash(&self.body_hash)?,
            request_headers: headers("request_headers", &self.request_headers)?,
            response_status: known("response_status", self.response_status, |status| {
                u16::try_from(status).ok()
            })?,
            response_headers: self
                .response_headers
                .map(|text| headers("response_headers", &text))
                .transpose()?,
            response_body_encoding: known(
                "response_body_encoding",
                self.response_body_encoding.as_deref(),
                encoding_of_name,
            )?,
            attempt: number("attempt", self.attempt)?,
            trigger: Trigger::from_name(&self.triggered_by).ok_or(damaged("triggered_by"))?,
            error_kind: known(
                "error_kind",
                self.error_kind.as_deref(),
                ErrorKind::from_name,
            )?,
            duration_ms: number("duration_ms", self.duration_ms)?,
            next_attempt_at: self.next_attempt_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            id: self.id,
            url: self.url,
            http_method: self.http_method,
            response_body: self.response_body,
            success: self.success,
            error_message: self.error_message,
            trace_id: self.trace_id,
        })
    }
}

impl<T> BodyRow<T> {
    /// Reads the columns back.
    pub(crate) fn entry(self) -> Result<(BodyKey, T), ReadError> {
        let key = (
            name("organisation_id", &self.organisation_id)?,
            name("event_id", &self.event_id)?,
            body_hash(&self.body_hash)?,
        );
        Ok((key, self.value))
    }
}

/// Returns the key of the body that the attempt sent.
pub(crate) fn body_key(record: &AttemptRecord) -> BodyKey {
    (
        record.organisation_id.clone(),
        record.event_id.clone(),
        record.body_hash,
    )
}

/// Returns the record without NUL characters, which PostgreSQL cannot hold in text.
///
/// Headers need no care: they are stored as JSON, where a NUL is written as an escape.
pub(crate) fn storable(record: &AttemptRecord) -> Cow<'_, AttemptRecord> {
    let has_nul = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains('\0'));
    let clean = !record.id.contains('\0')
        && !record.url.contains('\0')
        && !record.http_method.contains('\0')
        && !record.trace_id.contains('\0')
        && !has_nul(&record.event_category)
        && !has_nul(&record.response_body)
        && !has_nul(&record.error_message);
    if clean {
        return Cow::Borrowed(record);
    }
    let replaced = |text: &String| text.replace('\0', "\u{fffd}");
    Cow::Owned(AttemptRecord {
        id: replaced(&record.id),
        url: replaced(&record.url),
        http_method: replaced(&record.http_method),
        trace_id: replaced(&record.trace_id),
        event_category: record.event_category.as_ref().map(replaced),
        response_body: record.response_body.as_ref().map(replaced),
        error_message: record.error_message.as_ref().map(replaced),
        ..record.clone()
    })
}

/// Returns an optional text without NUL characters.
pub(crate) fn storable_text(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(|text| {
        if text.contains('\0') {
            Cow::Owned(text.replace('\0', "\u{fffd}"))
        } else {
            Cow::Borrowed(text)
        }
    })
}

/// Writes headers as a JSON array of pairs, so that their order and repetitions stay.
pub(crate) fn headers_json(headers: &[(String, String)]) -> String {
    #[expect(
        clippy::expect_used,
        reason = "pairs of strings always have a JSON form"
    )]
    serde_json::to_string(headers).expect("pairs of strings have a JSON form")
}

/// Returns the headers that travel with a body, as they are stored; `None` if there are none.
pub(crate) fn content_json(content: &Content) -> Option<String> {
    (!content.is_own()).then(|| headers_json(content.headers()))
}

/// Reads the headers that travel with a body back.
pub(crate) fn content(text: Option<&str>) -> Result<Content, ReadError> {
    let headers = text.map(|text| headers("content", text)).transpose()?;
    Ok(Content::new(headers.unwrap_or_default()))
}

/// Returns the name of an encoding as it is stored.
pub(crate) fn encoding_name(encoding: BodyEncoding) -> &'static str {
    match encoding {
        BodyEncoding::Text => "text",
        BodyEncoding::Base64 => "base64",
    }
}

fn encoding_of_name(name: &str) -> Option<BodyEncoding> {
    [BodyEncoding::Text, BodyEncoding::Base64]
        .into_iter()
        .find(|encoding| encoding_name(*encoding) == name)
}

pub(crate) fn damaged(column: &'static str) -> ReadError {
    ReadError::Damaged { column }
}

pub(crate) fn name<R: Rule>(column: &'static str, text: &str) -> Result<Name<R>, ReadError> {
    Name::try_new(text).map_err(|_invalid| damaged(column))
}

pub(crate) fn number(column: &'static str, value: i64) -> Result<u32, ReadError> {
    u32::try_from(value).map_err(|_error| damaged(column))
}

pub(crate) fn known<V, T>(
    column: &'static str,
    value: Option<V>,
    read: impl Fn(V) -> Option<T>,
) -> Result<Option<T>, ReadError> {
    value
        .map(|value| read(value).ok_or(damaged(column)))
        .transpose()
}

fn headers(column: &'static str, text: &str) -> Result<Vec<(String, String)>, ReadError> {
    serde_json::from_str(text).map_err(|_error| damaged(column))
}

pub(crate) fn body_hash(bytes: &[u8]) -> Result<BodyHash, ReadError> {
    <[u8; 16]>::try_from(bytes)
        .map(BodyHash::from_bytes)
        .map_err(|_error| damaged("body_hash"))
}

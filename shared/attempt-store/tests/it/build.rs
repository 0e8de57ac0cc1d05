//! Records and events with valid defaults.

use attempt_store::ArchivedEvent;
use bytes::Bytes;
use domain::{
    attempt::{AttemptRecord, BodyEncoding, Trigger},
    content::Content,
    event::BodyHash,
    job_state::{JobState, StateRecord},
    name::{JobId, Name, Rule},
    outcome::ErrorKind,
    time::Timestamp,
};

pub(crate) fn name<R: Rule>(text: &str) -> Name<R> {
    Name::try_new(text).unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The time of this machine, for what depends on how far a day is from today.
pub(crate) fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "the database's clock cannot be set"
    )]
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap())
}

/// A first attempt that succeeded; `n` makes its id and its time, in the same order.
pub(crate) fn a_record(n: u32) -> AttemptRecord {
    let began = at("2026-03-14T10:21:45.102Z").millis();
    AttemptRecord {
        id: format!("019cebddc30e7d0a8f6e{n:012x}"),
        webhook_config_id: name("ep1"),
        organisation_id: name("acme"),
        job_id: name("evt-1:ep1"),
        event_id: name("evt-1"),
        event_category: None,
        event_sub_category: name("challenge-completion"),
        body_hash: BodyHash::of(b"{}"),
        url: "https://receiver.test/hook".to_owned(),
        http_method: "POST".to_owned(),
        request_headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        response_status: Some(200),
        response_headers: Some(Vec::new()),
        response_body: Some("ok".to_owned()),
        response_body_encoding: None,
        attempt: 1,
        trigger: Trigger::Auto,
        success: true,
        error_message: None,
        error_kind: None,
        duration_ms: 12,
        next_attempt_at: None,
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        created_at: Timestamp::from_millis(began + i64::from(n)),
    }
}

/// A third attempt that failed, with everything set that can be.
pub(crate) fn a_failure(n: u32) -> AttemptRecord {
    AttemptRecord {
        event_category: Some("challenge".to_owned()),
        request_headers: vec![
            ("x-one".to_owned(), "1".to_owned()),
            ("X-One".to_owned(), "käse \"quoted\" \\ 🦀".to_owned()),
        ],
        response_status: Some(500),
        response_headers: Some(vec![("retry-after".to_owned(), "5".to_owned())]),
        response_body: Some("/9j/4AAQ".to_owned()),
        response_body_encoding: Some(BodyEncoding::Base64),
        attempt: 3,
        trigger: Trigger::Retry,
        success: false,
        error_message: Some("HTTP 500: Internal Server Error".to_owned()),
        error_kind: Some(ErrorKind::Status),
        next_attempt_at: Some(at("2026-03-14T10:21:50.107Z")),
        ..a_record(n)
    }
}

/// A first parking for five seconds; `n` makes its id and its time, as that of [`a_record`].
pub(crate) fn a_parking(n: u32) -> StateRecord {
    let record = a_record(n);
    StateRecord {
        id: record.id,
        organisation_id: record.organisation_id,
        webhook_config_id: record.webhook_config_id,
        job_id: record.job_id,
        event_id: record.event_id,
        event_category: Some("challenge".to_owned()),
        event_sub_category: record.event_sub_category,
        body_hash: record.body_hash,
        attempt: 1,
        trigger: Trigger::Auto,
        state: JobState::Parked,
        reason: Some("rate-limit".to_owned()),
        next_attempt_at: Some(Timestamp::from_millis(record.created_at.millis() + 5_000)),
        created_at: record.created_at,
    }
}

/// A dead letter of a job that was never attempted.
pub(crate) fn a_death(n: u32) -> StateRecord {
    StateRecord {
        state: JobState::Dead,
        reason: Some("endpoint-disabled".to_owned()),
        next_attempt_at: None,
        ..a_parking(n)
    }
}

/// The attempt as one for another job: event `evt-<job>` for endpoint `ep1`.
pub(crate) fn of_job(job: u32, record: AttemptRecord) -> AttemptRecord {
    let (event_id, job_id) = job_names(job);
    AttemptRecord {
        event_id,
        job_id,
        ..record
    }
}

/// The state as one of another job, as [`of_job`] does it.
pub(crate) fn state_of_job(job: u32, record: StateRecord) -> StateRecord {
    let (event_id, job_id) = job_names(job);
    StateRecord {
        event_id,
        job_id,
        ..record
    }
}

fn job_names(job: u32) -> (domain::name::EventId, JobId) {
    (name(&format!("evt-{job}")), name(&format!("evt-{job}:ep1")))
}

/// The event that [`a_record`] delivers.
pub(crate) fn an_event(body: &[u8]) -> ArchivedEvent {
    ArchivedEvent {
        organisation: name("acme"),
        id: name("evt-1"),
        hash: BodyHash::of(body),
        name: name("challenge-completion"),
        category: Some("challenge".to_owned()),
        source_id: None,
        content: Content::default(),
        body: Bytes::copy_from_slice(body),
        accepted_at: at("2026-03-14T10:21:44.000Z"),
    }
}

/// Returns the ids of records.
pub(crate) fn ids(records: &[AttemptRecord]) -> Vec<String> {
    records.iter().map(|record| record.id.clone()).collect()
}

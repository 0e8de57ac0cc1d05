//! Dead letters and rejected messages: what is put aside, with everything needed to use it again.

use async_nats::HeaderMap;
use bytes::Bytes;
use domain::{job::Job, name::OrganisationId, retry::Reason};

use crate::{
    publisher::Outgoing,
    retry_lane::{Cargo, job_headers},
    subject::Names,
    wire,
};

/// Makes the dead letter of a job that was given up. It holds the event's body, so that it can be
/// sent again byte for byte when the event has long left its stream.
#[must_use]
pub fn dead_letter(
    names: &Names,
    job: &Job,
    cargo: &Cargo,
    reason: Reason,
    error: Option<&str>,
) -> Outgoing {
    let mut headers = job_headers(job, cargo);
    headers.insert(wire::REASON_HEADER, reason.as_str());
    if let Some(error) = error {
        headers.insert(wire::ERROR_HEADER, wire::header_text(error).as_str());
    }
    Outgoing {
        subject: names.dead(&job.organisation, &job.endpoint),
        message_id: format!("{}:{}", job.run_id(), job.attempt),
        headers,
        payload: cargo.body.clone(),
    }
}

/// A message that can't go on.
#[derive(Debug, Clone)]
pub struct Rejection<'a> {
    /// Whose it is, if the subject says so.
    pub organisation: Option<&'a OrganisationId>,
    /// Where it came in.
    pub subject: &'a str,
    /// What is wrong with it.
    pub reason: &'a str,
    /// What makes it unique: its stream and sequence.
    pub message_id: String,
    /// What it held.
    pub payload: &'a Bytes,
}

/// Makes the message that puts a rejected one aside; its payload is cut to `limit` bytes.
#[must_use]
pub fn rejection(names: &Names, rejected: Rejection<'_>, limit: usize) -> Outgoing {
    let mut headers = HeaderMap::new();
    headers.insert(
        wire::REASON_HEADER,
        wire::header_text(rejected.reason).as_str(),
    );
    headers.insert(
        wire::SUBJECT_HEADER,
        wire::header_text(rejected.subject).as_str(),
    );
    let cut = rejected.payload.len() > limit;
    if cut {
        headers.insert(wire::CUT_HEADER, "true");
    }
    Outgoing {
        subject: names.rejected(rejected.organisation),
        message_id: rejected.message_id,
        headers,
        payload: rejected.payload.slice(..rejected.payload.len().min(limit)),
    }
}

//! Dead letters and rejected messages: what is put aside, with everything needed to use it again.

use async_nats::HeaderMap;
use bytes::Bytes;
use domain::{job::Job, name::OrganisationId, retry::Reason};

use crate::{
    publisher::Outgoing,
    retry_lane::{Cargo, job_headers},
    subject::Names,
    wire::{self, event::travelling},
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
    /// Its headers, of which those are kept that travel with an event's body.
    pub headers: Option<&'a HeaderMap>,
    /// What it held.
    pub payload: &'a Bytes,
}

/// The most bytes of a rejected message's own headers that are kept.
const KEPT_HEADERS_BYTES: usize = 8 * 1024;

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
    let fits = keep_headers(rejected.headers, &mut headers);
    if !fits || rejected.payload.len() > limit {
        headers.insert(wire::CUT_HEADER, "true");
    }
    Outgoing {
        subject: names.rejected(rejected.organisation),
        message_id: rejected.message_id,
        headers,
        payload: rejected.payload.slice(..rejected.payload.len().min(limit)),
    }
}

/// Copies the headers that travel with an event's body as long as they fit; returns whether all did.
fn keep_headers(from: Option<&HeaderMap>, to: &mut HeaderMap) -> bool {
    let mut bytes = 0;
    for (name, value) in from.into_iter().flat_map(travelling) {
        bytes += name.len() + value.len();
        if bytes > KEPT_HEADERS_BYTES {
            return false;
        }
        to.append(name, value);
    }
    true
}

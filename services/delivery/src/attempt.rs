//! One attempt: build the request, send it, classify what came, and make its record.

use std::time::Instant;

use bytes::Bytes;
use domain::{
    asked_wait::asked_wait,
    attempt::{AttemptRecord, BodyEncoding, RESPONSE_BODY_KEPT_BYTES, RESPONSE_HEADERS_KEPT_BYTES},
    job::Job,
    outcome::{Answer, ErrorKind, Exchange, Failure, Outcome, classify},
    redaction::{self, MASK, Scrubber},
    request::{self, Trace},
    time::Timestamp,
};

use crate::{client::Reply, sender::Sender, spans::Calls, targets::Target};

/// What an attempt came to, and its record, which lacks only what is decided next.
#[derive(Debug)]
pub(crate) struct Attempted {
    /// The outcome.
    pub(crate) outcome: Outcome,
    /// The record.
    pub(crate) record: AttemptRecord,
}

/// Executes the attempt that a job asks for.
pub(crate) async fn execute(
    sender: &Sender,
    target: &Target,
    job: &Job,
    body: &Bytes,
    calls: &Calls<'_>,
) -> Attempted {
    let started_at = Timestamp::from_millis(lifecycle::clock::now_ms());
    let headers = request::headers(
        &target.template,
        job,
        body,
        started_at,
        Trace {
            parent: calls.first,
            state: calls.state,
        },
    );
    let clock = Instant::now();
    let sent = sender.send(target, headers, body, calls).await;
    let duration_ms = u32::try_from(clock.elapsed().as_millis()).unwrap_or(u32::MAX);
    let answered_at = Timestamp::from_millis(lifecycle::clock::now_ms());
    let outcome = classify(exchange(&sent.reply, answered_at));
    let (response_body, encoding) = kept_body(sent.scrubber(target), &sent.reply);
    let response_headers = kept_headers(sent.scrubber(target), &sent.reply);
    let record = AttemptRecord {
        id: lifecycle::entropy::uuid_v7(),
        webhook_config_id: job.endpoint.clone(),
        organisation_id: job.organisation.clone(),
        job_id: job.id.clone(),
        event_id: job.event.clone(),
        event_category: job.category.clone(),
        event_sub_category: job.name.clone(),
        body_hash: job.body_hash,
        url: target.shown_url.clone(),
        http_method: target.template.method.as_str().to_owned(),
        request_headers: sent.shown_headers,
        response_status: sent.reply.status,
        response_headers,
        response_body,
        response_body_encoding: encoding,
        attempt: job.attempt,
        trigger: job.trigger,
        success: outcome.is_success(),
        error_message: outcome.error_message(),
        error_kind: outcome.error_kind(),
        duration_ms,
        next_attempt_at: None,
        trace_id: calls.attempt.trace_id(),
        created_at: started_at,
    };
    Attempted { outcome, record }
}

/// Puts what came back into the form that decisions are made on.
fn exchange(reply: &Reply, now: Timestamp) -> Exchange {
    match (reply.status, &reply.failure) {
        (Some(status), failure) => Ok(Answer {
            status,
            asked_wait: asked_wait(&reply.headers, now),
            non_retryable: reply
                .headers
                .get("upstash-nonretryable-error")
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true")),
            broke_off: failure.clone(),
        }),
        (None, Some(failure)) => Err(failure.clone()),
        (None, None) => Err(Failure {
            kind: ErrorKind::Protocol,
            message: "no answer and no reason".to_owned(),
        }),
    }
}

/// Returns the part of the answer's body that a record keeps, without the endpoint's secrets.
fn kept_body(scrubber: &Scrubber, reply: &Reply) -> (Option<String>, Option<BodyEncoding>) {
    if reply.status.is_none() {
        return (None, None);
    }
    // Scrubbed before it is cut: a secret that a cut runs through would not be found.
    let clean = scrubber.scrub_bytes(&reply.body, reply.is_cut);
    let (text, encoding) = redaction::excerpt(&clean, RESPONSE_BODY_KEPT_BYTES);
    (
        Some(text),
        (encoding == BodyEncoding::Base64).then_some(encoding),
    )
}

/// Returns the answer's headers as a record keeps them: secrets masked, cut to the limit.
fn kept_headers(scrubber: &Scrubber, reply: &Reply) -> Option<Vec<(String, String)>> {
    reply.status?;
    let headers = &reply.headers;
    let mut kept = Vec::with_capacity(headers.len());
    let mut bytes = 0;
    for (name, value) in headers {
        let value = if redaction::is_sensitive(name.as_str()) {
            MASK.to_owned()
        } else {
            scrubber.scrub(&String::from_utf8_lossy(value.as_bytes()))
        };
        bytes += name.as_str().len() + value.len();
        if bytes > RESPONSE_HEADERS_KEPT_BYTES {
            break;
        }
        kept.push((name.as_str().to_owned(), value));
    }
    Some(kept)
}

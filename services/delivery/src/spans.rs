//! The spans of jobs: one for each attempt, with the wait before it beside it and its requests below it.

use std::time::{Duration, SystemTime};

use domain::{job::Job, redaction, time::Timestamp, trace::TraceParent};
use http::Uri;
use jetstream::{subject::Durable, wire::TraceHeaders};
use lifecycle::{clock, entropy};
use telemetry::{
    KeyValue, Tracer, attribute,
    trace::{Kind, Origin, Span},
};

use crate::{client::Reply, metrics::Instruments};

/// When and where a job came in.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    at: SystemTime,
    subject: String,
    durable: Durable,
}

/// The requests that belong to one attempt.
#[derive(Debug)]
pub(crate) struct Calls<'a> {
    pub(crate) tracer: &'a Tracer,
    pub(crate) instruments: &'a Instruments,
    /// The attempt's span.
    pub(crate) attempt: TraceParent,
    /// What the first request carries. No other attempt has it, whether it is recorded or not.
    pub(crate) first: TraceParent,
    /// The producer's `tracestate`.
    pub(crate) state: Option<&'a str>,
}

impl Arrival {
    /// Notes that a job has come from one of the two lanes.
    pub(crate) fn now(subject: String, durable: Durable) -> Self {
        Self {
            at: clock::now(),
            subject,
            durable,
        }
    }

    /// Begins the span of what is done with a job, as of its arrival. The wait before it becomes a span of
    /// its own, now that it is over.
    pub(crate) fn span(&self, tracer: &Tracer, job: &Job, trace: &TraceHeaders) -> Span {
        let origin = Origin::of(trace.parent.as_deref());
        let name = match self.durable {
            Durable::DeliveryRetries => "process retries",
            Durable::Delivery | Durable::FanOut | Durable::EventArchive | Durable::LogWriter => {
                "process jobs"
            }
        };
        let mut span = tracer.begin(Kind::Consumer, name, origin);
        if !span.is_recorded() {
            return span;
        }
        let since = trace.waits_since.unwrap_or(job.accepted_at);
        if let (Some(since), Origin::Within(parent)) = (trace.waits_since, origin) {
            let mut wait = tracer.child(Kind::Internal, "wait", parent.sampled(true));
            wait.describe(|| [KeyValue::new(attribute::ATTEMPT, i64::from(job.attempt))]);
            wait.began(system_time(since));
            wait.ended(self.at);
        }
        span.began(self.at);
        self.describe(&mut span, job, since);
        span
    }

    fn describe(&self, span: &mut Span, job: &Job, since: Timestamp) {
        let waited = self.at.duration_since(system_time(since));
        let waited_ms = waited.map_or(0, |waited| waited.as_millis());
        let waited_ms = i64::try_from(waited_ms).unwrap_or(i64::MAX);
        span.describe(|| {
            [
                KeyValue::new(attribute::MESSAGING_SYSTEM, attribute::NATS),
                KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "process"),
                KeyValue::new(attribute::MESSAGING_OPERATION_TYPE, "process"),
                KeyValue::new(attribute::MESSAGING_DESTINATION, self.subject.clone()),
                KeyValue::new(attribute::MESSAGING_CONSUMER_GROUP, self.durable.name()),
                KeyValue::new(attribute::MESSAGING_MESSAGE_ID, job.id.to_string()),
                KeyValue::new(attribute::ORGANISATION, job.organisation.to_string()),
                KeyValue::new(attribute::ENDPOINT, job.endpoint.to_string()),
                KeyValue::new(attribute::EVENT, job.event.to_string()),
                KeyValue::new(attribute::EVENT_NAME, job.name.to_string()),
                KeyValue::new(attribute::JOB, job.id.to_string()),
                KeyValue::new(attribute::ATTEMPT, i64::from(job.attempt)),
                KeyValue::new(attribute::ATTEMPT_TRIGGER, job.trigger.as_str()),
                KeyValue::new(attribute::ATTEMPT_WAITED_MS, waited_ms),
            ]
        });
    }
}

impl<'a> Calls<'a> {
    /// Makes what records the requests of an attempt, below its span.
    pub(crate) fn new(
        tracer: &'a Tracer,
        instruments: &'a Instruments,
        attempt: TraceParent,
        state: Option<&'a str>,
    ) -> Self {
        Self {
            tracer,
            instruments,
            attempt,
            first: attempt.child(entropy::bytes()),
            state,
        }
    }

    /// Begins the span of a request to an endpoint that was sent `resends` times before.
    pub(crate) fn request(&self, method: &'static str, url: &str, uri: &Uri, resends: u32) -> Span {
        let context = match resends {
            0 => self.first,
            _ => self.attempt.child(entropy::bytes()),
        };
        let mut span = (self.tracer).child_as(Kind::Client, method, self.attempt, context);
        describe(&mut span, method, url, uri);
        if resends > 0 {
            span.set(attribute::HTTP_RESEND_COUNT, i64::from(resends));
        }
        span
    }

    /// Begins the span of a request to a token server.
    pub(crate) fn token(&self, uri: &Uri) -> Span {
        let mut span = self.tracer.child(Kind::Client, "POST", self.attempt);
        if span.is_recorded() {
            describe(
                &mut span,
                "POST",
                &redaction::mask_url(&uri.to_string()),
                uri,
            );
        }
        span
    }
}

/// Says what came back, and ends the span.
pub(crate) fn answered(mut span: Span, reply: &Reply) {
    if let Some(status) = reply.status {
        span.set(attribute::HTTP_STATUS, i64::from(status));
    }
    match (&reply.failure, reply.status) {
        (Some(failure), _) => span.fail(failure.kind.as_str()),
        (None, Some(status @ 400..)) => span.fail(status.to_string()),
        (None, _) => {}
    }
}

fn describe(span: &mut Span, method: &'static str, url: &str, uri: &Uri) {
    let default_port = match uri.scheme_str() {
        Some("http") => 80,
        _ => 443,
    };
    span.describe(|| {
        [
            KeyValue::new(attribute::HTTP_METHOD, method),
            KeyValue::new(attribute::URL_FULL, url.to_owned()),
            KeyValue::new(
                attribute::SERVER_ADDRESS,
                uri.host().unwrap_or_default().to_owned(),
            ),
            KeyValue::new(
                attribute::SERVER_PORT,
                i64::from(uri.port_u16().unwrap_or(default_port)),
            ),
        ]
    });
}

fn system_time(at: Timestamp) -> SystemTime {
    let since = u64::try_from(at.millis()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_millis(since)
}

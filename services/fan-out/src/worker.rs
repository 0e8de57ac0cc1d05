//! One event: read it, match it, store its jobs, settle it.

use std::{sync::Arc, time::Duration};

use catalogue::{Catalogue, Met, Refusal};
use domain::{
    event::{Event, stored_max_bytes},
    job::Job,
    trace::TraceParent,
};
use futures::future::join_all;
use jetstream::{
    Broker,
    consumer::{Delivery, NEWER_PAUSE, Settlement},
    dead_letter::{Rejection, rejection},
    presence::Lease,
    publisher::{Outgoing, Publisher},
    retry_lane::{Cargo, job_headers},
    subject::{Durable, Stream},
    wire::{self, TraceHeaders},
};

use telemetry::{
    KeyValue, Tracer, attribute,
    trace::{Kind, Origin, Span},
};

use crate::{directory::Directory, metrics::Instruments};

/// How many jobs of one event are under way to the broker at once.
const JOBS_AT_ONCE: usize = 1_000;
/// How long an event waits after its jobs could not be stored.
const PAUSE: Duration = Duration::from_secs(1);

/// Turns events into jobs.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) broker: Broker,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) lease: Lease,
    pub(crate) publisher: Publisher,
    pub(crate) instruments: Instruments,
    pub(crate) tracer: Tracer,
}

impl Worker {
    /// Handles one message of the events stream.
    pub(crate) async fn handle(&self, delivery: Delivery) -> Settlement {
        if delivery.is_poison {
            let reason = "poison: whoever handled it did not come to an end";
            return Box::pin(self.reject(&delivery, reason)).await;
        }
        match self.read(&delivery) {
            Ok(event) => self.admit(event, &delivery).await,
            Err(reason) => Box::pin(self.reject(&delivery, &reason)).await,
        }
    }

    /// Reads an event as any NATS client may have published it.
    fn read(&self, delivery: &Delivery) -> Result<Event, String> {
        let limit = stored_max_bytes(self.broker.payload_limit());
        wire::event::read(&self.broker.names, delivery, limit)
    }

    /// Emits an event, if its event type lets it pass.
    async fn admit(&self, mut event: Event, delivery: &Delivery) -> Settlement {
        match self.catalogue.admit(&mut event, Met::from(delivery)) {
            Ok(()) => {
                let mut span = self.span(&event, delivery);
                let settlement = self.emit(&event, delivery, &mut span).await;
                if settlement != Settlement::Ack {
                    span.fail("not-stored");
                }
                settlement
            }
            Err(Refusal::Unreadable) => Settlement::NakAfter(NEWER_PAUSE),
            // Looked at after the catalogue, as after the index.
            Err(Refusal::Fault(_)) if !self.lease.holds() => Settlement::NakAfter(PAUSE),
            Err(Refusal::Fault(fault)) => Box::pin(self.reject(delivery, &fault.to_string())).await,
        }
    }

    /// Stores one job per endpoint that wants the event.
    async fn emit(&self, event: &Event, delivery: &Delivery, span: &mut Span) -> Settlement {
        let index = self.directory.index(&event.organisation);
        // Looked at after the index: what was read while the lease holds was current.
        if !self.lease.holds() {
            return Settlement::NakAfter(PAUSE);
        }
        if !self.directory.is_whole(&event.organisation) {
            return Settlement::NakAfter(NEWER_PAUSE);
        }
        let Some(index) = index else {
            self.instruments.fanned_out(0);
            return Settlement::Ack;
        };
        let found = index.matches(&event.name, event.source_id.as_deref());
        if found.is_empty() {
            self.instruments.fanned_out(0);
            return Settlement::Ack;
        }
        let hash = event.body_hash();
        let publishing = self.publishing(span.context(), found.len());
        let cargo = Cargo {
            body: event.body.clone(),
            trace: TraceHeaders::read(delivery.headers.as_ref()).at(publishing.context()),
            previous: None,
        };
        for chunk in found.chunks(JOBS_AT_ONCE) {
            let jobs = chunk
                .iter()
                .map(|found| Job::first(event, hash, found, delivery.stored_at));
            let stored = join_all(jobs.map(|job| self.store(job, &cargo))).await;
            if stored.contains(&false) {
                return Settlement::NakAfter(PAUSE);
            }
        }
        self.instruments.fanned_out(found.len());
        Settlement::Ack
    }

    /// Begins the span of an event.
    fn span(&self, event: &Event, delivery: &Delivery) -> Span {
        let trace = TraceHeaders::read(delivery.headers.as_ref());
        let origin = Origin::of_message(trace.parent.as_deref(), *event.body_hash().as_bytes());
        let name = "process events";
        let mut span = self.tracer.begin(Kind::Consumer, name, origin);
        span.describe(|| {
            [
                KeyValue::new(attribute::MESSAGING_SYSTEM, attribute::NATS),
                KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "process"),
                KeyValue::new(attribute::MESSAGING_OPERATION_TYPE, "process"),
                KeyValue::new(attribute::MESSAGING_DESTINATION, delivery.subject.clone()),
                KeyValue::new(attribute::MESSAGING_CONSUMER_GROUP, Durable::FanOut.name()),
                KeyValue::new(attribute::MESSAGING_MESSAGE_ID, event.id.to_string()),
                KeyValue::new(attribute::ORGANISATION, event.organisation.to_string()),
                KeyValue::new(attribute::EVENT, event.id.to_string()),
                KeyValue::new(attribute::EVENT_NAME, event.name.to_string()),
            ]
        });
        span
    }

    /// Begins the span that all jobs of an event belong below.
    fn publishing(&self, within: TraceParent, jobs: usize) -> Span {
        let name = "publish jobs";
        let mut span = self.tracer.child(Kind::Producer, name, within);
        span.describe(|| {
            let jobs = i64::try_from(jobs).unwrap_or(i64::MAX);
            [
                KeyValue::new(attribute::MESSAGING_SYSTEM, attribute::NATS),
                KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "publish"),
                KeyValue::new(attribute::MESSAGING_OPERATION_TYPE, "send"),
                KeyValue::new(
                    attribute::MESSAGING_DESTINATION,
                    self.broker.names.stream(Stream::Jobs),
                ),
                KeyValue::new(attribute::MESSAGING_BATCH_COUNT, jobs),
            ]
        });
        span
    }

    /// Stores a job. A duplicate is one: the id says that it is the very same job.
    async fn store(&self, job: Job, cargo: &Cargo) -> bool {
        let message = || Outgoing {
            subject: self.broker.names.job(&job.endpoint),
            message_id: job.id.to_string(),
            headers: job_headers(&job, cargo),
            payload: cargo.body.clone(),
        };
        match self.publisher.publish_until_stored(message).await {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(error = %error, job.id = %job.id, "job can't be stored");
                false
            }
        }
    }

    /// Puts a message aside that can't become an event, so that it blocks nothing.
    async fn reject(&self, delivery: &Delivery, reason: &str) -> Settlement {
        let organisation = self
            .broker
            .names
            .parse_event(&delivery.subject)
            .and_then(|(organisation, _)| organisation.parse().ok());
        let rejected = Rejection {
            organisation: organisation.as_ref(),
            subject: &delivery.subject,
            reason,
            message_id: format!("events:{}", delivery.sequence),
            headers: delivery.headers.as_ref(),
            payload: &delivery.payload,
        };
        let limit = stored_max_bytes(self.broker.payload_limit());
        let message = rejection(&self.broker.names, rejected, limit);
        let message = || message.clone();
        tracing::info!(reason, sequence = delivery.sequence, "event rejected");
        match self.publisher.publish_until_stored(message).await {
            Ok(_) => {
                self.instruments.rejected();
                Settlement::Ack
            }
            Err(error) => {
                tracing::error!(error = %error, "rejected message can't be stored");
                Settlement::NakAfter(PAUSE)
            }
        }
    }
}

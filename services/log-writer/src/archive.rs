//! Event bodies: each event of the stream into the store, once.

use std::{future::Future, sync::Arc, time::Duration};

use attempt_store::{ArchivedEvent, AttemptStore};
use catalogue::{Catalogue, Met, Refusal};
use domain::{
    batch::Limits,
    event::{Event, stored_max_bytes},
};
use http_api::host::Parts;
use jetstream::{
    Broker,
    batcher::{self, Batcher},
    consumer::{Delivery, NEWER_PAUSE, Settlement},
    presence::Lease,
    subject::Durable,
    wire::{TraceHeaders, event},
};
use telemetry::{
    KeyValue, Tracer, attribute,
    trace::{Kind, Origin, Span},
};

use crate::{
    metrics::Instruments,
    writing::{Patience, report_refused},
};

/// When a write is due.
const LIMITS: Limits = Limits {
    items: 1_000,
    bytes: 4 * 1024 * 1024,
    age: Duration::from_millis(50),
};

/// How long an event waits while what is held of the catalogue may be out of date.
const PAUSE: Duration = Duration::from_secs(1);

/// Knows which events pass: those that fan-out rejects are not archived, so that no replay finds them.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) lease: Lease,
}

/// Takes events.
#[derive(Debug)]
pub(crate) struct Archive {
    broker: Broker,
    admission: Admission,
    batcher: Batcher<ArchivedEvent>,
    tracer: Tracer,
}

/// Makes the intake, and the task that writes.
pub(crate) fn start(
    store: &AttemptStore,
    parts: &Parts,
    patience: &Patience,
    instruments: &Arc<Instruments>,
    admission: Admission,
) -> (Archive, impl Future<Output = ()> + use<>) {
    let (batcher, batches) = batcher::new(LIMITS);
    let (store, patience, instruments) = (store.clone(), patience.clone(), Arc::clone(instruments));
    let writing = batches.run(1, move |events: Vec<ArchivedEvent>| {
        let (store, patience, instruments) =
            (store.clone(), patience.clone(), Arc::clone(&instruments));
        async move {
            let timer = instruments.write_begins("events");
            let Some(written) = patience.write(|| store.archive(&events)).await else {
                return false;
            };
            timer.written(events.len());
            report_refused("event body", &written);
            true
        }
    });
    (
        Archive {
            broker: parts.broker.clone(),
            admission,
            batcher,
            tracer: parts.tracer.clone(),
        },
        writing,
    )
}

impl Archive {
    /// Handles one message of the events stream. What is no event is fan-out's to reject.
    pub(crate) async fn handle(&self, delivery: Delivery) -> Settlement {
        let limit = stored_max_bytes(self.broker.payload_limit());
        let Ok(mut event) = event::read(&self.broker.names, &delivery, limit) else {
            return Settlement::Ack;
        };
        let admitted = (self.admission.catalogue).admit(&mut event, Met::from(&delivery));
        // Looked at after the catalogue: what was read while the lease holds was current.
        if !self.admission.lease.holds() {
            return Settlement::NakAfter(PAUSE);
        }
        match admitted {
            Ok(()) => self.store(archived(event, &delivery), &delivery).await,
            Err(Refusal::Fault(_)) => Settlement::Ack,
            Err(Refusal::Unreadable) => Settlement::NakAfter(NEWER_PAUSE),
        }
    }

    async fn store(&self, event: ArchivedEvent, delivery: &Delivery) -> Settlement {
        let bytes = event.body.len();
        let span = self.span(&event, delivery);
        match self.batcher.store(event, bytes).await {
            Ok(()) => Settlement::Ack,
            Err(batcher::Dropped) => {
                span.into_iter().for_each(Span::discard);
                Settlement::NakAfter(Duration::ZERO)
            }
        }
    }

    /// Begins the span of an event's body, which ends when the body is stored.
    fn span(&self, event: &ArchivedEvent, delivery: &Delivery) -> Option<Span> {
        if !self.tracer.is_on() {
            return None;
        }
        let trace = TraceHeaders::read(delivery.headers.as_ref());
        let origin = Origin::of_message(trace.parent.as_deref(), *event.hash.as_bytes());
        let mut span = self.tracer.begin(Kind::Consumer, "archive events", origin);
        span.describe(|| {
            [
                KeyValue::new(attribute::MESSAGING_SYSTEM, attribute::NATS),
                KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "archive"),
                KeyValue::new(attribute::MESSAGING_OPERATION_TYPE, "process"),
                KeyValue::new(attribute::MESSAGING_DESTINATION, delivery.subject.clone()),
                KeyValue::new(
                    attribute::MESSAGING_CONSUMER_GROUP,
                    Durable::EventArchive.name(),
                ),
                KeyValue::new(attribute::MESSAGING_MESSAGE_ID, event.id.to_string()),
                KeyValue::new(attribute::ORGANISATION, event.organisation.to_string()),
                KeyValue::new(attribute::EVENT, event.id.to_string()),
                KeyValue::new(attribute::EVENT_NAME, event.name.to_string()),
            ]
        });
        Some(span)
    }
}

fn archived(event: Event, delivery: &Delivery) -> ArchivedEvent {
    ArchivedEvent {
        hash: event.body_hash(),
        organisation: event.organisation,
        id: event.id,
        name: event.name,
        category: event.category,
        source_id: event.source_id,
        body: event.body,
        content: event.content,
        accepted_at: delivery.stored_at,
    }
}

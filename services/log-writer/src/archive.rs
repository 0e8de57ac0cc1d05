//! Event bodies: each event of the stream into the store, once.

use std::{future::Future, sync::Arc, time::Duration};

use attempt_store::{ArchivedEvent, AttemptStore};
use domain::{
    batch::Limits,
    event::{Event, stored_max_bytes},
    name::OrganisationId,
};
use jetstream::{
    Broker,
    batcher::{self, Batcher},
    consumer::{Delivery, Settlement},
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

/// Takes events.
#[derive(Debug)]
pub(crate) struct Archive {
    broker: Broker,
    batcher: Batcher<ArchivedEvent>,
}

/// Makes the intake, and the task that writes.
pub(crate) fn start(
    store: &AttemptStore,
    broker: &Broker,
    patience: &Patience,
    instruments: &Arc<Instruments>,
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
            broker: broker.clone(),
            batcher,
        },
        writing,
    )
}

impl Archive {
    /// Handles one message of the events stream. What is no event is fan-out's to reject.
    pub(crate) async fn handle(&self, delivery: Delivery) -> Settlement {
        let Some(event) = self.read(&delivery) else {
            return Settlement::Ack;
        };
        let bytes = event.body.len();
        match self.batcher.store(event, bytes).await {
            Ok(()) => Settlement::Ack,
            Err(batcher::Dropped) => Settlement::NakAfter(Duration::ZERO),
        }
    }

    fn read(&self, delivery: &Delivery) -> Option<ArchivedEvent> {
        let (organisation, name) = self.broker.names.parse_event(&delivery.subject)?;
        let organisation: OrganisationId = organisation.parse().ok()?;
        let limit = stored_max_bytes(self.broker.payload_limit());
        let event =
            Event::read(&organisation, &delivery.payload, delivery.stored_at, limit).ok()?;
        (event.name.as_str() == name).then(|| ArchivedEvent {
            hash: event.body_hash(),
            organisation: event.organisation,
            id: event.id,
            name: event.name,
            category: event.category,
            source_id: event.source_id,
            body: event.body,
            accepted_at: delivery.stored_at,
        })
    }
}

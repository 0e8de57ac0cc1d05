//! Attempt records: batches from the broker, gathered into larger writes.

use std::{future::Future, sync::Arc, time::Duration};

use attempt_store::AttemptStore;
use domain::{attempt::AttemptRecord, batch::Limits};
use jetstream::{
    batcher::{self, Batcher},
    consumer::{Delivery, NEWER_PAUSE, Settlement},
    wire::{DecodeError, attempts},
};

use crate::{
    metrics::Instruments,
    writing::{Patience, report_refused},
};

/// When a write is due: by messages (of many records each), by bytes, by age.
const LIMITS: Limits = Limits {
    items: 64,
    bytes: 4 * 1024 * 1024,
    age: Duration::from_millis(25),
};
/// How many writes may be under way at once.
const WRITES_AT_ONCE: usize = 2;

/// Takes messages with batches of records.
#[derive(Debug)]
pub(crate) struct Records {
    batcher: Batcher<Vec<AttemptRecord>>,
}

/// Makes the intake, and the task that writes.
pub(crate) fn start(
    store: &AttemptStore,
    patience: &Patience,
    instruments: &Arc<Instruments>,
) -> (Records, impl Future<Output = ()> + use<>) {
    let (batcher, batches) = batcher::new(LIMITS);
    let (store, patience, instruments) = (store.clone(), patience.clone(), Arc::clone(instruments));
    let writing = batches.run(WRITES_AT_ONCE, move |messages: Vec<Vec<AttemptRecord>>| {
        let (store, patience, instruments) =
            (store.clone(), patience.clone(), Arc::clone(&instruments));
        async move {
            let records: Vec<AttemptRecord> = messages.into_iter().flatten().collect();
            let timer = instruments.write_begins("records");
            let Some(written) = patience.write(|| store.write(&records)).await else {
                return false;
            };
            timer.written(records.len());
            report_refused("attempt record", &written);
            true
        }
    });
    (Records { batcher }, writing)
}

impl Records {
    /// Handles one message of the attempts stream.
    pub(crate) async fn handle(&self, delivery: Delivery) -> Settlement {
        let records = match attempts::decode(&delivery.payload) {
            Ok(records) => records,
            Err(DecodeError::Newer(_)) => return Settlement::NakAfter(NEWER_PAUSE),
            Err(DecodeError::Malformed(reason)) => {
                // Nobody but delivery may publish here; what is damaged can't be read by anybody.
                tracing::error!(
                    reason,
                    sequence = delivery.sequence,
                    "batch of records dropped"
                );
                return Settlement::Ack;
            }
        };
        match self.batcher.store(records, delivery.payload.len()).await {
            Ok(()) => Settlement::Ack,
            Err(batcher::Dropped) => Settlement::NakAfter(Duration::ZERO),
        }
    }
}

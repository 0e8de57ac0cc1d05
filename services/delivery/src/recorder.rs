//! Records of attempts and states on their way to the log writer: many in one message.
//!
//! A job is acknowledged only when the batch that holds its record is stored. When `ATTEMPTS` is
//! four fifths full, records go without the bodies of answers; when it is full, nothing more is sent:
//! publishing stalls, and with it the pulling of jobs.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::{attempt::AttemptRecord, batch::Limits, job_state::StateRecord};
use http_api::host::Parts;
use jetstream::{
    Broker,
    batcher::{self, Batcher, Dropped},
    publisher::{Outgoing, Publisher},
    subject::Stream,
    wire::attempts::{Encoder, Entry},
};
use telemetry::trace::Span;
use tokio_util::sync::CancellationToken;

use crate::metrics::Instruments;

/// The most records of a batch.
const BATCH_RECORDS: usize = 1_000;
/// How long a record waits for company.
const BATCH_AGE: Duration = Duration::from_millis(10);
/// How many batches may be under way to the broker at once.
const BATCHES_AT_ONCE: usize = 8;
/// How often the fill of `ATTEMPTS` is looked at.
const FILL_EVERY: Duration = Duration::from_secs(2);
/// The fill above which records shed the bodies of answers.
const SHED_ABOVE: f64 = 0.8;

/// Takes records; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    batcher: Batcher<Entry>,
    /// The most bytes of a record.
    room: usize,
    sheds: Arc<AtomicBool>,
}

/// Makes the recorder, and the task that publishes its batches.
pub(crate) fn start(
    parts: &Parts,
    publisher: &Publisher,
    instruments: &Arc<Instruments>,
) -> (Recorder, impl Future<Output = ()> + use<>) {
    // A batch may take half of what a message may hold.
    let room = parts.broker.payload_limit() / 2;
    let limits = Limits {
        items: BATCH_RECORDS,
        bytes: room,
        age: BATCH_AGE,
    };
    let (batcher, batches) = batcher::new(limits);
    let subject = parts.broker.names.attempts();
    let abort = parts.shutdown.abort();
    let (publisher, instruments) = (publisher.clone(), Arc::clone(instruments));
    let recording = batches.run(BATCHES_AT_ONCE, move |records: Vec<Entry>| {
        instruments.batch(records.len());
        let mut encoder = Encoder::default();
        records.iter().for_each(|record| encoder.push(record));
        let (subject, batch) = (subject.clone(), lifecycle::entropy::uuid_v7());
        let payload = Bytes::from(encoder.finish());
        let message = move || Outgoing {
            subject: subject.clone(),
            message_id: batch.clone(),
            headers: Default::default(),
            payload: payload.clone(),
        };
        let (publisher, abort) = (publisher.clone(), abort.clone());
        async move {
            tokio::select! {
                stored = publisher.publish_until_stored(message) => stored
                    .inspect_err(|error| tracing::error!(error = %error, "records can't be stored"))
                    .is_ok(),
                // Whoever waits for it hands its job back to the broker.
                () = abort.cancelled() => false,
            }
        }
    });
    let recorder = Recorder {
        batcher,
        room,
        sheds: Arc::default(),
    };
    (recorder, recording)
}

impl Recorder {
    /// Stores the record of an attempt, which belongs below the attempt's span; returns when the broker has it.
    pub(crate) async fn record(
        &self,
        mut record: AttemptRecord,
        span: &Span,
    ) -> Result<(), Dropped> {
        if self.sheds.load(Ordering::Relaxed) {
            record.response_body = None;
            record.response_body_encoding = None;
        }
        let mut entry = Entry::attempt(&record);
        if entry.bytes() > self.room {
            // On a broker with little room the record itself matters more than what it quotes.
            record.response_body = None;
            record.response_headers = None;
            record.request_headers.clear();
            entry = Entry::attempt(&record);
        }
        if span.is_recorded() {
            entry = entry.within(&record.id, span.context());
        }
        self.store(entry).await
    }

    /// Stores the record of a state; returns when the broker has it.
    pub(crate) async fn state(&self, record: StateRecord) -> Result<(), Dropped> {
        self.store(Entry::state(&record)).await
    }

    async fn store(&self, entry: Entry) -> Result<(), Dropped> {
        let size = entry.bytes();
        self.batcher.store(entry, size).await
    }

    /// Watches the fill of `ATTEMPTS` until `stop`.
    pub(crate) async fn watch_fill(self, broker: Broker, stop: CancellationToken) {
        let watching = async {
            loop {
                match broker.fill(Stream::Attempts).await {
                    Ok(fill) => self.shed(fill > SHED_ABOVE),
                    Err(error) => tracing::debug!(error, "fill of ATTEMPTS not known"),
                }
                tokio::time::sleep(FILL_EVERY).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = watching => {}
        }
    }

    fn shed(&self, sheds: bool) {
        if self.sheds.swap(sheds, Ordering::Relaxed) != sheds {
            tracing::warn!(
                sheds,
                "records of attempts go without the bodies of answers"
            );
        }
    }
}

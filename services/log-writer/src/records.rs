//! Records of attempts and states: batches from the broker, gathered into larger writes.

use std::{future::Future, sync::Arc, time::Duration};

use attempt_store::AttemptStore;
use bytes::Bytes;
use domain::{batch::Limits, trace::TraceParent};
use http_api::host::Parts;
use jetstream::{
    Broker,
    batcher::{self, Batcher},
    consumer::{Delivery, NEWER_PAUSE, Settlement},
    dead_letter::{Rejection, rejection},
    publisher::Publisher,
    subject::Durable,
    wire::{
        DecodeError,
        attempts::{self, Decoded, Traced},
    },
};
use telemetry::{
    KeyValue, Tracer, attribute,
    trace::{Kind, Origin, Span},
};

use crate::{
    metrics::Instruments,
    writing::{Patience, report_refused},
};

/// When a write is due: by messages (of many records each), by bytes, by age.
const LIMITS: Limits = Limits {
    items: 64,
    bytes: 4 * 1024 * 1024,
    age: Duration::from_millis(100),
};
/// How many writes may be under way at once.
const WRITES_AT_ONCE: usize = 2;

/// Takes messages with batches of records.
#[derive(Debug)]
pub(crate) struct Records {
    broker: Broker,
    publisher: Publisher,
    batcher: Batcher<Decoded>,
    tracer: Tracer,
}

/// Makes the intake, and the task that writes.
pub(crate) fn start(
    store: &AttemptStore,
    parts: &Parts,
    patience: &Patience,
    instruments: &Arc<Instruments>,
) -> (Records, impl Future<Output = ()> + use<>) {
    let (batcher, batches) = batcher::new(LIMITS);
    let (store, patience, instruments) = (store.clone(), patience.clone(), Arc::clone(instruments));
    let writing = batches.run(WRITES_AT_ONCE, move |messages: Vec<Decoded>| {
        let (store, patience, instruments) =
            (store.clone(), patience.clone(), Arc::clone(&instruments));
        async move {
            let (mut attempts, mut states) = (Vec::new(), Vec::new());
            for message in messages {
                attempts.extend(message.records);
                states.extend(message.states);
            }
            let timer = instruments.write_begins("records");
            // Writing nothing succeeds without asking the store, and would pass for its answer.
            if !attempts.is_empty() {
                let Some(written) = patience.write(|| store.write(&attempts)).await else {
                    return false;
                };
                report_refused("attempt record", &written);
            }
            if !states.is_empty() {
                let Some(written) = patience.write(|| store.write_states(&states)).await else {
                    return false;
                };
                report_refused("state record", &written);
            }
            timer.written(attempts.len() + states.len());
            true
        }
    });
    let records = Records {
        broker: parts.broker.clone(),
        publisher: Publisher::new(&parts.broker),
        batcher,
        tracer: parts.tracer.clone(),
    };
    (records, writing)
}

impl Records {
    /// Handles one message of the attempts stream.
    pub(crate) async fn handle(&self, delivery: Delivery) -> Settlement {
        let mut decoded = match attempts::decode(&delivery.payload) {
            Ok(decoded) => decoded,
            Err(DecodeError::Newer(_)) => return Settlement::NakAfter(NEWER_PAUSE),
            Err(DecodeError::Malformed(reason)) => {
                let payload = &delivery.payload;
                return Box::pin(self.put_aside(&delivery, 0, payload, &reason)).await;
            }
        };
        let unreadable = std::mem::take(&mut decoded.unreadable);
        for (at, (text, reason)) in unreadable.into_iter().enumerate() {
            let payload = Bytes::from(text);
            let aside = Box::pin(self.put_aside(&delivery, at, &payload, &reason)).await;
            if aside != Settlement::Ack {
                return aside;
            }
        }
        let spans = self.spans(&decoded, &delivery);
        decoded.spans = Vec::new();
        match self.batcher.store(decoded, delivery.payload.len()).await {
            Ok(()) => Settlement::Ack,
            Err(batcher::Dropped) => {
                spans.into_iter().for_each(Span::discard);
                Settlement::NakAfter(Duration::ZERO)
            }
        }
    }

    /// Begins a span for each record whose trace is recorded; it ends when the record is stored.
    fn spans(&self, decoded: &Decoded, delivery: &Delivery) -> Vec<Span> {
        if !self.tracer.is_on() {
            return Vec::new();
        }
        let begin = |traced: &Traced| {
            let parent = TraceParent::parse(&traced.parent)?;
            let (kind, name) = (Kind::Consumer, "process attempts");
            let mut span = self.tracer.begin(kind, name, Origin::Within(parent));
            span.describe(|| {
                [
                    KeyValue::new(attribute::MESSAGING_SYSTEM, attribute::NATS),
                    KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "process"),
                    KeyValue::new(attribute::MESSAGING_OPERATION_TYPE, "process"),
                    KeyValue::new(attribute::MESSAGING_DESTINATION, delivery.subject.clone()),
                    KeyValue::new(
                        attribute::MESSAGING_CONSUMER_GROUP,
                        Durable::LogWriter.name(),
                    ),
                    KeyValue::new(attribute::RECORD, traced.record.clone()),
                ]
            });
            Some(span)
        };
        decoded.spans.iter().filter_map(begin).collect()
    }

    /// Puts aside what is no record that we can read: another version may.
    async fn put_aside(
        &self,
        delivery: &Delivery,
        at: usize,
        payload: &Bytes,
        reason: &str,
    ) -> Settlement {
        tracing::error!(
            reason,
            sequence = delivery.sequence,
            "record is not readable"
        );
        let rejected = Rejection {
            organisation: None,
            subject: &delivery.subject,
            reason,
            message_id: format!("attempts:{}:{at}", delivery.sequence),
            headers: None,
            payload,
        };
        let message = rejection(&self.broker.names, rejected, self.broker.payload_limit());
        let message = || message.clone();
        match self.publisher.publish_until_stored(message).await {
            Ok(_) => Settlement::Ack,
            Err(error) => {
                tracing::error!(error = %error, "unreadable record can't be put aside");
                Settlement::NakAfter(NEWER_PAUSE)
            }
        }
    }
}

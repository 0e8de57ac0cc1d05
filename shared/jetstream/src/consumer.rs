//! The pull loop: reserve a place, pull, handle, settle.
//!
//! No more is asked for than there are free places, one message is one task, the handler returns a
//! [`Settlement`] and only the loop settles. While a handler works, the broker is told so every 10 s.
//! Nothing is pulled while a [`Gate`] is closed. On drain the loop stops asking, hands back what the
//! broker had sent on its way, and lets the handlers finish; on abort their messages are handed back. A message whose
//! handlers do not return, one after the other, is told to be poison; one that is handed back on purpose never is.

mod pull;
mod suspects;

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use async_nats::{
    HeaderMap,
    jetstream::{AckKind, Message, consumer::PullConsumer},
};
use bytes::Bytes;
use domain::time::Timestamp;
use futures::FutureExt as _;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use self::suspects::Suspects;
use crate::{connection::Broker, patience::patiently, presence::Lease, subject::Durable};

/// How often a message that is being handled is kept alive.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// How long a message of a later version is left to a later reader.
pub const NEWER_PAUSE: Duration = Duration::from_secs(30);
/// How long a message waits whose handler panicked, or whose notes can't be read.
const BROKEN_PAUSE: Duration = Duration::from_secs(1);

/// A message as a handler sees it.
#[derive(Debug)]
pub struct Delivery {
    /// The subject that it was published to.
    pub subject: String,
    /// Its headers.
    pub headers: Option<HeaderMap>,
    /// Its payload.
    pub payload: Bytes,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// How often the broker has handed it out, from 1. Not an attempt number.
    pub deliveries: u64,
    /// When the broker stored it.
    pub stored_at: Timestamp,
    /// Whether handlers began with it again and again, and did not return.
    pub is_poison: bool,
}

/// What is to be told to the broker about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Done with, and everything that follows from it is stored.
    Ack,
    /// To be handed out again after a wait.
    NakAfter(Duration),
}

/// What decides whether a loop may pull: all of it must be open.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    conditions: Vec<watch::Receiver<bool>>,
    lease: Option<Lease>,
}

impl Gate {
    /// Adds a condition.
    #[must_use]
    pub fn and(mut self, condition: watch::Receiver<bool>) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Adds the lease of this replica.
    #[must_use]
    pub fn under(mut self, lease: Lease) -> Self {
        self.lease = Some(lease);
        self
    }

    /// Returns whether everything is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.conditions.iter().all(|condition| *condition.borrow())
            && self.lease.as_ref().is_none_or(Lease::holds)
    }
}

/// A pull loop's settings.
#[derive(Debug, Clone)]
pub struct Pull {
    /// The consumer.
    pub durable: Durable,
    /// How many messages may be handled at once.
    pub places: usize,
    /// When it may pull.
    pub gate: Gate,
    /// Cancelled to stop pulling.
    pub draining: CancellationToken,
    /// Cancelled to hand back what is being handled.
    pub abort: CancellationToken,
}

/// The consumer of a loop is not there or can't be read.
#[derive(Debug, thiserror::Error)]
#[error("consumer {consumer} can't be used: {reason}")]
pub struct Error {
    consumer: &'static str,
    reason: String,
}

impl Pull {
    /// Pulls and handles messages until the drain; returns when all handlers are done.
    ///
    /// # Errors
    /// [`Error`] if the consumer does not exist.
    pub async fn run<H, F>(self, broker: &Broker, handler: H) -> Result<(), Error>
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Settlement> + Send + 'static,
    {
        let consumer = self.consumer(broker).await?;
        let suspects = Suspects::open(broker, self.durable).await;
        let suspects = suspects.map_err(|error| self.fail(error.to_string()))?;
        let places = Arc::new(Semaphore::new(self.places));
        pull::Loop::new(&self, broker, (consumer, suspects), Arc::clone(&places))
            .run(Arc::new(handler))
            .await;
        let all = u32::try_from(self.places).unwrap_or(u32::MAX);
        // Every handler holds a place, so all places free means that all handlers are done.
        let _places = places.acquire_many(all).await;
        broker.flush().await;
        Ok(())
    }

    async fn consumer(&self, broker: &Broker) -> Result<PullConsumer, Error> {
        let name = self.durable.name();
        patiently(name, || self.look_up(broker))
            .await
            .map_err(|reason| self.fail(reason))
    }

    fn fail(&self, reason: String) -> Error {
        Error {
            consumer: self.durable.name(),
            reason,
        }
    }

    async fn look_up(&self, broker: &Broker) -> Result<PullConsumer, String> {
        let stream = broker.names.stream(self.durable.stream());
        let stream = broker.context.get_stream(stream).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let consumer = stream.get_consumer(self.durable.name()).await;
        consumer.map_err(|error| error.to_string())
    }
}

/// Runs a handler for a message, keeps the message alive meanwhile, and settles it. What is rare is boxed:
/// each message in hand holds the whole future.
async fn handle<H, F>(
    handler: &H,
    mut message: Message,
    suspects: &Suspects,
    abort: &CancellationToken,
) where
    H: Fn(Delivery) -> F,
    F: Future<Output = Settlement>,
{
    let Some(mut delivery) = delivery(&mut message) else {
        tracing::error!(subject = %message.subject, "message without JetStream metadata");
        return;
    };
    let sequence = delivery.sequence;
    let is_suspect = Suspects::is_suspect(delivery.deliveries);
    if is_suspect {
        match Box::pin(suspects.begin(sequence)).await {
            Ok(is_poison) => delivery.is_poison = is_poison,
            Err(error) => {
                tracing::warn!(%error, sequence, "suspect is not handled without a note");
                return Box::pin(settle(&message, Settlement::NakAfter(BROKEN_PAUSE))).await;
            }
        }
    }
    let handling = pin!(AssertUnwindSafe(async { handler(delivery).await }).catch_unwind());
    let settlement = attend(handling, &message, abort).await.ok();
    if settlement.is_none() {
        tracing::error!(sequence, subject = %message.subject, "handler panicked: its message comes again");
    }
    settle(
        &message,
        settlement.unwrap_or(Settlement::NakAfter(BROKEN_PAUSE)),
    )
    .await;
    if is_suspect && settlement.is_some() {
        Box::pin(suspects.end(sequence)).await;
    }
}

/// Waits for a handler, or for the abort, and keeps its message alive.
///
/// # Errors
/// When the handler panics.
async fn attend(
    mut handling: Pin<&mut impl Future<Output = std::thread::Result<Settlement>>>,
    message: &Message,
    abort: &CancellationToken,
) -> std::thread::Result<Settlement> {
    loop {
        tokio::select! {
            settlement = handling.as_mut() => return settlement,
            () = abort.cancelled() => return Ok(Settlement::NakAfter(Duration::ZERO)),
            () = tokio::time::sleep(PROGRESS_EVERY) => {
                Box::pin(tell(message, AckKind::Progress)).await;
            }
        }
    }
}

/// Takes out of a message what its handler gets; what it is settled by stays.
fn delivery(message: &mut Message) -> Option<Delivery> {
    let info = message.info().ok()?;
    let stored_at = info.published.unix_timestamp_nanos().div_euclid(1_000_000);
    let (sequence, deliveries) = (info.stream_sequence, info.delivered);
    Some(Delivery {
        subject: message.subject.as_str().to_owned(),
        headers: message.message.headers.take(),
        payload: std::mem::take(&mut message.message.payload),
        sequence,
        deliveries: u64::try_from(deliveries).unwrap_or(1),
        stored_at: Timestamp::from_millis(i64::try_from(stored_at).unwrap_or(0)),
        is_poison: false,
    })
}

async fn settle(message: &Message, settlement: Settlement) {
    let kind = match settlement {
        Settlement::Ack => AckKind::Ack,
        Settlement::NakAfter(Duration::ZERO) => AckKind::Nak(None),
        Settlement::NakAfter(wait) => AckKind::Nak(Some(wait)),
    };
    tell(message, kind).await;
}

/// Tells the broker about a message. What does not arrive is made good by the ack wait.
async fn tell(message: &Message, kind: AckKind) {
    if let Err(error) = message.ack_with(kind).await {
        tracing::debug!(error = %error, "ack did not leave for the broker");
    }
}

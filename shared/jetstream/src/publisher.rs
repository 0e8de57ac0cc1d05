//! Publishing: a message counts as stored only after its `PubAck`.

use std::{error::Error as _, future::Future, sync::Arc, time::Duration};

use async_nats::{
    HeaderMap,
    jetstream::{
        context::{PublishAckFuture, PublishError as ClientError, PublishErrorKind},
        message::PublishMessage,
    },
};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::connection::Broker;

/// The broker's code for a message that is wrong in itself.
const BAD_REQUEST: usize = 400;
/// How long to wait between tries of a publish that must succeed.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// A message to be published.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The subject.
    pub subject: String,
    /// The `Nats-Msg-Id`: the same id within the window is stored once.
    pub message_id: String,
    /// Further headers.
    pub headers: HeaderMap,
    /// The payload.
    pub payload: Bytes,
}

/// What the broker said to a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The sequence in the stream.
    pub sequence: u64,
    /// Whether a message of this id was there already, and this one was not stored.
    pub duplicate: bool,
}

/// A publish was not acknowledged. The message may be stored all the same: publishing it again must
/// use the same id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The broker did not answer, is full or has no such stream: worth another try later.
    #[error("broker did not store the message: {0}")]
    Unavailable(String),
    /// The message is larger than the broker takes: no try will succeed.
    #[error("message is larger than the broker takes")]
    TooLarge,
    /// The broker refuses this message as it is: no try will succeed.
    #[error("broker refuses the message: {0}")]
    Refused(String),
}

/// Publishes messages; cheap to clone.
#[derive(Debug, Clone)]
pub struct Publisher {
    context: async_nats::jetstream::Context,
    stalls: Arc<Stalls>,
}

/// Publishes that must succeed and are being tried again.
#[derive(Debug)]
struct Stalls {
    count: Mutex<usize>,
    /// Whether there are none.
    flowing: watch::Sender<bool>,
}

impl Publisher {
    /// Makes a publisher.
    #[must_use]
    pub fn new(broker: &Broker) -> Self {
        let stalls = Stalls {
            count: Mutex::new(0),
            flowing: watch::Sender::new(true),
        };
        Self {
            context: broker.context.clone(),
            stalls: Arc::new(stalls),
        }
    }

    /// Sends a message, and returns the future of its acknowledgement: send many, then await them.
    ///
    /// # Errors
    /// [`Error`] from the sending or, later, from the broker.
    pub async fn send(
        &self,
        message: Outgoing,
    ) -> Result<impl Future<Output = Result<Stored, Error>> + use<>, Error> {
        let mut publish = PublishMessage::build()
            .payload(message.payload)
            .headers(message.headers);
        if !message.message_id.is_empty() {
            publish = publish.message_id(&message.message_id);
        }
        let ack = self
            .context
            .send_publish(message.subject, publish)
            .await
            .map_err(classify)?;
        Ok(acknowledged(ack))
    }

    /// Sends a message and waits until it is stored.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn publish(&self, message: Outgoing) -> Result<Stored, Error> {
        self.send(message).await?.await
    }

    /// Publishes until the message is stored, however long that takes: for what must not be
    /// forgotten. While such a publish is being tried again, [`Publisher::flowing`] is false.
    /// The message is made anew for each try, and must be the same one: nearly always there is one try.
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::Refused`] only.
    pub async fn publish_until_stored(
        &self,
        message: impl Fn() -> Outgoing,
    ) -> Result<Stored, Error> {
        match self.publish(message()).await {
            Err(Error::Unavailable(reason)) => Box::pin(self.try_again(message, reason)).await,
            told => told,
        }
    }

    /// Publishes again until the message is stored.
    async fn try_again(
        &self,
        message: impl Fn() -> Outgoing,
        reason: String,
    ) -> Result<Stored, Error> {
        let _stall = Stall::begin(&self.stalls);
        tracing::warn!(
            reason,
            subject = message().subject,
            "publish is tried again"
        );
        loop {
            tokio::time::sleep(RETRY_PAUSE).await;
            match self.publish(message()).await {
                Err(Error::Unavailable(_)) => {}
                told => return told,
            }
        }
    }

    /// Returns whether no publish is being tried again: a condition for pulling something new.
    #[must_use]
    pub fn flowing(&self) -> watch::Receiver<bool> {
        self.stalls.flowing.subscribe()
    }
}

/// Counts as a stall while it lives.
struct Stall(Arc<Stalls>);

impl Stall {
    fn begin(stalls: &Arc<Stalls>) -> Self {
        let mut count = stalls.count.lock();
        *count += 1;
        stalls.flowing.send_replace(false);
        Self(Arc::clone(stalls))
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        let mut count = self.0.count.lock();
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.0.flowing.send_replace(true);
        }
    }
}

async fn acknowledged(ack: PublishAckFuture) -> Result<Stored, Error> {
    let ack = ack.await.map_err(classify)?;
    Ok(Stored {
        sequence: ack.sequence,
        duplicate: ack.duplicate,
    })
}

fn classify(error: ClientError) -> Error {
    let refused = error
        .source()
        .and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>())
        .filter(|error| error.code() == BAD_REQUEST);
    match (refused, error.kind()) {
        (Some(refused), _) => Error::Refused(refused.to_string()),
        (None, PublishErrorKind::MaxPayloadExceeded) => Error::TooLarge,
        (
            None,
            PublishErrorKind::StreamNotFound
            | PublishErrorKind::WrongLastMessageId
            | PublishErrorKind::WrongLastSequence
            | PublishErrorKind::TimedOut
            | PublishErrorKind::BrokenPipe
            | PublishErrorKind::MaxAckPending
            | PublishErrorKind::Other,
        ) => Error::Unavailable(error.to_string()),
    }
}

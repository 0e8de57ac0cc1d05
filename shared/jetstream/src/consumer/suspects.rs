//! Which messages keep whoever handles them from coming to an end.
//!
//! How often the broker handed a message out says little: a message of a later version is handed back on purpose, for
//! as long as an upgrade takes. So before a message that came often is handled once more that is noted on the broker,
//! and when its handler returns the note is taken back. A crash leaves it.

use bytes::Bytes;

use crate::{
    bucket::{Bucket, Error},
    connection::Broker,
    subject::{self, Durable},
};

/// How often the broker hands a message out before its handling is noted.
const SUSPECT_FROM: u64 = 20;
/// How many handlers may begin with a suspect, one after the other, and not return.
const UNRETURNED_MAX: u64 = 3;

/// The notes of one consumer.
#[derive(Debug, Clone)]
pub(super) struct Suspects {
    bucket: Bucket,
    consumer: &'static str,
}

impl Suspects {
    pub(super) async fn open(broker: &Broker, durable: Durable) -> Result<Self, Error> {
        Ok(Self {
            bucket: Bucket::open(broker, subject::Bucket::Suspects).await?,
            consumer: durable.name(),
        })
    }

    /// Returns whether a message that was handed out so often is a suspect.
    pub(super) fn is_suspect(deliveries: u64) -> bool {
        deliveries > SUSPECT_FROM
    }

    /// Notes that a suspect is handled; returns whether that was begun too often already.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: it must not be handled.
    pub(super) async fn begin(&self, sequence: u64) -> Result<bool, Error> {
        let key = self.key(sequence);
        let entry = self.bucket.get(&key).await?;
        let begun: u64 = entry
            .and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse().ok())
            .unwrap_or(0);
        let now = Bytes::from(begun.saturating_add(1).to_string());
        self.bucket.put(&key, now).await?;
        Ok(begun >= UNRETURNED_MAX)
    }

    /// Takes the note back: its handler has returned.
    pub(super) async fn end(&self, sequence: u64) {
        if let Err(error) = self.bucket.delete(&self.key(sequence), None).await {
            tracing::warn!(%error, sequence, consumer = self.consumer, "note of a suspect was not taken back");
        }
    }

    fn key(&self, sequence: u64) -> String {
        format!("{}.{sequence}", self.consumer)
    }
}

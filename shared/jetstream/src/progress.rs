//! How far streams have been written and read: what has to be known before one reads behind a consumer.

use async_nats::jetstream::{consumer::PullConsumer, stream};
use domain::time::Timestamp;
use time::OffsetDateTime;

use crate::{
    connection::Broker,
    subject::{Durable, Stream},
};

/// How far a stream is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The sequence of the last message; 0 if there was none ever.
    pub sequence: u64,
    /// When the broker stored it, by the broker's own clock.
    pub at: Timestamp,
}

impl Broker {
    /// Returns how far a stream is written.
    ///
    /// # Errors
    /// The broker's word when it does not answer.
    pub async fn written(&self, stream: Stream) -> Result<Written, String> {
        let state = self.state(stream).await?;
        Ok(Written {
            sequence: state.last_sequence,
            at: timestamp(state.last_timestamp),
        })
    }

    /// Returns whether a consumer is done with everything in its stream up to a sequence: it has
    /// acknowledged it, or it is gone from the stream, as what is acknowledged in a work queue and what
    /// has expired.
    ///
    /// # Errors
    /// The broker's word when it does not answer.
    pub async fn has_passed(&self, durable: Durable, sequence: u64) -> Result<bool, String> {
        if self.state(durable.stream()).await?.first_sequence > sequence {
            return Ok(true);
        }
        let consumer: PullConsumer = self
            .context
            .get_consumer_from_stream(durable.name(), self.names.stream(durable.stream()))
            .await
            .map_err(|error| error.to_string())?;
        Ok(consumer.cached_info().ack_floor.stream_sequence >= sequence)
    }

    /// Returns when the oldest message of a stream was stored, by the broker's own clock; `None` if there is none.
    ///
    /// # Errors
    /// The broker's word when it does not answer.
    pub async fn oldest(&self, stream: Stream) -> Result<Option<Timestamp>, String> {
        let state = self.state(stream).await?;
        Ok((state.messages > 0).then(|| timestamp(state.first_timestamp)))
    }

    async fn state(&self, stream: Stream) -> Result<stream::State, String> {
        let stream = self
            .context
            .get_stream(self.names.stream(stream))
            .await
            .map_err(|error| error.to_string())?;
        Ok(stream.cached_info().state.clone())
    }
}

pub(crate) fn timestamp(time: OffsetDateTime) -> Timestamp {
    let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(0))
}

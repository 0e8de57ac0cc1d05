//! Finding and erasing what the streams hold of an event.
//!
//! Messages are read by direct get, many at a time: a work queue lets no second consumer look into it. What
//! is erased is overwritten in the broker's files. What a consumer has acknowledged before is out of reach:
//! it goes with the rest of its block of the file.

mod read;
mod rejected;

use std::collections::BTreeMap;

use async_nats::jetstream::stream::DirectGetErrorKind;
use bytes::Bytes;
use domain::{
    erasure::{Erasure, Place, Walk},
    event::stored_max_bytes,
    job::Job,
    time::Timestamp,
};

use crate::{
    connection::Broker,
    consumer::Delivery,
    subject::{Names, Stream},
    wire::{self, attempts::without_content},
};

/// Every message, whatever its subject.
const ALL: &str = ">";

/// The broker does not answer, or refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("messages can't be read or erased: {0}")]
pub struct Unavailable(String);

/// A message with content of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its sequence.
    pub sequence: u64,
    /// What it is.
    pub what: What,
}

/// What a message with content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A job that may still be attempted.
    Job(Box<Job>),
    /// A batch of records, as it is to be without the content.
    Batch(Bytes),
    /// Something that may go without a trace.
    Other,
}

/// What came of a piece of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Where the walk goes on; behind its end when it is over.
    pub next: u64,
    /// What was found.
    pub found: Vec<Found>,
}

/// The streams that may hold content.
#[derive(Debug, Clone)]
pub struct Streams {
    broker: Broker,
}

impl Streams {
    /// Makes a view of a broker's streams.
    #[must_use]
    pub fn new(broker: &Broker) -> Self {
        Self {
            broker: broker.clone(),
        }
    }

    /// Returns the sequence of the last message of each stream.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn ends(&self) -> Result<BTreeMap<Place, u64>, Unavailable> {
        let mut ends = BTreeMap::new();
        for place in Place::ALL {
            let written = self.broker.written(stream(place)).await;
            ends.insert(place, written.map_err(Unavailable)?.sequence);
        }
        Ok(ends)
    }

    /// Returns the sequence from which on events were stored at a time or later, up to `end`.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn first_event_since(&self, time: Timestamp, end: u64) -> Result<u64, Unavailable> {
        // What lies before `low` is older, what lies at `high` or behind it is not.
        let (mut low, mut high) = (1, end.saturating_add(1));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at_or_after(middle).await? {
                Some((sequence, at)) if sequence < high && at < time => low = sequence + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }

    /// Looks at the next messages of a walk.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn look(
        &self,
        erasure: &Erasure,
        place: Place,
        walk: Walk,
    ) -> Result<Looked, Unavailable> {
        let names = &self.broker.names;
        let subjects = match place {
            Place::Events => names.all_events(&erasure.organisation_id),
            Place::Dead => names.all_dead(&erasure.organisation_id),
            Place::Jobs | Place::Retries | Place::Attempts | Place::Rejected => ALL.to_owned(),
        };
        let messages = read::read(&self.broker, stream(place), &subjects, walk.next).await?;
        let last = messages.last().map_or(walk.end, |last| last.sequence);
        let limit = stored_max_bytes(self.broker.payload_limit());
        let found = messages
            .into_iter()
            .filter(|message| message.sequence <= walk.end)
            .filter_map(|message| {
                let sequence = message.sequence;
                let what = what(names, erasure, (place, limit), message)?;
                Some(Found { sequence, what })
            });
        Ok(Looked {
            next: last.min(walk.end).saturating_add(1),
            found: found.collect(),
        })
    }

    /// Erases a message; returns whether it was there.
    ///
    /// # Errors
    /// [`Unavailable`]; it may be erased all the same.
    pub async fn erase(&self, place: Place, sequence: u64) -> Result<bool, Unavailable> {
        let name = self.broker.names.stream(stream(place));
        let stream = self.broker.context.get_stream_no_info(name).await;
        let stream = stream.map_err(unavailable)?;
        match stream.delete_message(sequence).await {
            Ok(deleted) => Ok(deleted),
            // One that is gone is refused with no code of its own.
            Err(error) => match stream.direct_get(sequence).await {
                Err(gone) if gone.kind() == DirectGetErrorKind::NotFound => Ok(false),
                Ok(_) | Err(_) => Err(unavailable(error)),
            },
        }
    }

    /// Returns the first event of anybody at a sequence or behind it: its sequence and when it was stored.
    async fn at_or_after(&self, sequence: u64) -> Result<Option<(u64, Timestamp)>, Unavailable> {
        let found = read::read_one(&self.broker, Stream::Events, ALL, sequence).await?;
        Ok(found.map(|message| (message.sequence, message.stored_at)))
    }
}

fn stream(place: Place) -> Stream {
    match place {
        Place::Events => Stream::Events,
        Place::Jobs => Stream::Jobs,
        Place::Retries => Stream::Retries,
        Place::Attempts => Stream::Attempts,
        Place::Dead => Stream::Dead,
        Place::Rejected => Stream::Rejected,
    }
}

/// Returns what a message is, if it holds content that is meant. Events have `limit` bytes at most.
fn what(
    names: &Names,
    erasure: &Erasure,
    (place, limit): (Place, usize),
    message: Delivery,
) -> Option<What> {
    let other = |is_meant: bool| is_meant.then_some(What::Other);
    match place {
        Place::Events => other(is_event(names, erasure, &message, limit)),
        Place::Jobs | Place::Retries => job(erasure, &message).map(|job| What::Job(Box::new(job))),
        Place::Dead => other(job(erasure, &message).is_some()),
        Place::Attempts => batch(erasure, &message).map(What::Batch),
        Place::Rejected => other(is_rejected(names, erasure, message, limit)),
    }
}

fn is_event(names: &Names, erasure: &Erasure, message: &Delivery, limit: usize) -> bool {
    match wire::event::read(names, message, limit) {
        Ok(event) => erasure.means(&event.organisation, &event.id, message.stored_at),
        // It will be rejected, and stays here for as long as events do.
        Err(_) => rejected::is_meant(erasure, true, &message.payload),
    }
}

/// Returns the job of a message, if it is meant.
fn job(erasure: &Erasure, message: &Delivery) -> Option<Job> {
    let text = wire::header(message.headers.as_ref(), wire::JOB_HEADER)?;
    if !text.contains(erasure.event_id.as_str()) {
        return None;
    }
    let job = wire::job::decode(text).ok()?;
    erasure.means_job(&job).then_some(job)
}

/// Returns a batch as it is to be without the content that is meant, if it holds any.
fn batch(erasure: &Erasure, message: &Delivery) -> Option<Bytes> {
    let text = std::str::from_utf8(&message.payload).ok()?;
    if !text.contains(erasure.event_id.as_str()) {
        return None;
    }
    let batch = without_content(&message.payload, |organisation, event, began_at| {
        *organisation == erasure.organisation_id
            && *event == erasure.event_id
            && began_at <= erasure.attempts_until()
    });
    batch.map(Bytes::from)
}

fn is_rejected(names: &Names, erasure: &Erasure, message: Delivery, limit: usize) -> bool {
    let own = names.rejected(Some(&erasure.organisation_id));
    let is_own = message.subject == own;
    if !is_own && message.subject != names.rejected(None) {
        return false;
    }
    let came_in = wire::header(message.headers.as_ref(), wire::SUBJECT_HEADER).map(str::to_owned);
    let message = Delivery {
        subject: came_in.unwrap_or_default(),
        ..message
    };
    match wire::event::read(names, &message, limit) {
        Ok(event) => event.organisation == erasure.organisation_id && event.id == erasure.event_id,
        Err(_) => rejected::is_meant(erasure, is_own, &message.payload),
    }
}

fn unavailable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable(error.to_string())
}

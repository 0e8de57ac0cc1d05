//! The second line of defence for schedules: finds those that should have fired long ago, and fires them.
//!
//! Older servers, and whatever goes wrong in newer ones, may leave a schedule stored that never fires.
//! Nothing consumes schedules, so they are read one after the other, some at a time.

use std::time::Duration;

use async_nats::jetstream::{
    message::StreamMessage,
    stream::{DirectGetErrorKind, Stream as Handle},
};
use domain::{job::Job, time::Timestamp};

use crate::{
    connection::Broker,
    patience::patiently,
    publisher::{Error, Publisher},
    retry_lane::{self, Cargo, Waiting},
    subject::Stream,
    wire::{self, TraceHeaders},
};

/// How late a schedule must be: a million that come due together take half a minute to fire.
pub const OVERDUE_AFTER: Duration = Duration::from_secs(300);

/// Walks through the schedules, round and round.
#[derive(Debug)]
pub struct Sweep {
    broker: Broker,
    publisher: Publisher,
    stream: Handle,
    next: u64,
}

impl Sweep {
    /// Begins at the oldest schedule.
    ///
    /// # Errors
    /// The broker's word when it does not answer.
    pub async fn new(broker: &Broker, publisher: &Publisher) -> Result<Self, String> {
        let name = broker.names.stream(Stream::Retries);
        let stream = patiently(&name, || broker.context.get_stream(&name))
            .await
            .map_err(|error| error.to_string())?;
        Ok(Self {
            broker: broker.clone(),
            publisher: publisher.clone(),
            stream,
            next: 1,
        })
    }

    /// Looks at the next `count` schedules, and puts the overdue ones into the retry lane; returns how
    /// many those were.
    ///
    /// # Errors
    /// The broker's word when it does not answer; the walk goes on from there the next time.
    pub async fn look(&mut self, count: usize, now: Timestamp) -> Result<usize, String> {
        let mut fired = 0;
        for _ in 0..count {
            let Some(message) = self.read().await? else {
                self.next = 1;
                return Ok(fired);
            };
            self.next = message.sequence.saturating_add(1);
            let text = wire::header(Some(&message.headers), wire::JOB_HEADER).unwrap_or_default();
            // What is not readable here is left to a version that can.
            let Ok(job) = wire::job::decode(text) else {
                continue;
            };
            if job.due.is_some_and(|due| now.since(due) >= OVERDUE_AFTER) {
                self.fire(&job, &message).await?;
                fired += 1;
            }
        }
        Ok(fired)
    }

    async fn read(&self) -> Result<Option<StreamMessage>, String> {
        let all = self.broker.names.all_scheduled();
        let found = self
            .stream
            .direct_get_next_for_subject(all, Some(self.next))
            .await;
        match found {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Stores the job in the retry lane, then deletes its schedule. Two replicas that do it at once
    /// publish one id.
    async fn fire(&self, job: &Job, message: &StreamMessage) -> Result<(), String> {
        tracing::warn!(job.id = %job.id, due = ?job.due, "schedule did not fire");
        let next = job.forwarded();
        let cargo = Cargo {
            body: message.payload.clone(),
            trace: TraceHeaders::read(Some(&message.headers)),
            previous: wire::header(Some(&message.headers), wire::JOB_HEADER).map(str::to_owned),
        };
        let outgoing = retry_lane::message(&self.broker.names, &next, &cargo, Waiting::Nak);
        self.publisher
            .publish(outgoing)
            .await
            .map_err(|error: Error| error.to_string())?;
        self.stream
            .delete_message(message.sequence)
            .await
            .map_err(|error| error.to_string())?;
        Ok(())
    }
}

//! The course of a replay: wait until the store knows its range, count, then page by page.

use std::time::{Duration, Instant};

use domain::replay::{Mode, Pace, State};
use jetstream::subject::{Durable, Stream};

use super::{
    Runner,
    hold::{Hold, Stop},
    page::Page,
};
use crate::now;

/// How long to wait before it is looked again how far consumers are.
const WAIT_PAUSE: Duration = Duration::from_millis(250);
/// How long to wait for a store, or for what we hold in memory.
const AWAY_PAUSE: Duration = Duration::from_secs(1);

impl Runner {
    /// Brings a replay to its end.
    pub(super) async fn run(&self, hold: &mut Hold) -> Result<(), Stop> {
        if hold.replay().state == State::Waiting {
            self.wait(hold).await?;
            let total = self.count(hold).await?;
            hold.write(hold.replay().begun(total, now())).await?;
        }
        let mut pace = Pace::new(hold.replay().plan.rate_per_second);
        let began = Instant::now();
        loop {
            let replay = hold.replay().clone();
            let page = hold.keep(self.pages.make(&replay, &pace)).await?;
            let pause = match page {
                Page::Made(progress) => {
                    let jobs = usize::try_from(progress.done).unwrap_or(usize::MAX);
                    hold.write(replay.advanced(progress, now())).await?;
                    pace.rest(jobs, began.elapsed())
                }
                Page::End => return hold.write(replay.completed(now())).await,
                Page::Hindered(reason) => return hold.write(replay.failed(reason, now())).await,
                Page::NotNow => AWAY_PAUSE,
            };
            hold.rest(pause).await?;
        }
    }

    /// Waits until everything that was accepted before the replay was made is in the archive, and, if
    /// delivered events are to be left out, until what was attempted by now is in the log. An event has
    /// jobs once fan-out is done with it; a job has a record on `ATTEMPTS` once delivery is done with it
    /// on `JOBS`; so one is marked after the other was passed.
    async fn wait(&self, hold: &mut Hold) -> Result<(), Stop> {
        let events = hold.replay().events_until;
        if hold.replay().plan.mode == Mode::Undelivered {
            self.pass(hold, Durable::FanOut, events).await?;
            let jobs = self.mark(hold, Stream::Jobs).await?;
            self.pass(hold, Durable::Delivery, jobs).await?;
            let attempts = self.mark(hold, Stream::Attempts).await?;
            self.pass(hold, Durable::LogWriter, attempts).await?;
        }
        self.pass(hold, Durable::EventArchive, events).await
    }

    async fn pass(&self, hold: &mut Hold, durable: Durable, sequence: u64) -> Result<(), Stop> {
        loop {
            match hold.keep(self.broker.has_passed(durable, sequence)).await? {
                Ok(true) => return Ok(()),
                Ok(false) => hold.rest(WAIT_PAUSE).await?,
                Err(reason) => {
                    tracing::warn!(reason, consumer = durable.name(), "consumer can't be read");
                    hold.rest(AWAY_PAUSE).await?;
                }
            }
        }
    }

    async fn mark(&self, hold: &mut Hold, stream: Stream) -> Result<u64, Stop> {
        loop {
            match hold.keep(self.broker.written(stream)).await? {
                Ok(written) => return Ok(written.sequence),
                Err(reason) => {
                    tracing::warn!(reason, "stream can't be read");
                    hold.rest(AWAY_PAUSE).await?;
                }
            }
        }
    }

    async fn count(&self, hold: &mut Hold) -> Result<u64, Stop> {
        let replay = hold.replay().clone();
        loop {
            match hold.keep(self.pages.count(&replay)).await? {
                Ok(total) => return Ok(total),
                Err(error) => {
                    tracing::warn!(error = %error, "the archive can't be read");
                    hold.rest(AWAY_PAUSE).await?;
                }
            }
        }
    }
}

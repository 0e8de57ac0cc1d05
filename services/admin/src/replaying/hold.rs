//! A replay that is ours: its lease is renewed while we work, and every write names the revision before.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::replay::Replay;
use jetstream::{
    bucket::Error,
    replay_bucket::{ReplayBucket, Replays, Stored},
};
use tokio_util::sync::CancellationToken;

use super::Runner;
use crate::now;

/// How long after the last write a lease is renewed.
const RENEW_AFTER: Duration = Duration::from_secs(3);
/// How often it is looked whether the replay is still ours.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long to wait before a write is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Why the work on a replay ends before the replay does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Somebody else changed it: stopped it, or took it because the lease had ended.
    Lost,
    /// The process drains: it is to be given back.
    Draining,
    /// The process ends now.
    Aborted,
}

/// A replay in our hands.
#[derive(Debug)]
pub(super) struct Hold {
    bucket: ReplayBucket,
    replays: Arc<Replays>,
    draining: CancellationToken,
    abort: CancellationToken,
    stored: Stored,
    written: Instant,
}

impl Hold {
    /// Takes a replay that was claimed just now.
    pub(super) fn new(runner: &Runner, claimed: Stored) -> Self {
        Self {
            bucket: runner.bucket.clone(),
            replays: Arc::clone(&runner.replays),
            draining: runner.draining.clone(),
            abort: runner.abort.clone(),
            stored: claimed,
            written: Instant::now(),
        }
    }

    /// Returns the replay as it was written last.
    pub(super) fn replay(&self) -> &Replay {
        &self.stored.replay
    }

    /// Writes the replay's next value, however long that takes.
    pub(super) async fn write(&mut self, next: Replay) -> Result<(), Stop> {
        loop {
            match self.bucket.update(&next, self.stored.revision).await {
                Ok(revision) => {
                    self.note(next, revision);
                    return Ok(());
                }
                Err(Error::Conflict) => return self.recognise(next).await,
                Err(error) => self.retry(&error).await?,
            }
        }
    }

    /// Finds out whether a write that met another revision met itself: one whose answer was lost.
    async fn recognise(&mut self, next: Replay) -> Result<(), Stop> {
        loop {
            match self.bucket.get(&next.organisation_id, &next.id).await {
                Ok(Some(stored)) if stored.replay == next => {
                    self.note(next, stored.revision);
                    return Ok(());
                }
                Ok(_) => return Err(Stop::Lost),
                Err(error) => self.retry(&error).await?,
            }
        }
    }

    /// Works, and renews the lease meanwhile. The work is dropped when the replay is ours no more.
    pub(super) async fn keep<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = pin!(work);
        let abort = self.abort.clone();
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = abort.cancelled() => return Err(Stop::Aborted),
                () = tokio::time::sleep(LOOK_EVERY) => self.look().await?,
            }
        }
    }

    /// Rests between two pieces of work; a drain ends the rest.
    pub(super) async fn rest(&mut self, pause: Duration) -> Result<(), Stop> {
        let draining = self.draining.clone();
        let stopped = self.keep(async {
            tokio::select! {
                biased;
                () = draining.cancelled() => Err(Stop::Draining),
                () = tokio::time::sleep(pause) => Ok(()),
            }
        });
        stopped.await?
    }

    /// Gives the replay back, so that another replica need not wait for the end of the lease.
    pub(super) async fn release(self) {
        let released = self.replay().released(now());
        if let Err(error) = self.bucket.update(&released, self.stored.revision).await {
            tracing::debug!(error = %error, replay.id = %released.id, "replay was not given back");
        }
    }

    /// Looks whether the replay is still ours, and renews the lease in time.
    async fn look(&mut self) -> Result<(), Stop> {
        let (organisation, id) = (&self.replay().organisation_id, &self.replay().id);
        let seen = self.replays.get(organisation, id);
        if seen.is_some_and(|seen| seen.revision > self.stored.revision) {
            return Err(Stop::Lost);
        }
        if self.written.elapsed() < RENEW_AFTER {
            return Ok(());
        }
        self.write(self.replay().renewed(now())).await
    }

    fn note(&mut self, replay: Replay, revision: u64) {
        self.stored = Stored { replay, revision };
        self.written = Instant::now();
    }

    async fn retry(&self, error: &Error) -> Result<(), Stop> {
        tracing::warn!(error = %error, replay.id = %self.replay().id, "replay is written again");
        tokio::select! {
            () = self.abort.cancelled() => Err(Stop::Aborted),
            () = tokio::time::sleep(RETRY_PAUSE) => Ok(()),
        }
    }
}

//! An erasure that is ours: its lease is renewed while we work, and every write names the revision before.

use std::time::{Duration, Instant};

use domain::erasure::Erasure;
use futures::future::BoxFuture;
use jetstream::{
    bucket,
    erasing::Unavailable,
    erasure_bucket::{ErasureBucket, Stored},
    publisher,
};
use tokio_util::sync::CancellationToken;

use super::Eraser;
use crate::now;

/// How long after the last write a lease is renewed.
const RENEW_AFTER: Duration = Duration::from_secs(3);

/// Why the work on an erasure ends before its pass does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// Somebody else took it because the lease had ended.
    Lost,
    /// The process drains: it is to be given back.
    Draining,
    /// The broker does not answer.
    Unavailable(String),
}

/// An erasure in our hands.
#[derive(Debug)]
pub(super) struct Hold {
    bucket: ErasureBucket,
    draining: CancellationToken,
    stored: Stored,
    written: Instant,
}

impl Hold {
    /// Takes an erasure that was claimed just now.
    pub(super) fn new(eraser: &Eraser, claimed: Stored) -> Self {
        Self {
            bucket: eraser.bucket.clone(),
            draining: eraser.draining.clone(),
            stored: claimed,
            written: Instant::now(),
        }
    }

    /// Returns the erasure, as it was noted last.
    pub(super) fn erasure(&self) -> &Erasure {
        &self.stored.erasure
    }

    /// Writes the erasure's next value.
    pub(super) async fn write(&mut self, next: Erasure) -> Result<(), Stop> {
        self.stored.revision = self.bucket.update(&next, self.stored.revision).await?;
        self.stored.erasure = next;
        self.written = Instant::now();
        Ok(())
    }

    /// Notes how far a walk is: forgetting that would only repeat it, so that it is written now and then.
    pub(super) async fn note(&mut self, next: Erasure) -> Result<(), Stop> {
        self.stored.erasure = next;
        if self.written.elapsed() < RENEW_AFTER {
            return Ok(());
        }
        self.write(self.erasure().renewed(now())).await
    }

    /// Works, and renews the lease meanwhile. The work is dropped when the erasure is ours no more.
    ///
    /// The work comes boxed: of a task with unboxed work the compiler can't tell that it may move between
    /// threads.
    pub(super) async fn keep<T>(&mut self, mut work: BoxFuture<'_, T>) -> Result<T, Stop> {
        let draining = self.draining.clone();
        loop {
            tokio::select! {
                biased;
                () = draining.cancelled() => return Err(Stop::Draining),
                done = &mut work => return Ok(done),
                () = tokio::time::sleep(RENEW_AFTER) => {
                    self.write(self.erasure().renewed(now())).await?;
                }
            }
        }
    }

    /// Gives the erasure back, so that another replica need not wait for the end of the lease.
    pub(super) async fn release(self) {
        let released = self.erasure().released(now());
        if let Err(error) = self.bucket.update(&released, self.stored.revision).await {
            tracing::debug!(error = %error, erasure.id = %released.id, "erasure was not given back");
        }
    }

    /// Deletes the erasure.
    pub(super) async fn forget(&self) -> Result<(), Stop> {
        Ok(self.bucket.delete(&self.stored).await?)
    }
}

impl From<bucket::Error> for Stop {
    fn from(error: bucket::Error) -> Self {
        match error {
            bucket::Error::Conflict => Self::Lost,
            bucket::Error::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<Unavailable> for Stop {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<publisher::Error> for Stop {
    fn from(error: publisher::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

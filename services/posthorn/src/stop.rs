//! Ctrl-C and SIGTERM end what would go on for ever.

use std::time::Duration;

use lifecycle::Shutdown;

use crate::failure::{Ended, Failure};

/// Notices signals from when it is made.
#[derive(Debug)]
pub(crate) struct Stopping(Shutdown);

impl Stopping {
    /// Begins to notice signals.
    pub(crate) fn watch() -> Self {
        Self(Shutdown::new(Duration::ZERO))
    }

    /// Runs until the work ends by itself or somebody stops it, which is a good end.
    pub(crate) async fn or_stopped(self, work: impl Future<Output = Ended>) -> Ended {
        tokio::select! {
            ended = work => ended,
            stopped = self.0.run() => stopped.map_err(|error| Failure::of(&error)),
        }
    }
}

/// As [`Stopping::or_stopped`], from now on.
pub(crate) async fn or_stopped(work: impl Future<Output = Ended>) -> Ended {
    Stopping::watch().or_stopped(work).await
}

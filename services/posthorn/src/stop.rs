//! Ctrl-C and SIGTERM end what would go on for ever.

use std::time::Duration;

use lifecycle::Shutdown;

use crate::failure::Ended;

/// Runs until it ends by itself or somebody stops it, which is a good end.
pub(crate) async fn or_stopped(work: impl Future<Output = Ended>) -> Ended {
    let shutdown = Shutdown::new(Duration::ZERO);
    tokio::select! {
        ended = work => ended,
        stopped = shutdown.run() => stopped.map_err(|error| crate::failure::Failure::of(&error)),
    }
}

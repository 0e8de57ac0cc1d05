//! Writing to a store that may be away: try until it is back, and pull nothing meanwhile.

use std::{future::Future, sync::Arc, time::Duration};

use attempt_store::{WriteError, Written};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long to wait between tries.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Knows whether the store is there; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    reachable: Arc<watch::Sender<bool>>,
    draining: CancellationToken,
}

impl Patience {
    pub(crate) fn new(draining: CancellationToken) -> Self {
        Self {
            reachable: Arc::new(watch::Sender::new(false)),
            draining,
        }
    }

    /// Returns whether the store is there: a condition for pulling.
    pub(crate) fn reachable(&self) -> watch::Receiver<bool> {
        self.reachable.subscribe()
    }

    /// Notes whether the store answered.
    pub(crate) fn note(&self, reachable: bool) {
        let changed = self
            .reachable
            .send_if_modified(|was| std::mem::replace(was, reachable) != reachable);
        if changed && !reachable {
            tracing::warn!("the attempt store does not answer; records wait on the broker");
        } else if changed {
            tracing::info!("the attempt store answers");
        }
    }

    /// Writes until it succeeds; `None` if the process is told to stop before it does. What is not
    /// written then is handed back to the broker.
    pub(crate) async fn write<F>(&self, mut write: impl FnMut() -> F) -> Option<Written>
    where
        F: Future<Output = Result<Written, WriteError>>,
    {
        loop {
            match write().await {
                Ok(written) => {
                    self.note(true);
                    return Some(written);
                }
                Err(error) => {
                    self.note(false);
                    tracing::warn!(error = %error, transient = error.is_transient(), "write is tried again");
                }
            }
            tokio::select! {
                () = self.draining.cancelled() => return None,
                () = tokio::time::sleep(RETRY_PAUSE) => {}
            }
        }
    }
}

/// Reports rows that the store will never take; everything else of their batch is stored.
pub(crate) fn report_refused(what: &'static str, written: &Written) {
    for refused in &written.refused {
        tracing::error!(what, position = refused.position, reason = %refused.reason, "row refused by the store");
    }
}

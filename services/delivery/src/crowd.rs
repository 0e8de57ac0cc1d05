//! How many jobs wait on the retry lane: what decides how the next one waits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jetstream::{Broker, subject::Durable};
use tokio_util::sync::CancellationToken;

/// How often the crowd on the retry lane is counted.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// How many jobs wait on the retry lane's consumer, counted every second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crowd(Arc<AtomicU64>);

impl Crowd {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts until `stop`.
    pub(crate) async fn watch(self, broker: Broker, stop: CancellationToken) {
        let watching = async {
            loop {
                if let Ok(waiting) = broker.waiting(Durable::DeliveryRetries).await {
                    self.0.store(waiting, Ordering::Relaxed);
                }
                tokio::time::sleep(COUNT_EVERY).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = watching => {}
        }
    }
}

//! The living replicas of delivery, which share every endpoint's limits.

use std::{sync::Arc, time::Duration};

use domain::{endpoint::Endpoint, flow};
use http_api::host::Parts;
use jetstream::{bucket, presence::Replicas};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use crate::SERVICE;

/// How often the heartbeats are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The replicas, as of the last look.
#[derive(Debug)]
pub(crate) struct Peers {
    own: String,
    living: RwLock<Arc<[String]>>,
}

impl Peers {
    /// Starts to follow the heartbeats; `own` tells this replica from others.
    pub(crate) async fn start(parts: &Parts, own: &str) -> Result<Arc<Self>, bucket::Error> {
        let bucket = Replicas::bucket(&parts.broker).await?;
        let replicas = Arc::new(Replicas::default());
        let draining = parts.shutdown.draining();
        let (_followed, following) =
            bucket::follow(&bucket, Arc::clone(&replicas), draining.clone());
        parts.shutdown.spawn_infallible("replicas watch", following);
        let peers = Arc::new(Self {
            own: own.to_owned(),
            living: RwLock::new(Arc::from([own.to_owned()])),
        });
        let looking = Arc::clone(&peers).look(replicas, draining);
        parts.shutdown.spawn_infallible("peers", looking);
        Ok(peers)
    }

    /// Returns this replica's share of an endpoint's limits, or `None` if another one sends for it.
    pub(crate) fn share(&self, endpoint: &Endpoint) -> Option<flow::Share> {
        let limits = flow::Limits {
            rate: endpoint.rate_limit,
            in_flight: endpoint.max_in_flight,
        };
        let living = Arc::clone(&self.living.read());
        let is_owner = flow::owner(&endpoint.id, &living) == Some(self.own.as_str());
        let replicas = u32::try_from(living.len()).unwrap_or(u32::MAX);
        flow::share(limits, replicas, is_owner)
    }

    async fn look(self: Arc<Self>, replicas: Arc<Replicas>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let mut living = replicas.living(SERVICE);
            // Whoever pulls lives, whether its heartbeat came back to it yet or not.
            if let Err(at) = living.binary_search(&self.own) {
                living.insert(at, self.own.clone());
            }
            if **self.living.read() != *living {
                tracing::info!(replicas = living.len(), "endpoints' limits are shared anew");
                *self.living.write() = Arc::from(living);
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

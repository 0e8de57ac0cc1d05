//! Where payloads are checked that may take long: on threads beside those that serve requests, a few at a time, and
//! one request of an organisation at a time, so that no organisation's schema keeps others waiting.

use std::{
    hash::{BuildHasher as _, RandomState},
    num::NonZero,
    sync::Arc,
    thread::available_parallelism,
    time::Duration,
};

use domain::name::OrganisationId;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

/// How long the payloads of a request may be checked. The one that is being checked then is finished.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// How long a request waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(5);
/// Organisations share so many queues, by a hash that nobody outside can foresee.
const LANES: u64 = 64;

/// The places where payloads are checked.
#[derive(Debug)]
pub(crate) struct Checking {
    lanes: Vec<Arc<Semaphore>>,
    hash: RandomState,
    places: Arc<Semaphore>,
}

/// No place got free in time.
#[derive(Debug)]
pub(crate) struct Busy;

impl Checking {
    /// Makes places for half of the processors.
    pub(crate) fn new() -> Self {
        let processors = available_parallelism().map_or(1, NonZero::get);
        Self {
            lanes: (0..LANES).map(|_| Arc::new(Semaphore::new(1))).collect(),
            hash: RandomState::new(),
            places: Arc::new(Semaphore::new(processors.div_ceil(2))),
        }
    }

    /// Runs a check in its organisation's turn. Its places are taken until it ends, though its caller be gone.
    ///
    /// # Errors
    /// [`Busy`] if its turn does not come in time.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        organisation: &OrganisationId,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let turn = async {
            Some((
                taken(self.lane(organisation)?).await?,
                taken(&self.places).await?,
            ))
        };
        let turn = timeout(TURN_PATIENCE, turn).await.ok().flatten();
        let turn = turn.ok_or(Busy)?;
        let checked = spawn_blocking(move || {
            let checked = check();
            drop(turn);
            checked
        });
        checked.await.map_err(|_gone| Busy)
    }

    fn lane(&self, organisation: &OrganisationId) -> Option<&Arc<Semaphore>> {
        let hash = usize::try_from(self.hash.hash_one(organisation) % LANES).ok()?;
        self.lanes.get(hash)
    }
}

async fn taken(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(places).acquire_owned().await.ok()
}

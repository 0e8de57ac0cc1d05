//! What a replay asks of the attempt store.

use std::collections::HashSet;

use attempt_store::{ArchivePosition, ArchiveRange, ArchivedEvent, AttemptStore, ReadError};
use domain::{
    name::EventId,
    replay::{Place, Replay},
    time::Timestamp,
};

/// The attempt store, for replays; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Archive(AttemptStore);

/// Some events of the archive, in its order.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) events: Vec<ArchivedEvent>,
    /// Where events lie whose bodies have expired.
    pub(super) expired: Vec<Place>,
    /// Where the next ones begin; `None` if there are none.
    pub(super) next: Option<Place>,
}

impl Archive {
    pub(super) fn new(store: &AttemptStore) -> Self {
        Self(store.clone())
    }

    /// Counts the events of a replay's range, up to a bound of the store.
    pub(super) async fn count(&self, replay: &Replay) -> Result<u64, ReadError> {
        self.0
            .count_event_bodies(&replay.organisation_id, &range(replay))
            .await
    }

    /// Returns the events that follow a replay's place, at most `limit` of them and 8 MiB.
    pub(super) async fn events(&self, replay: &Replay, limit: usize) -> Result<Stretch, ReadError> {
        let after = replay.place.clone().map(|place| ArchivePosition {
            accepted_at: place.accepted_at,
            event_id: place.event_id,
            hash: place.body_hash,
        });
        let page = self
            .0
            .event_bodies(
                &replay.organisation_id,
                &range(replay),
                after.as_ref(),
                limit,
            )
            .await?;
        Ok(Stretch {
            events: page.events,
            expired: page.expired.into_iter().map(place).collect(),
            next: page.next.map(place),
        })
    }

    /// Returns those of the events that are delivered to a replay's endpoint or have a job alive.
    pub(super) async fn settled(
        &self,
        replay: &Replay,
        events: &[EventId],
    ) -> Result<HashSet<EventId>, ReadError> {
        let (organisation, endpoint) = (&replay.organisation_id, &replay.webhook_config_id);
        let mut settled = self
            .0
            .delivered_events(organisation, endpoint, events)
            .await?;
        settled.extend(self.0.live_events(organisation, endpoint, events).await?);
        Ok(settled)
    }
}

fn place(position: ArchivePosition) -> Place {
    Place {
        accepted_at: position.accepted_at,
        event_id: position.event_id,
        body_hash: position.hash,
    }
}

/// Returns the rest of a replay's range; the store counts both ends in.
fn range(replay: &Replay) -> ArchiveRange {
    let plan = &replay.plan;
    let reached = replay.place.as_ref().map(|place| place.accepted_at);
    ArchiveRange {
        from: Some(reached.unwrap_or(plan.from)),
        to: Some(Timestamp::from_millis(plan.to.millis().saturating_sub(1))),
    }
}

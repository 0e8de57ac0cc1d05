//! How much memory and work the configs of an organisation may make: all services keep them in memory, and
//! fan-out makes the index of an organisation anew with each change.

use domain::endpoint::Endpoint;

use super::{Configs, Refusal};

/// Up to so many bytes a config is not counted: how many there may be bounds those.
const UNCOUNTED: usize = 4 * 1024;
/// The most bytes of all others of an organisation. Requests at the same moment may exceed it by as much as
/// they bring.
pub(super) const ROOM_MAX: usize = 32 * 1024 * 1024;

/// Up to so many events a config is not counted.
const UNCOUNTED_EVENTS: usize = 10;
/// The most events of all others of an organisation.
pub(super) const EVENTS_MAX: usize = 100_000;

impl Configs {
    /// Checks that there is room for an endpoint as it will be.
    pub(super) fn check_room(
        &self,
        existing: Option<&Endpoint>,
        endpoint: &Endpoint,
    ) -> Result<(), Refusal> {
        let grows = |of: fn(&Endpoint) -> usize| of(endpoint) > existing.map_or(0, of);
        if !grows(counted) && !grows(counted_events) {
            return Ok(());
        }
        let all = self.endpoints.of(&endpoint.organisation_id);
        let sum = |of: fn(&Endpoint) -> usize| {
            let others = all
                .iter()
                .filter(|stored| stored.endpoint.id != endpoint.id);
            let taken: usize = others.map(|stored| of(&stored.endpoint)).sum();
            taken + of(endpoint)
        };
        if grows(counted) && sum(counted) > ROOM_MAX {
            return Err(Refusal::NoRoom);
        }
        if grows(counted_events) && sum(counted_events) > EVENTS_MAX {
            return Err(Refusal::TooManyEvents);
        }
        Ok(())
    }
}

fn counted_events(endpoint: &Endpoint) -> usize {
    Some(endpoint.events.len())
        .filter(|events| *events > UNCOUNTED_EVENTS)
        .unwrap_or_default()
}

fn counted(endpoint: &Endpoint) -> usize {
    Some(endpoint.room())
        .filter(|room| *room > UNCOUNTED)
        .unwrap_or_default()
}

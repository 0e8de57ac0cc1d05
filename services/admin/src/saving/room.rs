//! How much memory the configs of an organisation may take: all services keep them there.

use domain::endpoint::Endpoint;

use super::{Configs, Refusal};

/// Up to so many bytes a config is not counted: how many there may be bounds those.
const UNCOUNTED: usize = 4 * 1024;
/// The most bytes of all others of an organisation. Requests at the same moment may exceed it by as much as
/// they bring.
pub(super) const ROOM_MAX: usize = 32 * 1024 * 1024;

impl Configs {
    /// Checks that there is room for an endpoint as it will be.
    pub(super) fn check_room(
        &self,
        existing: Option<&Endpoint>,
        endpoint: &Endpoint,
    ) -> Result<(), Refusal> {
        let wanted = counted(endpoint);
        if wanted <= existing.map_or(0, counted) {
            return Ok(());
        }
        let all = self.endpoints.of(&endpoint.organisation_id);
        let others = all
            .iter()
            .filter(|stored| stored.endpoint.id != endpoint.id);
        let taken: usize = others.map(|stored| counted(&stored.endpoint)).sum();
        if taken + wanted > ROOM_MAX {
            return Err(Refusal::NoRoom);
        }
        Ok(())
    }
}

fn counted(endpoint: &Endpoint) -> usize {
    Some(endpoint.room())
        .filter(|room| *room > UNCOUNTED)
        .unwrap_or_default()
}

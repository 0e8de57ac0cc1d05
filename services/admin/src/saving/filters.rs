//! Which events may be filtered by entity: the catalogue is asked.

use domain::{draft::Fault, endpoint::Endpoint};

use super::{Configs, Refusal};

impl Configs {
    /// Refuses a filter for events whose `eventSourceId` means nothing, as far as the catalogue knows the
    /// name. One that was there before stays, so that a change of the catalogue locks no config.
    pub(super) fn check_filters(
        &self,
        existing: Option<&Endpoint>,
        endpoint: &Endpoint,
    ) -> Result<(), Refusal> {
        let mut names = endpoint.entity_filters.keys();
        let refused = names.find(|name| {
            let is_new = existing.is_none_or(|before| !before.entity_filters.contains_key(*name));
            let organisation = &endpoint.organisation_id;
            is_new && !self.catalogue.is_filterable(organisation, name)
        });
        match refused {
            Some(name) => Err(Refusal::Fault(Fault {
                field: format!("entityFilters.{name}"),
                problem: "must be an event whose event type has an entityType".to_owned(),
            })),
            None => Ok(()),
        }
    }
}

//! All endpoints in memory, indexed per organisation, fed by the watch of their bucket.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domain::{matching::Index, name::OrganisationId};
use jetstream::{
    bucket::{Change, View},
    endpoint_bucket::Endpoints,
};
use parking_lot::RwLock;

/// The endpoints of all organisations. A change replaces the whole index of its organisation, so a
/// match always sees one consistent state.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    endpoints: Endpoints,
    indexes: RwLock<HashMap<OrganisationId, Arc<Index>>>,
}

impl Directory {
    /// Returns the index of an organisation, if it has endpoints.
    #[must_use]
    pub(crate) fn index(&self, organisation: &OrganisationId) -> Option<Arc<Index>> {
        self.indexes.read().get(organisation).map(Arc::clone)
    }

    /// Returns whether every endpoint of an organisation is in its index.
    pub(crate) fn is_whole(&self, organisation: &OrganisationId) -> bool {
        self.endpoints.all_readable(organisation)
    }

    fn build(&self, organisation: &OrganisationId) -> Arc<Index> {
        let endpoints = self.endpoints.of(organisation);
        Arc::new(Index::new(
            endpoints
                .iter()
                .map(|stored| (&stored.endpoint, stored.revision)),
        ))
    }
}

impl View for Directory {
    fn replace(&self, all: Vec<Change>) {
        self.endpoints.clear();
        let changed: HashSet<_> = all
            .iter()
            .filter_map(|change| self.endpoints.apply_one(change))
            .collect();
        let fresh = changed
            .into_iter()
            .map(|organisation| (organisation.clone(), self.build(&organisation)));
        let fresh: HashMap<_, _> = fresh.collect();
        *self.indexes.write() = fresh;
    }

    fn apply(&self, changes: Vec<Change>) {
        let changed: HashSet<_> = changes
            .iter()
            .filter_map(|change| self.endpoints.apply_one(change))
            .collect();
        for organisation in changed {
            let index = self.build(&organisation);
            self.indexes.write().insert(organisation, index);
        }
    }
}

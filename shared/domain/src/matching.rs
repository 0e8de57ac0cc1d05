//! Which endpoints an event goes to: an index per organisation whose cost grows with what matches.
//!
//! Each endpoint stands under the fewest patterns that cover its wishes, so that no event finds it
//! twice. Endpoints with entity filters stand under the filtered ids, and, for the names that they do
//! not filter, in a group of endpoints that filter the same names. So a look-up touches the endpoints
//! that match, the prefixes of different lengths (at most 64), and the groups, never the endpoints
//! that do not match.

use std::collections::{BTreeSet, HashMap};

use crate::{
    endpoint::{Endpoint, EventPattern},
    name::{EndpointId, EventName},
};

/// What fan-out needs to know of an endpoint that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The revision of its config.
    pub revision: u64,
}

/// The enabled endpoints of one organisation, indexed by what they want.
#[derive(Debug, Default)]
pub struct Index {
    any: Bucket,
    /// From the text before the star.
    prefixes: HashMap<Box<str>, Bucket>,
    /// The lengths that occur among the prefixes, ascending.
    prefix_lengths: Vec<usize>,
    exact: HashMap<EventName, Bucket>,
}

/// The endpoints under one pattern.
#[derive(Debug, Default)]
struct Bucket {
    unfiltered: Vec<Match>,
    /// Endpoints with filters, by the set of names that they filter.
    groups: HashMap<BTreeSet<EventName>, Vec<Match>>,
    /// From a filtered name and an entity's id.
    by_entity: HashMap<EventName, HashMap<Box<str>, Vec<Match>>>,
}

impl Index {
    /// Indexes endpoints with the revisions of their configs; disabled ones are left out.
    #[must_use]
    pub fn new<'a>(endpoints: impl Iterator<Item = (&'a Endpoint, u64)>) -> Self {
        let mut index = Self::default();
        for (endpoint, revision) in endpoints.filter(|(endpoint, _)| endpoint.is_enabled) {
            for pattern in covering(&endpoint.events) {
                index.bucket(pattern).add(pattern, endpoint, revision);
            }
        }
        index.prefix_lengths = index.prefixes.keys().map(|prefix| prefix.len()).collect();
        index.prefix_lengths.sort_unstable();
        index.prefix_lengths.dedup();
        index
    }

    /// Returns the endpoints that want an event, each once, in no particular order.
    #[must_use]
    pub fn matches(&self, name: &EventName, source_id: Option<&str>) -> Vec<&Match> {
        let mut found = Vec::new();
        self.any.collect(name, source_id, &mut found);
        if let Some(bucket) = self.exact.get(name) {
            bucket.collect(name, source_id, &mut found);
        }
        let prefixes = self
            .prefix_lengths
            .iter()
            .map_while(|length| name.as_str().get(..*length));
        for bucket in prefixes.filter_map(|prefix| self.prefixes.get(prefix)) {
            bucket.collect(name, source_id, &mut found);
        }
        found
    }

    fn bucket(&mut self, pattern: &EventPattern) -> &mut Bucket {
        match pattern {
            EventPattern::Any => &mut self.any,
            EventPattern::Prefix(prefix) => {
                self.prefixes.entry(prefix.as_str().into()).or_default()
            }
            EventPattern::Exact(name) => self.exact.entry(name.clone()).or_default(),
        }
    }
}

impl Bucket {
    fn add(&mut self, pattern: &EventPattern, endpoint: &Endpoint, revision: u64) {
        let found = Match {
            endpoint: endpoint.id.clone(),
            revision,
        };
        let filtered: BTreeSet<EventName> = endpoint
            .entity_filters
            .keys()
            .filter(|name| pattern.matches(name.as_str()))
            .cloned()
            .collect();
        if filtered.is_empty() {
            self.unfiltered.push(found);
            return;
        }
        for (name, ids) in endpoint
            .entity_filters
            .iter()
            .filter(|(name, _)| filtered.contains(*name))
        {
            let by_id = self.by_entity.entry(name.clone()).or_default();
            for id in ids {
                by_id
                    .entry(id.as_str().into())
                    .or_default()
                    .push(found.clone());
            }
        }
        self.groups.entry(filtered).or_default().push(found);
    }

    fn collect<'a>(
        &'a self,
        name: &EventName,
        source_id: Option<&str>,
        found: &mut Vec<&'a Match>,
    ) {
        found.extend(&self.unfiltered);
        if let Some(id) = source_id
            && let Some(matches) = self.by_entity.get(name).and_then(|by_id| by_id.get(id))
        {
            found.extend(matches);
        }
        for (filtered, matches) in &self.groups {
            if !filtered.contains(name) {
                found.extend(matches);
            }
        }
    }
}

/// Leaves out the patterns that another one covers, so that at most one of them matches a name.
fn covering(patterns: &[EventPattern]) -> Vec<&EventPattern> {
    let mut left: Vec<_> = patterns.iter().collect();
    // What a pattern covers stands right behind it.
    left.sort_unstable_by_key(|pattern| match pattern {
        EventPattern::Any => ("", 0),
        EventPattern::Prefix(prefix) => (prefix.as_str(), 1),
        EventPattern::Exact(name) => (name.as_str(), 2),
    });
    left.dedup_by(|next, kept| covers(kept, next));
    left
}

/// Returns whether every name that `inner` matches is matched by `outer` too.
fn covers(outer: &EventPattern, inner: &EventPattern) -> bool {
    match (outer, inner) {
        (EventPattern::Any, _) => true,
        (EventPattern::Prefix(_), EventPattern::Any)
        | (EventPattern::Exact(_), EventPattern::Any | EventPattern::Prefix(_)) => false,
        (EventPattern::Prefix(outer), EventPattern::Prefix(inner)) => inner.starts_with(outer),
        (outer @ EventPattern::Prefix(_), EventPattern::Exact(name)) => {
            outer.matches(name.as_str())
        }
        (EventPattern::Exact(outer), EventPattern::Exact(inner)) => outer == inner,
    }
}

#[cfg(test)]
mod tests;

//! The health of endpoints, as `health.rs` of delivery keeps it.

use std::time::Duration;

use domain::{
    endpoint::Endpoint,
    health::{self, Change, Health, Rung, Tally, Verdict},
    outcome::Outcome,
    time::Timestamp,
};

use super::{Attempt, Replica};
use crate::{agenda::Entry, outside::Outside};

/// How often a change is tried again when somebody else was faster.
const TRIES: usize = 5;

impl Replica {
    /// Claims the next probe of an endpoint; returns whether it is ours.
    pub(super) fn claim_probe(
        &mut self,
        endpoint: &Endpoint,
        stored: &Entry<Health>,
        longest: Duration,
        outside: &mut Outside,
    ) -> bool {
        let health = stored.value.probed(outside.agenda.now, longest);
        let is_ours =
            self.write_health(endpoint, health, Some(stored.revision), outside) == Some(true);
        if !is_ours {
            self.refresh(endpoint, outside);
        }
        is_ours
    }

    /// Takes in the end of an attempt.
    pub(super) fn keep_health(
        &mut self,
        attempt: &Attempt,
        outcome: &Outcome,
        is_gone: bool,
        outside: &mut Outside,
    ) {
        let endpoint = &attempt.endpoint;
        if !outcome.is_success() && !self.still_counts(endpoint, attempt.began, outside) {
            return;
        }
        let tally = self.count(attempt, outcome, outside);
        for _ in 0..TRIES {
            let verdict = Verdict {
                outcome,
                tally,
                is_probe: attempt.is_probe,
                is_gone,
            };
            let Some((change, revision)) = self.change(endpoint, verdict, outside) else {
                return;
            };
            if change.climbed == Some(Rung::Disabled) && !self.disable(endpoint, outside) {
                return;
            }
            outside.tell(|| {
                let Health { state, rung, .. } = &change.health;
                format!("health of {}: {state:?} {rung:?}", endpoint.id)
            });
            match self.write_health(endpoint, change.health, revision, outside) {
                Some(false) => self.refresh(endpoint, outside),
                Some(true) | None => return,
            }
        }
    }

    /// Returns whether what failed at `time` still says something about an endpoint.
    fn still_counts(&self, endpoint: &Endpoint, time: Timestamp, outside: &Outside) -> bool {
        let known = self.healths.get(&endpoint.id);
        known.is_none_or(|entry| entry.value.still_counts(time, outside.agenda.now))
    }

    fn count(&mut self, attempt: &Attempt, outcome: &Outcome, outside: &Outside) -> Option<Tally> {
        let id = &attempt.endpoint.id;
        let before = self.tallies.get(id).copied();
        // Another replica may have seen the endpoint come back.
        let before =
            before.filter(|tally| self.still_counts(&attempt.endpoint, tally.since, outside));
        let tally = Tally::after(before, outcome, outside.agenda.now);
        match tally {
            Some(tally) => self.tallies.insert(id.clone(), tally),
            None => self.tallies.remove(id),
        };
        tally
    }

    /// Returns what changes, and the revision that it changes.
    fn change(
        &self,
        endpoint: &Endpoint,
        verdict: Verdict<'_>,
        outside: &Outside,
    ) -> Option<(Change, Option<u64>)> {
        let stored = self.healths.get(&endpoint.id);
        if stored.is_none() && verdict.tally.is_none() {
            return None;
        }
        let now = outside.agenda.now;
        let health = stored.map(|entry| &entry.value);
        let change = health::after(health, verdict, now, outside.setting.disable_after)?;
        Some((change, stored.map(|entry| entry.revision)))
    }

    /// Disables an endpoint in its config, unless it is no more; returns whether that is done.
    fn disable(&self, endpoint: &Endpoint, outside: &mut Outside) -> bool {
        if !outside.broker.is_up {
            return false;
        }
        let found = outside.broker.endpoints.get(&endpoint.id);
        if let Some(entry) = found.filter(|entry| entry.value.is_enabled) {
            let disabled = Endpoint {
                is_enabled: false,
                ..(*entry.value).clone()
            };
            outside.configure(disabled);
        }
        true
    }

    /// Returns whether it was written, or `None` if that is not known.
    fn write_health(
        &mut self,
        endpoint: &Endpoint,
        health: Health,
        revision: Option<u64>,
        outside: &mut Outside,
    ) -> Option<bool> {
        if !outside.broker.is_up {
            return None;
        }
        let written = outside.write_health(&endpoint.id, health, revision);
        if outside.is_lost() {
            return None;
        }
        let is_written = written.is_some();
        if let Some(entry) = written {
            self.note(endpoint, entry);
        }
        Some(is_written)
    }

    /// Reads what somebody else has written, before the watch tells it.
    fn refresh(&mut self, endpoint: &Endpoint, outside: &Outside) {
        let found = outside.broker.healths.get(&endpoint.id).cloned();
        if let Some(entry) = found.filter(|_| outside.broker.is_up) {
            self.note(endpoint, entry);
        }
    }

    fn note(&mut self, endpoint: &Endpoint, entry: Entry<Health>) {
        let known = self.healths.get(&endpoint.id);
        if known.is_none_or(|known| known.revision < entry.revision) {
            self.healths.insert(endpoint.id.clone(), entry);
        }
    }
}

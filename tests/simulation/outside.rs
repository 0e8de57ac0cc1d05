//! What is around the replicas: the clock, the broker, the endpoints, and whoever watches.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use domain::{endpoint::Endpoint, health::Health, name::EndpointId, time::Timestamp};
use jetstream::subject::Names;

use crate::{
    agenda::{Agenda, Entry, Event, News},
    broker::Broker,
    ledger::Ledger,
    receiver::Behaviour,
};

/// A way in which a shell could be wrong, to show that the checks find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Acknowledges a job before what follows from it is stored.
    SettlesFirst,
    /// Publishes the next attempt before the record of the last one.
    RecordsLast,
    /// Parks under the id that the job had.
    ForgetsHold,
    /// Takes the broker's delivery count for the attempt's number.
    CountsDeliveries,
    /// Allows one retry too many.
    RetriesOnceMore,
    /// Uses an endpoint's limits as if it were alone.
    ForgetsPeers,
    /// Forgets that endpoints may be paused.
    IgnoresPauses,
    /// Probes without a claim.
    ProbesUnasked,
    /// Forgets that endpoints may limit their requests per second.
    IgnoresRates,
    /// Takes no note of what hangs, and of how many places there are.
    IgnoresPlaces,
}

impl Mistake {
    pub(crate) const ALL: [Self; 10] = [
        Self::SettlesFirst,
        Self::RecordsLast,
        Self::ForgetsHold,
        Self::CountsDeliveries,
        Self::RetriesOnceMore,
        Self::ForgetsPeers,
        Self::IgnoresPauses,
        Self::ProbesUnasked,
        Self::IgnoresRates,
        Self::IgnoresPlaces,
    ];
}

/// What is the same for a whole run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) mistake: Option<Mistake>,
    pub(crate) places: u32,
    /// What every replica believes to wait on the retry lane.
    pub(crate) crowd: u64,
    pub(crate) keeps_schedules: bool,
    pub(crate) disable_after: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) agenda: Agenda,
    pub(crate) broker: Broker,
    pub(crate) names: Names,
    pub(crate) behaviours: BTreeMap<EndpointId, Behaviour>,
    pub(crate) ledger: Ledger,
    pub(crate) setting: Setting,
    /// One in so many acks is lost, and as many answers to publishes.
    pub(crate) loses_one_in: Option<u64>,
    /// Replicas with the time until which they have been told the news.
    pub(crate) watchers: BTreeMap<u32, Timestamp>,
    /// The last steps, as many as are wanted.
    told: VecDeque<String>,
    telling: usize,
    pub(crate) steps: u64,
}

impl Outside {
    pub(crate) fn new(agenda: Agenda, setting: Setting, telling: usize) -> Self {
        let now = agenda.now;
        Self {
            agenda,
            broker: Broker::new(now),
            names: Names::new("posthorn"),
            behaviours: BTreeMap::new(),
            ledger: Ledger::new(setting.places, now),
            setting,
            loses_one_in: None,
            watchers: BTreeMap::new(),
            told: VecDeque::new(),
            telling,
            steps: 0,
        }
    }

    pub(crate) fn makes(&self, mistake: Mistake) -> bool {
        self.setting.mistake == Some(mistake)
    }

    /// Draws whether a message to or from the broker is lost.
    pub(crate) fn is_lost(&mut self) -> bool {
        self.loses_one_in
            .is_some_and(|n| self.agenda.random.one_in(n))
    }

    /// Tells a step, if anybody wants to know.
    pub(crate) fn tell(&mut self, step: impl FnOnce() -> String) {
        if self.telling > 0 {
            self.told
                .push_back(format!("{} {}", self.agenda.now, step()));
        }
        if self.told.len() > self.telling {
            self.told.pop_front();
        }
    }

    pub(crate) fn story(&self) -> Vec<String> {
        self.told.iter().cloned().collect()
    }

    /// Writes an endpoint's health if its revision is still the expected one.
    pub(crate) fn write_health(
        &mut self,
        id: &EndpointId,
        health: Health,
        expected: Option<u64>,
    ) -> Option<Entry<Health>> {
        let entry = self.broker.healths.write(id, health, expected)?;
        self.announce(&News::Health(id.clone(), Some(entry.clone())));
        Some(entry)
    }

    pub(crate) fn put_health(&mut self, id: &EndpointId, health: Health) {
        let entry = self.broker.healths.put(id, health);
        self.ledger.reset(id);
        self.announce(&News::Health(id.clone(), Some(entry)));
    }

    pub(crate) fn configure(&mut self, endpoint: Endpoint) {
        let id = endpoint.id.clone();
        self.ledger.configured(&endpoint, self.agenda.now);
        let entry = self.broker.endpoints.put(&id, Rc::new(endpoint));
        self.announce(&News::Endpoint(id, Some(entry)));
    }

    pub(crate) fn delete(&mut self, id: &EndpointId) {
        if let Some(entry) = self.broker.endpoints.get(id).cloned() {
            self.ledger.configured(&entry.value, self.agenda.now);
            self.broker.endpoints.delete(id);
            self.broker.healths.delete(id);
            self.announce(&News::Endpoint(id.clone(), None));
            self.announce(&News::Health(id.clone(), None));
        }
    }

    /// Tells the news to everybody who watches, to each in the order in which they were made.
    fn announce(&mut self, news: &News) {
        for (replica, told_until) in &mut self.watchers {
            let lag = self.agenda.random.millis(1, 100);
            *told_until = self.agenda.now.after(lag).max(*told_until);
            let learn = Event::Learn {
                replica: *replica,
                news: news.clone(),
            };
            self.agenda.at(*told_until, learn);
        }
    }
}

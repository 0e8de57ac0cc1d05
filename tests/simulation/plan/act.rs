//! One thing that happens.

use std::time::Duration;

use domain::{endpoint::Endpoint, health::Health, name::EndpointId};

use super::endpoint;
use crate::{agenda::Event, outside::Outside, receiver::Behaviour, world::World};

#[derive(Debug, Clone)]
pub(crate) enum Act {
    Publish(u64),
    Behave(EndpointId, Behaviour),
    Configure(EndpointId),
    Pause(EndpointId),
    Disable(EndpointId),
    LetGoOn(EndpointId),
    Delete(EndpointId),
    Crash(u32, Duration),
    Join,
    Drain(u32, Duration),
    BrokerAway(Duration),
    LoseOneIn(Option<u64>),
}

impl Act {
    /// Draws what happens; nothing happens to replicas that are not there.
    pub(super) fn draw(
        endpoints: &[EndpointId],
        replicas: &[u32],
        outside: &mut Outside,
    ) -> Option<Self> {
        let random = &mut outside.agenda.random;
        let id = random.pick(endpoints);
        let replica = (!replicas.is_empty()).then(|| random.pick(replicas));
        let act = match random.below(40) {
            0..12 => {
                let most = random.pick(&[3, 3, 20, 20, 80]);
                Self::Publish(1 + random.below(most))
            }
            12..20 => Self::Behave(id, random.pick(&Behaviour::ALL)),
            20..23 => Self::Behave(id, Behaviour::Up),
            23..25 => Self::Configure(id),
            25 => Self::Pause(id),
            26 => Self::Disable(id),
            27..29 => Self::LetGoOn(id),
            29 => match random.one_in(4) {
                true => Self::Delete(id),
                false => Self::Configure(id),
            },
            30..34 => Self::Crash(replica?, random.millis(10, 10_000)),
            34 => Self::Join,
            35 => Self::Drain(replica?, random.millis(0, 20_000)),
            36..38 => Self::BrokerAway(random.millis(20, 9_000)),
            _ => Self::LoseOneIn(random.pick(&[None, Some(300), Some(30), Some(5)])),
        };
        Some(act)
    }

    pub(crate) fn perform(self, world: &mut World) {
        let outside = &mut world.outside;
        match self {
            Self::Publish(count) => world.publish(count),
            Self::Behave(id, behaviour) => behave(&id, behaviour, outside),
            Self::Configure(id) => configure(&id, outside),
            Self::Pause(id) => change(&id, outside, |endpoint| endpoint.is_paused = true),
            Self::Disable(id) => change(&id, outside, |endpoint| endpoint.is_enabled = false),
            Self::LetGoOn(id) => let_go_on(&id, outside),
            Self::Delete(id) => {
                if outside.broker.is_up {
                    outside.delete(&id);
                }
            }
            Self::Crash(id, restart) => {
                world.crash(id);
                world.outside.agenda.after(restart, Event::Join);
            }
            Self::Join if world.replicas.len() < 5 => world.join(),
            Self::Join => {}
            Self::Drain(id, grace) => {
                world.drain(id, grace);
                if world.replicas.len() < 2 {
                    world.join();
                }
            }
            Self::BrokerAway(away) => world.broker_goes(away),
            Self::LoseOneIn(n) => outside.loses_one_in = n,
        }
    }
}

pub(super) fn behave(id: &EndpointId, behaviour: Behaviour, outside: &mut Outside) {
    outside.behaviours.insert(id.clone(), behaviour);
    outside.ledger.behaves(id, behaviour, outside.agenda.now);
}

/// Draws a new config for an endpoint, but for what only other acts change.
fn configure(id: &EndpointId, outside: &mut Outside) {
    let mut drawn = None;
    if let Some(entry) = outside.broker.endpoints.get(id) {
        let organisation = &entry.value.organisation_id;
        drawn = Some(endpoint(id, organisation, &mut outside.agenda.random));
    }
    if let Some(drawn) = drawn {
        change(id, outside, |endpoint| {
            *endpoint = Endpoint {
                is_enabled: endpoint.is_enabled,
                is_paused: endpoint.is_paused,
                events: endpoint.events.clone(),
                ..drawn
            };
        });
    }
}

/// Enables and resumes an endpoint; if it was stopped, it begins anew with a ramp, as the Admin API does.
pub(super) fn let_go_on(id: &EndpointId, outside: &mut Outside) {
    let stopped = |endpoint: &Endpoint| endpoint.is_paused || !endpoint.is_enabled;
    let found = outside.broker.endpoints.get(id);
    if !found.is_some_and(|entry| stopped(&entry.value)) {
        return;
    }
    change(id, outside, |endpoint| {
        endpoint.is_paused = false;
        endpoint.is_enabled = true;
    });
    if outside.broker.is_up {
        outside.put_health(id, Health::back(outside.agenda.now));
    }
}

/// Changes an endpoint's config, if it is there and the broker is.
fn change(id: &EndpointId, outside: &mut Outside, change: impl FnOnce(&mut Endpoint)) {
    let found = outside
        .broker
        .endpoints
        .get(id)
        .filter(|_| outside.broker.is_up);
    if let Some(entry) = found {
        let mut endpoint = (*entry.value).clone();
        change(&mut endpoint);
        outside.configure(endpoint);
    }
}

//! The links between the services of an installation and what they talk to.

use std::collections::BTreeMap;

use test_support::{Launch, Link};

use crate::{Service, service::Settings};

/// What a service talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// The broker: all services do.
    Broker,
    /// The attempt store in PostgreSQL: log writer and admin do.
    Store,
}

/// A link for each pair.
#[derive(Debug)]
pub(crate) struct Wiring {
    links: BTreeMap<(Service, Peer), Link>,
}

impl Wiring {
    /// Opens the links that lead to what the settings name.
    pub(crate) fn of(settings: &Settings) -> Self {
        let mut links = BTreeMap::new();
        for service in Service::ALL {
            for peer in [Peer::Broker, Peer::Store] {
                if let Some(target) = target(service, peer, settings) {
                    let address = target.parse().expect("a broker or a store has an address");
                    links.insert((service, peer), Link::to(address));
                }
            }
        }
        Self { links }
    }

    /// Leads a service over its links.
    pub(crate) fn lead(&self, service: Service, launch: Launch, settings: &Settings) -> Launch {
        let own = service.variables(settings).into_iter();
        own.fold(launch, |launch, (name, value)| {
            let peer = match name {
                "POSTHORN_NATS_URL" => Peer::Broker,
                "POSTHORN_STORE_URL" => Peer::Store,
                _ => return launch,
            };
            match (
                target(service, peer, settings),
                self.links.get(&(service, peer)),
            ) {
                (Some(target), Some(link)) => {
                    launch.env(name, value.replace(&target, &link.address().to_string()))
                }
                _ => launch,
            }
        })
    }

    pub(crate) fn link(&self, service: Service, peer: Peer) -> &Link {
        let link = self.links.get(&(service, peer));
        link.unwrap_or_else(|| panic!("{service:?} does not talk to {peer:?}"))
    }
}

/// Returns host and port of what a service talks to.
fn target(service: Service, peer: Peer, settings: &Settings) -> Option<String> {
    let has_store = matches!(service, Service::LogWriter | Service::Admin);
    let url = match peer {
        Peer::Broker => &settings.nats_url,
        Peer::Store if has_store && settings.store_url.starts_with("postgres:") => {
            &settings.store_url
        }
        Peer::Store => return None,
    };
    let (_, host) = url.rsplit_once('@')?;
    Some(host.split('/').next()?.to_owned())
}

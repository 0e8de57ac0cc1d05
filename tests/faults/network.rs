//! The way between each pair of processes is slow, silent, and cut.

use std::time::Duration;

use e2e::{Peer, Service, Stack, Store};
use test_support::{Condition, Link, Postgres};

use crate::{pace, stage::Stage};

/// A way, by who is at its end besides a service.
#[derive(Clone, Copy, Debug)]
enum Pair {
    Producer,
    Peer(Service, Peer),
    Receiver,
}

const PAIRS: [Pair; 9] = [
    Pair::Producer,
    Pair::Peer(Service::Ingest, Peer::Broker),
    Pair::Peer(Service::FanOut, Peer::Broker),
    Pair::Peer(Service::Delivery, Peer::Broker),
    Pair::Peer(Service::LogWriter, Peer::Broker),
    Pair::Peer(Service::Admin, Peer::Broker),
    Pair::Peer(Service::LogWriter, Peer::Store),
    Pair::Peer(Service::Admin, Peer::Store),
    Pair::Receiver,
];

#[tokio::test]
async fn the_network_is_cut_between_each_pair() {
    let name = |pair: &str| format!("cut, {pair}");
    disturb(
        "the network cut",
        Condition::Cut,
        name,
        pace::seconds(2, 15),
    )
    .await;
}

#[tokio::test]
#[ignore = "takes minutes: make faults"]
async fn the_network_is_silent_between_each_pair() {
    let name = |pair: &str| format!("silence, {pair}");
    disturb(
        "the network silent",
        Condition::Silent,
        name,
        pace::seconds(3, 40),
    )
    .await;
}

#[tokio::test]
#[ignore = "takes minutes: make faults"]
async fn the_network_is_slow_between_each_pair() {
    let delay = Duration::from_millis(400);
    let name = |pair: &str| format!("0.4 s in each direction, {pair}");
    let duration = pace::seconds(2, 20);
    disturb("the network slow", Condition::Slow(delay), name, duration).await;
}

async fn disturb(
    table: &str,
    condition: Condition,
    name: impl Fn(&str) -> String,
    duration: Duration,
) {
    let cluster = Postgres::shared();
    let stack = Stack::start_wired(Store::Postgres(cluster), &[]).await;
    let mut stage = Stage::set(stack).await.under_load().await;

    for pair in PAIRS {
        stage
            .fault(&name(&pair.name()), async |stage| {
                pair.link(stage).set(condition);
                stage.goes_on(duration).await;
                pair.link(stage).set(Condition::Open);
            })
            .await;
    }

    let balance = stage.settle(table).await;
    assert_eq!(balance.cut_off, 0, "a living process saw every outcome");
}

impl Pair {
    fn name(self) -> String {
        match self {
            Self::Producer => "producer and ingest".to_owned(),
            Self::Peer(service, Peer::Broker) => format!("{} and broker", service.name()),
            Self::Peer(service, Peer::Store) => format!("{} and PostgreSQL", service.name()),
            Self::Receiver => "delivery and receiver".to_owned(),
        }
    }

    fn link(self, stage: &Stage) -> &Link {
        match self {
            Self::Producer => &stage.to_ingest,
            Self::Peer(service, peer) => stage.stack.link(service, peer),
            Self::Receiver => &stage.to_receiver,
        }
    }
}

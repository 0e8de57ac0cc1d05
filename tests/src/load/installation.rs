//! A fresh installation to measure, with everything that a measurement asks of it.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use jetstream::{Broker, Options};
use serde::Serialize;
use test_support::{BrokerClient, HttpClient, Postgres, Signal};

use super::{scenario::Replicas, sender::Sender, tally::Tally, usage::Group};
use crate::{Organisation, Replica, Service, Stack, Store};

/// How often it is looked whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Events and jobs that may be on their way while everything else has been taken.
const ON_THEIR_WAY: u64 = 20;
/// How long a replica may take to drain.
const LEAVE_BOUND: Duration = Duration::from_secs(90);

/// The attempt store of a measured installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// A file.
    Sqlite,
    /// A server with the settings of a default installation.
    Postgres,
}

/// A running installation with one organisation.
#[derive(Debug)]
pub(crate) struct Installation {
    pub(crate) stack: Stack,
    pub(crate) groups: Vec<Group>,
    pub(crate) broker: BrokerClient,
    pub(crate) bench: Organisation,
    /// Addresses of further replicas of ingest.
    more_ingest: Vec<String>,
}

impl Installation {
    pub(crate) async fn start(store: StoreKind) -> Self {
        let store = match store {
            StoreKind::Sqlite => Store::Sqlite,
            StoreKind::Postgres => Store::Postgres(Arc::new(Postgres::start_durable())),
        };
        let mut stack = Stack::start_with(store, "info").await;
        let groups = groups(&mut stack);
        let broker = stack.broker_client().await;
        let bench = stack.organisation("bench").await;
        Self {
            stack,
            groups,
            broker,
            bench,
            more_ingest: Vec::new(),
        }
    }

    /// Starts replicas until there are as many as that.
    pub(crate) async fn replicate(&mut self, Replicas { service, count }: Replicas) {
        for _ in 1..count {
            let replica = self.stack.add_replica(service).await;
            let process = self.stack.replica(replica);
            self.groups.push(Group {
                name: service.binary(),
                root: process.pid(),
                forks: false,
            });
            if service == Service::Ingest {
                self.more_ingest.push(process.url());
            }
        }
    }

    /// Drains and ends delivery.
    pub(crate) async fn stop_delivery(&mut self) {
        let process = self.stack.service(Service::Delivery);
        process.signal(Signal::Terminate);
        process.wait_exit(LEAVE_BOUND).await;
    }

    /// Starts delivery again after [`Installation::stop_delivery`].
    pub(crate) async fn start_delivery(&mut self) {
        self.stack.service(Service::Delivery).restart();
        self.stack.wait_ready().await;
        self.groups = groups(&mut self.stack);
    }

    /// Waits until every event is fanned out.
    pub(crate) async fn fanned_out(&self, bound: Duration) -> anyhow::Result<()> {
        let waiting = async {
            while self.broker.unsettled("posthorn_EVENTS", "fan-out").await != Some(0) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let fanned_out = tokio::time::timeout(bound, waiting).await;
        fanned_out.with_context(|| format!("events were not fanned out within {bound:?}"))
    }

    /// Returns a sender of the events of a tally, one at a time over eight connections.
    pub(crate) fn sender(
        &self,
        tally: &Arc<Tally>,
        payload_bytes: usize,
    ) -> anyhow::Result<Sender> {
        let first = self.stack.url(Service::Ingest);
        let urls = std::iter::once(&first).chain(&self.more_ingest);
        let token = self.bench.producer.token().context("know a token")?;
        Ok(Sender {
            addresses: urls
                .map(|url| address(url))
                .collect::<anyhow::Result<_>>()?,
            token: token.to_owned(),
            connections: 8,
            batch: 1,
            payload_bytes,
            tally: Arc::clone(tally),
            next: Arc::default(),
        })
    }

    /// Waits until every event is fanned out and `JOBS` holds no more than is under way: everything else
    /// is delivered, parked, or waits for its retry.
    pub(crate) async fn taken(
        &self,
        under_way: impl Fn() -> u64,
        bound: Duration,
    ) -> anyhow::Result<()> {
        let taking = async {
            loop {
                let events = self.broker.unsettled("posthorn_EVENTS", "fan-out").await;
                let jobs = self.broker.count("posthorn_JOBS").await;
                let may_be = under_way() + ON_THEIR_WAY;
                if events.is_some_and(|n| n <= ON_THEIR_WAY) && jobs.is_some_and(|n| n <= may_be) {
                    return;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let taken = tokio::time::timeout(bound, taking).await;
        taken.with_context(|| format!("jobs were not taken within {bound:?}"))
    }

    /// Lets a replica drain and end.
    pub(crate) async fn leave(&mut self, replica: Replica) {
        let process = self.stack.replica(replica);
        process.signal(Signal::Terminate);
        process.wait_exit(LEAVE_BOUND).await;
    }

    /// Returns how many messages the retry lane has ever had.
    pub(crate) async fn retries_stored(&self) -> anyhow::Result<u64> {
        let stream = self.broker.context().get_stream("posthorn_RETRIES").await;
        Ok(stream
            .context("read the retry lane")?
            .cached_info()
            .state
            .last_sequence)
    }

    /// Returns how many jobs delivery has parked since it started, by reason.
    pub(crate) async fn parkings(&self) -> BTreeMap<String, u64> {
        let client = HttpClient::new(self.stack.url(Service::Delivery));
        let reply = client.get("/metrics").await;
        parkings(&String::from_utf8_lossy(&reply.body))
    }
}

/// Connects as a service would.
pub(crate) async fn connect(url: &str) -> anyhow::Result<Broker> {
    let options = Options {
        url: url.to_owned(),
        prefix: "posthorn".to_owned(),
        replicas: 1,
        ..Options::default()
    };
    Ok(Broker::connect(&options, "bench").await?)
}

fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let address = url.strip_prefix("http://").unwrap_or(url);
    address.parse().context("read the address of ingest")
}

fn parkings(metrics: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let rest = line.strip_prefix("posthorn_delivery_parked_total{")?;
        let (labels, count) = rest.rsplit_once("} ")?;
        let (_, reason) = labels.split_once("reason=\"")?;
        let (reason, _) = reason.split_once('"')?;
        Some((reason.to_owned(), count.trim().parse().ok()?))
    };
    metrics.lines().filter_map(line).collect()
}

fn groups(stack: &mut Stack) -> Vec<Group> {
    let mut groups: Vec<Group> = Service::ALL
        .iter()
        .map(|service| Group {
            name: service.binary(),
            root: stack.service(*service).pid(),
            forks: false,
        })
        .collect();
    groups.push(Group {
        name: "nats-server",
        root: stack.broker().pid(),
        forks: false,
    });
    if let Store::Postgres(cluster) = stack.store()
        && let Some(root) = cluster.pid()
    {
        groups.push(Group {
            name: "postgres",
            root,
            forks: true,
        });
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::parkings;

    #[test]
    fn parkings_are_read_by_reason() {
        let metrics = "# HELP posthorn_delivery_parked_total Jobs parked.\n\
            posthorn_delivery_parked_total{reason=\"breaker\"} 12\n\
            posthorn_delivery_parked_total{reason=\"in-flight\"} 3\n\
            posthorn_delivery_attempts_total{outcome=\"accepted\"} 7\n";

        let found: Vec<(String, u64)> = parkings(metrics).into_iter().collect();

        assert_eq!(
            found,
            [("breaker".to_owned(), 12), ("in-flight".to_owned(), 3)]
        );
    }
}

//! The broker crate against a real `nats-server`.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests spawn what they await, and fail by panicking"
)]

mod buckets;
mod consuming;
mod dead_letters;
mod erasing;
mod progress;
mod resealing;
mod retrying;
mod test_sends;
mod topology;

use jetstream::{
    Broker, Options,
    topology::{Limits, Report, ensure},
};
use test_support::NatsServer;

/// Connects to a server, and makes the topology.
async fn broker(server: &NatsServer) -> Broker {
    let broker = connect(server).await;
    ensured(&broker).await;
    broker
}

async fn connect(server: &NatsServer) -> Broker {
    let options = Options {
        url: server.url(),
        prefix: "posthorn".to_owned(),
        replicas: 1,
        ..Options::default()
    };
    Broker::connect(&options, "test").await.unwrap()
}

async fn ensured(broker: &Broker) -> Report {
    ensure(broker, &Limits::default()).await.unwrap()
}

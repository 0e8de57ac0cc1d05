//! Fan-out: an event becomes one delivery job per endpoint that wants it.
//!
//! An event is acknowledged only when all of its jobs are stored. The job ids depend on event and
//! endpoint alone, so an event that is read twice makes the same jobs twice, which the broker stores
//! once within its window.

mod config;
mod directory;
mod metrics;
mod worker;

use std::sync::Arc;

use anyhow::Context as _;
use http_api::host::Parts;
use jetstream::{
    bucket,
    consumer::{Gate, Pull},
    endpoint_bucket::EndpointBucket,
    presence::Presence,
    publisher::Publisher,
    subject::Durable,
};

pub use crate::config::{Config, Settings};
use crate::{directory::Directory, worker::Worker};

/// The name of the service in logs, heartbeats and metrics.
pub const SERVICE: &str = "fan-out";

/// Starts the service's tasks on `shutdown`.
///
/// # Errors
/// When a bucket of the broker can't be opened.
pub async fn start(settings: &Settings, parts: &Parts) -> anyhow::Result<()> {
    let Parts {
        broker,
        shutdown,
        readiness,
        metrics,
    } = parts;
    let endpoints = EndpointBucket::open(broker)
        .await
        .context("open the endpoints bucket")?;
    let directory = Arc::new(Directory::default());
    let (followed, following) = bucket::follow(
        endpoints.bucket(),
        Arc::clone(&directory),
        shutdown.draining(),
    );
    shutdown.spawn_infallible("endpoints watch", following);
    let presence = Presence::new(broker, SERVICE, &lifecycle::entropy::uuid_v7())
        .await
        .context("open the replicas bucket")?
        .endpoints(followed);
    let in_force = presence.gate();
    shutdown.spawn_work(readiness.follow("endpoints", in_force.clone()));
    shutdown.spawn_infallible("heartbeat", presence.run(shutdown.draining()));

    let publisher = Publisher::new(broker);
    let pull = Pull {
        durable: Durable::FanOut,
        places: settings.places,
        gate: Gate::default().and(in_force).and(publisher.flowing()),
        draining: shutdown.draining(),
        abort: shutdown.abort(),
    };
    let worker = Arc::new(Worker::new(broker, directory, publisher, metrics));
    let broker = broker.clone();
    shutdown.spawn("fan-out", async move {
        pull.run(&broker, move |delivery| {
            let worker = Arc::clone(&worker);
            async move { worker.handle(delivery).await }
        })
        .await
        .context("pull events")
    });
    Ok(())
}

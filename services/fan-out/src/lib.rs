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
    bucket, consumer::Gate, endpoint_bucket::EndpointBucket, publisher::Publisher, subject::Durable,
};

pub use crate::config::{Config, Settings};
use crate::{directory::Directory, metrics::Instruments, worker::Worker};

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
        metrics,
        tracer,
        ..
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
    let (catalogue, followed_types, following) = catalogue::follow(broker, shutdown.draining())
        .await
        .context("open the bucket of event types")?;
    shutdown.spawn_infallible("event types watch", following);
    let presence = parts
        .presence(SERVICE)
        .await?
        .endpoints(followed)
        .event_types(followed_types);
    let lease = parts.keep_present("endpoints and event types", presence);

    let publisher = Publisher::new(broker);
    let gate = Gate::default()
        .under(lease.clone())
        .and(publisher.flowing());
    let pull = parts.pull(Durable::FanOut, settings.places, gate);
    let worker = Arc::new(Worker {
        broker: broker.clone(),
        catalogue,
        directory,
        lease,
        publisher,
        instruments: Instruments::new(metrics),
        tracer: tracer.clone(),
    });
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

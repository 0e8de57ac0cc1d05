//! Delivery: takes jobs from the broker, sends them to their endpoints, and records every attempt.
//!
//! The order is always effect, record, settle: the request first, then its record in a batch that
//! the broker has stored, then what follows (a retry or a dead letter), then the acknowledgement of
//! the job. A crash in between repeats an attempt under its number; it never skips one.

mod attempt;
mod client;
mod config;
mod crowd;
mod dial;
mod egress;
mod health;
mod metrics;
mod oauth2;
mod peers;
mod pools;
mod proxy;
mod recorder;
mod resolver;
mod sender;
mod spans;
mod sweep;
mod targets;
mod test_send;
mod tls;
mod traffic;
mod worker;

use std::sync::Arc;

use anyhow::Context as _;
use http_api::host::Parts;
use jetstream::{
    bucket,
    consumer::Gate,
    endpoint_bucket::{EndpointBucket, Endpoints},
    presence::Presence,
    publisher::Publisher,
    subject::Durable,
};

pub use crate::{
    config::{Config, Limits, Settings},
    egress::Egress,
};
use crate::{
    crowd::Crowd, dial::Dial, health::Keeper, metrics::Instruments, peers::Peers, sender::Sender,
    targets::Targets, tls::Tls, traffic::Traffic, worker::Worker,
};

/// The name of the service in logs, heartbeats and metrics.
pub const SERVICE: &str = "delivery";

/// Starts the service's tasks on `shutdown`.
///
/// # Errors
/// When a bucket can't be opened or the HTTP client can't be made.
pub async fn start(settings: &Settings, parts: &Parts) -> anyhow::Result<()> {
    let Parts {
        broker,
        shutdown,
        metrics,
        ..
    } = parts;
    let (tls, sender) = way_out(settings)?;
    let (targets, presence) = targets(settings, parts, tls).await?;
    let peers = Peers::start(parts, presence.instance())
        .await
        .context("follow the replicas")?;
    let lease = parts.keep_present("endpoints", presence);
    let limits = settings.limits;
    let publisher = Publisher::new(broker);
    let instruments = Arc::new(Instruments::new(metrics));
    let (recorder, recording) = recorder::start(parts, &publisher, &instruments);
    shutdown.spawn_infallible("recorder", recording);
    let filling = recorder
        .clone()
        .watch_fill(broker.clone(), shutdown.draining());
    shutdown.spawn_infallible("attempts fill", filling);
    let crowd = Crowd::default();
    let counting = crowd.clone().watch(broker.clone(), shutdown.draining());
    shutdown.spawn_infallible("crowd", counting);
    let keeper = Keeper::start(parts, &publisher, &instruments, limits.disable_after).await?;
    let traffic = Arc::new(Traffic::new(limits.places, peers, Arc::clone(&keeper)));
    let timing = Arc::clone(&traffic).keep_time(shutdown.draining());
    shutdown.spawn_infallible("traffic", timing);
    let sweeping = sweep::run(broker.clone(), publisher.clone(), shutdown.draining());
    shutdown.spawn_infallible("sweep", sweeping);
    let gate = Gate::default().under(lease).and(publisher.flowing());
    let worker = Arc::new(Worker {
        broker: broker.clone(),
        publisher,
        recorder,
        targets,
        sender,
        instruments,
        crowd,
        traffic,
        keeper,
        tracer: parts.tracer.clone(),
    });
    test_send::start(&worker, shutdown).await?;
    // First attempts and retries have places of their own, so that neither can take the other's.
    for durable in [Durable::Delivery, Durable::DeliveryRetries] {
        let pull = parts.pull(durable, limits.places, gate.clone());
        let (broker, worker) = (broker.clone(), Arc::clone(&worker));
        shutdown.spawn(durable.name(), async move {
            pull.run(&broker, move |delivery| {
                let worker = Arc::clone(&worker);
                async move { worker.handle(delivery, durable).await }
            })
            .await
            .context("pull jobs")
        });
    }
    Ok(())
}

fn way_out(settings: &Settings) -> anyhow::Result<(Arc<Tls>, Sender)> {
    let tls = Tls::new(&settings.egress.roots).context("prepare TLS")?;
    let dial = Dial::new(settings).context("prepare the way out")?;
    let sender = Sender::new(dial, &tls).context("make the HTTP client")?;
    Ok((Arc::new(tls), sender))
}

/// Follows the endpoints; returns them as targets, and the heartbeat that says how far they are known.
async fn targets(
    settings: &Settings,
    parts: &Parts,
    tls: Arc<Tls>,
) -> anyhow::Result<(Targets, Presence)> {
    let Parts {
        broker, shutdown, ..
    } = parts;
    let bucket = EndpointBucket::open(broker)
        .await
        .context("open the endpoints bucket")?;
    let endpoints = Arc::new(Endpoints::default());
    let (followed, following) =
        bucket::follow(bucket.bucket(), Arc::clone(&endpoints), shutdown.draining());
    shutdown.spawn_infallible("endpoints watch", following);
    let presence = parts.presence(SERVICE).await?.endpoints(followed);
    Ok((Targets::new(endpoints, bucket, settings, tls), presence))
}

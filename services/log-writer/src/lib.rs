//! The log writer: puts attempt records and event bodies from the broker into the attempt store.
//!
//! A message is acknowledged only after the transaction that holds it. While the store is down
//! nothing is pulled, the records wait on the broker, and deliveries go on.

mod archive;
mod config;
mod metrics;
mod records;
mod retention;
mod writing;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use attempt_store::AttemptStore;
use http_api::host::Parts;
use jetstream::{
    Broker,
    consumer::{Delivery, Gate, Pull, Settlement},
    subject::Durable,
};
use lifecycle::Shutdown;

pub use crate::config::{Config, Settings};
use crate::{
    archive::{Admission, Archive},
    metrics::Instruments,
    records::Records,
    writing::Patience,
};

/// The name of the service in logs, heartbeats and metrics.
pub const SERVICE: &str = "log-writer";

/// How many messages with batches of records may be under way.
const RECORD_PLACES: usize = 64;
/// How many events may be under way into the archive.
const ARCHIVE_PLACES: usize = 4_096;
/// How often the store is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(2);

/// Starts the service's tasks on `shutdown`.
///
/// # Errors
/// When a bucket of the broker can't be opened.
pub async fn start(settings: &Settings, store: &AttemptStore, parts: &Parts) -> anyhow::Result<()> {
    let Parts {
        broker,
        shutdown,
        readiness,
        metrics: registry,
        ..
    } = parts;
    let instruments = Arc::new(Instruments::new(registry));
    let days = retention::days(store, settings.retention, parts);
    shutdown.spawn_infallible("retention of days", days);
    let bodies = retention::bodies(store, parts);
    shutdown.spawn_infallible("retention of bodies", bodies);
    let patience = Patience::new(shutdown.draining());
    shutdown.spawn_work(readiness.follow("store", patience.reachable()));
    metrics::watch_store(registry, patience.reachable());
    shutdown.spawn_infallible(
        "store watch",
        watch_store(store.clone(), patience.clone(), shutdown),
    );
    let gate = Gate::default().and(patience.reachable());

    let (records, writing) = records::start(store, parts, &patience, &instruments);
    shutdown.spawn_infallible("records writer", writing);
    let records = Arc::new(records);
    spawn(
        parts.pull(Durable::LogWriter, RECORD_PLACES, gate.clone()),
        broker,
        shutdown,
        move |delivery| {
            let records = Arc::clone(&records);
            async move { Records::handle(&records, delivery).await }
        },
    );

    start_archive(store, parts, &patience, (gate, instruments)).await
}

/// Starts what takes events into the archive.
async fn start_archive(
    store: &AttemptStore,
    parts: &Parts,
    patience: &Patience,
    (gate, instruments): (Gate, Arc<Instruments>),
) -> anyhow::Result<()> {
    let (broker, shutdown) = (&parts.broker, &parts.shutdown);
    let (catalogue, followed, following) = catalogue::follow(broker, shutdown.draining())
        .await
        .context("open the bucket of event types")?;
    shutdown.spawn_infallible("event types watch", following);
    let presence = parts.presence(SERVICE).await?.event_types(followed);
    let lease = parts.keep_present("event types", presence);
    let gate = gate.under(lease.clone());
    let admission = Admission { catalogue, lease };
    let (archive, writing) = archive::start(store, parts, patience, &instruments, admission);
    shutdown.spawn_infallible("archive writer", writing);
    let archive = Arc::new(archive);
    spawn(
        parts.pull(Durable::EventArchive, ARCHIVE_PLACES, gate),
        broker,
        shutdown,
        move |delivery| {
            let archive = Arc::clone(&archive);
            async move { Archive::handle(&archive, delivery).await }
        },
    );
    Ok(())
}

/// Spawns a pull loop.
fn spawn<H, F>(pull: Pull, broker: &Broker, shutdown: &Shutdown, handler: H)
where
    H: Fn(Delivery) -> F + Send + Sync + 'static,
    F: Future<Output = Settlement> + Send + 'static,
{
    let (broker, name) = (broker.clone(), pull.durable.name());
    shutdown.spawn(name, async move {
        pull.run(&broker, handler).await.context("pull")
    });
}

/// Asks the store whether it is there, until the drain.
fn watch_store(
    store: AttemptStore,
    patience: Patience,
    shutdown: &Shutdown,
) -> impl Future<Output = ()> + use<> {
    let draining = shutdown.draining();
    async move {
        while !draining.is_cancelled() {
            patience.note(store.ping().await.is_ok());
            tokio::select! {
                () = draining.cancelled() => {}
                () = tokio::time::sleep(PING_EVERY) => {}
            }
        }
    }
}

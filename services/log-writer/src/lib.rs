//! The log writer: puts attempt records and event bodies from the broker into the attempt store.
//!
//! A message is acknowledged only after the transaction that holds it. While the store is down
//! nothing is pulled, the records wait on the broker, and deliveries go on.

mod archive;
mod config;
mod metrics;
mod records;
mod writing;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use attempt_store::AttemptStore;
use domain::time::Timestamp;
use http_api::host::Parts;
use jetstream::{
    Broker,
    consumer::{Delivery, Gate, Pull, Settlement},
    subject::Durable,
};
use lifecycle::Shutdown;

pub use crate::config::{Config, Settings};
use crate::{archive::Archive, metrics::Instruments, records::Records, writing::Patience};

/// The name of the service in logs and metrics.
pub const SERVICE: &str = "log-writer";

/// How many messages with batches of records may be under way.
const RECORD_PLACES: usize = 64;
/// How many events may be under way into the archive.
const ARCHIVE_PLACES: usize = 4_096;
/// How often expired days are dropped.
const EXPIRE_EVERY: Duration = Duration::from_secs(3_600);
/// How often the store is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(2);

/// Starts the service's tasks on `shutdown`.
pub fn start(settings: &Settings, store: &AttemptStore, parts: &Parts) {
    let Parts {
        broker,
        shutdown,
        readiness,
        metrics,
    } = parts;
    let instruments = Arc::new(Instruments::new(metrics));
    let expiring = expire(store.clone(), settings.retention, shutdown);
    shutdown.spawn_infallible("retention", expiring);
    let patience = Patience::new(shutdown.draining());
    shutdown.spawn_work(readiness.follow("store", patience.reachable()));
    shutdown.spawn_infallible(
        "store watch",
        watch_store(store.clone(), patience.clone(), shutdown),
    );
    let pull =
        |durable, places| parts.pull(durable, places, Gate::default().and(patience.reachable()));

    let (records, writing) = records::start(store, broker, &patience, &instruments);
    shutdown.spawn_infallible("records writer", writing);
    let records = Arc::new(records);
    spawn(
        pull(Durable::LogWriter, RECORD_PLACES),
        broker,
        shutdown,
        move |delivery| {
            let records = Arc::clone(&records);
            async move { Records::handle(&records, delivery).await }
        },
    );

    let (archive, writing) = archive::start(store, broker, &patience, &instruments);
    shutdown.spawn_infallible("archive writer", writing);
    let archive = Arc::new(archive);
    spawn(
        pull(Durable::EventArchive, ARCHIVE_PLACES),
        broker,
        shutdown,
        move |delivery| {
            let archive = Arc::clone(&archive);
            async move { Archive::handle(&archive, delivery).await }
        },
    );
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

/// Drops the days that are older than the retention, every hour until the drain.
fn expire(
    store: AttemptStore,
    retention: Duration,
    shutdown: &Shutdown,
) -> impl Future<Output = ()> + use<> {
    let draining = shutdown.draining();
    async move {
        while !draining.is_cancelled() {
            let now = Timestamp::from_millis(lifecycle::clock::now_ms());
            match store.drop_expired(now, retention).await {
                Ok(0) => {}
                Ok(days) => tracing::info!(days, "dropped expired days from the attempt store"),
                Err(error) => tracing::warn!(error = %error, "expired days were not dropped"),
            }
            tokio::select! {
                () = draining.cancelled() => {}
                () = tokio::time::sleep(EXPIRE_EVERY) => {}
            }
        }
    }
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

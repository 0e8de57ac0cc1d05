//! The Admin API: webhook configs, tokens, and the log of attempts; and the panel, its pages for people.
//!
//! What is saved is in force everywhere before it is answered: a config waits for every living
//! fan-out and admin replica, a token for ingest and admin. Reading is done in memory, from watches
//! of the buckets; the log is read from the attempt store. No secret leaves the service, but for a
//! generated one in the answer that tells of it.

mod access;
mod api;
mod asking;
mod config;
mod docs;
mod erasing;
mod event_types;
mod following;
#[cfg(test)]
mod fuzz;
mod metrics;
mod operator;
mod panel;
mod replaying;
mod saving;
mod secrets;

use std::sync::Arc;

use anyhow::Context as _;
use attempt_store::AttemptStore;
use axum::Router;
use domain::time::Timestamp;
use http_api::{auth::Guard, host::Parts};
use telemetry::Metrics;
use utoipa::openapi::OpenApi;

use crate::{
    asking::Asking, erasing::Erasing, event_types::EventTypes, following::Following,
    metrics::Instruments, panel::Panel, replaying::Replaying, saving::Configs,
};
pub use crate::{
    config::{Config, Settings, rates, trace_link},
    panel::TraceLink,
};

/// The name of the service in logs, heartbeats and metrics.
pub const SERVICE: &str = "admin";

/// What handlers share.
#[derive(Debug)]
struct Admin {
    guard: Guard,
    following: Following,
    configs: Configs,
    event_types: EventTypes,
    store: AttemptStore,
    replaying: Replaying,
    erasing: Erasing,
    asking: Asking,
}

/// Starts the service's tasks on the parts' shutdown, puts the operator's token in force, and returns
/// the service's routes.
///
/// # Errors
/// When a bucket can't be opened, or the tokens can't be read or written.
pub async fn start(
    settings: &Settings,
    store: AttemptStore,
    parts: &Parts,
) -> anyhow::Result<Router> {
    let following = Box::pin(Following::start(parts)).await?;
    following::watch_store(&store, parts);
    operator::put_in_force(&settings.operator_token, &following)
        .await
        .context("put the operator token in force")?;
    let instruments = Arc::new(Instruments::new(&parts.metrics));
    let replaying = Replaying::start(parts, &following, &store, &instruments).await?;
    let erasing = Erasing::start(parts, &store).await?;
    let asking = Asking::new(parts, &store, &following.endpoints);
    let admin = Admin {
        guard: Guard::new(
            Arc::clone(&following.tokens),
            following.lease.clone(),
            settings.rates,
        ),
        configs: Configs::new(settings, &following),
        event_types: EventTypes::new(&following),
        following,
        store,
        replaying,
        erasing,
        asking,
    };
    let admin = Arc::new(admin);
    let api = api::router(Arc::clone(&admin), &instruments);
    let draining = parts.shutdown.draining();
    let panel = Panel::new(&admin, &api, draining, settings.trace_link.clone());
    let pages = panel::routes(panel, &instruments);
    Ok(api.merge(pages).merge(docs::routes()?))
}

/// Describes the service's operations, for the document that it serves.
///
/// # Errors
/// When no metrics can be made, which the routes are made with.
pub fn openapi() -> anyhow::Result<OpenApi> {
    let instruments = Arc::new(Instruments::new(&Metrics::new(SERVICE)?));
    Ok(api::described(&instruments).into_openapi())
}

/// Returns the time now.
fn now() -> Timestamp {
    Timestamp::from_millis(lifecycle::clock::now_ms())
}

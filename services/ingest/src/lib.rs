//! Ingest: takes events over HTTP and puts them onto the events stream.
//!
//! A 202 promises that every event of the request is stored: it is sent after the last `PubAck`. All
//! events of a request are checked before any is published. A request may be repeated safely: the
//! event id makes it the same event.

mod admitting;
mod checking;
mod config;
mod form;
mod metrics;
mod post_custom_event;
mod post_events;
mod publishing;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use catalogue::Catalogue;
use domain::event::{EVENT_MAX_BYTES, sent_max_bytes};
use http_api::{auth::Guard, host::Parts};
use jetstream::{
    Broker, bucket,
    publisher::Publisher,
    token_bucket::{TokenBucket, Tokens},
};

use telemetry::Tracer;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use crate::config::{Config, Settings};
use crate::{checking::Checking, metrics::Instruments};

/// The name of the service in logs, heartbeats and metrics.
pub const SERVICE: &str = "ingest";

/// What handlers share.
#[derive(Debug)]
struct Ingest {
    broker: Broker,
    publisher: Publisher,
    guard: Guard,
    catalogue: Arc<Catalogue>,
    checking: Checking,
    instruments: Instruments,
    tracer: Tracer,
    event_max_bytes: usize,
}

/// Starts the service's tasks on `shutdown` and returns its routes.
///
/// # Errors
/// When a bucket of the broker can't be opened.
pub async fn start(settings: &Settings, parts: &Parts) -> anyhow::Result<Router> {
    let Parts {
        broker,
        shutdown,
        metrics,
        tracer,
        ..
    } = parts;
    let bucket = TokenBucket::open(broker)
        .await
        .context("open the tokens bucket")?;
    let tokens = Arc::new(Tokens::default());
    let (followed, following) =
        bucket::follow(bucket.bucket(), Arc::clone(&tokens), shutdown.draining());
    shutdown.spawn_infallible("tokens watch", following);
    let (catalogue, followed_types, following) = catalogue::follow(broker, shutdown.draining())
        .await
        .context("open the bucket of event types")?;
    shutdown.spawn_infallible("event types watch", following);
    let presence = parts
        .presence(SERVICE)
        .await?
        .tokens(followed)
        .event_types(followed_types);
    let lease = parts.keep_present("tokens and event types", presence);

    let event_max_bytes = sent_max_bytes(broker.payload_limit());
    if event_max_bytes < EVENT_MAX_BYTES {
        tracing::warn!(
            event_max_bytes,
            "the broker's max_payload lowers the limit of an event"
        );
    }
    let ingest = Arc::new(Ingest {
        broker: broker.clone(),
        publisher: Publisher::new(broker),
        catalogue,
        checking: Checking::new(),
        guard: Guard::new(tokens, lease, settings.rates),
        instruments: Instruments::new(metrics),
        tracer: tracer.clone(),
        event_max_bytes,
    });
    let (routes, _description) = described().split_for_parts();
    Ok(routes.with_state(ingest))
}

/// Describes the service's operations, for the document that the Admin API serves.
#[must_use]
pub fn openapi() -> OpenApi {
    described().into_openapi()
}

/// Returns all routes with their description.
fn described() -> OpenApiRouter<Arc<Ingest>> {
    OpenApiRouter::with_openapi(OpenApi::default())
        .routes(routes!(post_events::handler))
        .routes(routes!(post_custom_event::handler))
}

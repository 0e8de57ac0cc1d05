//! Ingest: takes events over HTTP and puts them onto the events stream.
//!
//! A 202 promises that every event of the request is stored: it is sent after the last `PubAck`. All
//! events of a request are checked before any is published. A request may be repeated safely: the
//! event id makes it the same event.

mod config;
mod metrics;
mod post_events;

use std::sync::Arc;

use anyhow::Context as _;
use axum::{Router, routing::post};
use domain::event::{EVENT_MAX_BYTES, sent_max_bytes};
use http_api::{auth::Guard, host::Parts};
use jetstream::{
    Broker, bucket,
    publisher::Publisher,
    token_bucket::{TokenBucket, Tokens},
};

pub use crate::config::Config;
use crate::metrics::Instruments;

/// The name of the service in logs, heartbeats and metrics.
pub const SERVICE: &str = "ingest";

/// What handlers share.
#[derive(Debug)]
struct Ingest {
    broker: Broker,
    publisher: Publisher,
    guard: Guard,
    instruments: Instruments,
    event_max_bytes: usize,
}

/// Starts the service's tasks on `shutdown` and returns its routes.
///
/// # Errors
/// When a bucket of the broker can't be opened.
pub async fn start(parts: &Parts) -> anyhow::Result<Router> {
    let Parts {
        broker,
        shutdown,
        metrics,
        ..
    } = parts;
    let bucket = TokenBucket::open(broker)
        .await
        .context("open the tokens bucket")?;
    let tokens = Arc::new(Tokens::default());
    let (followed, following) =
        bucket::follow(bucket.bucket(), Arc::clone(&tokens), shutdown.draining());
    shutdown.spawn_infallible("tokens watch", following);
    let presence = parts.presence(SERVICE).await?.tokens(followed);
    let lease = parts.keep_present("tokens", presence);

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
        guard: Guard::new(tokens, lease),
        instruments: Instruments::new(metrics),
        event_max_bytes,
    });
    Ok(Router::new()
        .route("/api/v2/events", post(post_events::handler))
        .with_state(ingest))
}

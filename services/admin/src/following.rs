//! What the service holds in memory of the buckets, and how it learns that others hold it too.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use attempt_store::AttemptStore;
use http_api::{host::Parts, problem::Problem};
use jetstream::{
    bucket::{self, Bucket, Followed, Held, View},
    endpoint_bucket::{EndpointBucket, Endpoints},
    presence::{Presence, Replicas, Revisions},
    token_bucket::{TokenBucket, Tokens},
};
use tokio::sync::watch;

use crate::SERVICE;

/// How long a change may take to be in force everywhere.
const IN_FORCE_PATIENCE: Duration = Duration::from_secs(1);
/// How long the first look at a bucket may take.
const FIRST_LOOK_PATIENCE: Duration = Duration::from_secs(20);
/// How often the store is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(2);

/// The buckets and what is held of them.
#[derive(Debug)]
pub(crate) struct Following {
    pub(crate) endpoint_bucket: EndpointBucket,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) token_bucket: TokenBucket,
    pub(crate) tokens: Arc<Tokens>,
    /// Whether this replica counts as living and holds what the buckets hold.
    pub(crate) in_force: watch::Receiver<bool>,
    tokens_held: watch::Receiver<Held>,
    replicas: Arc<Replicas>,
    replicas_held: watch::Receiver<Held>,
}

impl Following {
    /// Opens the buckets and starts to follow them.
    pub(crate) async fn start(parts: &Parts) -> anyhow::Result<Self> {
        let endpoint_bucket = EndpointBucket::open(&parts.broker)
            .await
            .context("open the endpoints bucket")?;
        let token_bucket = TokenBucket::open(&parts.broker)
            .await
            .context("open the tokens bucket")?;
        let replica_bucket = Replicas::bucket(&parts.broker)
            .await
            .context("open the replicas bucket")?;
        let (endpoints, tokens) = (Arc::default(), Arc::default());
        let replicas = Arc::new(Replicas::default());
        let followed_endpoints = follow(
            parts,
            "endpoints watch",
            endpoint_bucket.bucket(),
            &endpoints,
        );
        let followed_tokens = follow(parts, "tokens watch", token_bucket.bucket(), &tokens);
        let replicas_held = follow(parts, "replicas watch", &replica_bucket, &replicas).held;
        let tokens_held = followed_tokens.held.clone();
        let presence = Presence::new(&parts.broker, SERVICE, &lifecycle::entropy::uuid_v7())
            .await
            .context("open the replicas bucket")?
            .endpoints(followed_endpoints)
            .tokens(followed_tokens);
        let in_force = presence.gate();
        let shutdown = &parts.shutdown;
        shutdown.spawn_infallible("heartbeat", presence.run(shutdown.draining()));
        shutdown.spawn_work(
            parts
                .readiness
                .follow("endpoints and tokens", in_force.clone()),
        );
        Ok(Self {
            endpoint_bucket,
            endpoints,
            token_bucket,
            tokens,
            in_force,
            tokens_held,
            replicas,
            replicas_held,
        })
    }

    /// Waits until all tokens are in memory.
    pub(crate) async fn tokens_are_held(&self) -> anyhow::Result<()> {
        let mut held = self.tokens_held.clone();
        let first_look = held.wait_for(|held| held.live);
        tokio::time::timeout(FIRST_LOOK_PATIENCE, first_look)
            .await
            .context("read the tokens")?
            .context("follow the tokens")?;
        Ok(())
    }

    /// Waits until every living replica that matters holds the endpoints up to a revision.
    ///
    /// # Errors
    /// 503: the change is saved, and repeating the request is safe.
    pub(crate) async fn endpoints_in_force(
        &self,
        revision: u64,
        operation: &'static str,
    ) -> Result<(), Problem> {
        let holds = |held: &Revisions| held.endpoints.is_none_or(|at| at >= revision);
        self.wait(&["fan-out", SERVICE], holds, operation).await
    }

    /// Waits until every living replica that matters holds the tokens up to a revision.
    ///
    /// # Errors
    /// 503: the change is saved, and repeating the request is safe.
    pub(crate) async fn tokens_in_force(
        &self,
        revision: u64,
        operation: &'static str,
    ) -> Result<(), Problem> {
        let holds = |held: &Revisions| held.tokens.is_none_or(|at| at >= revision);
        self.wait(&["ingest", SERVICE], holds, operation).await
    }

    async fn wait(
        &self,
        services: &[&str],
        holds: impl Fn(&Revisions) -> bool,
        operation: &'static str,
    ) -> Result<(), Problem> {
        // Without a live watch nobody is known to live, which must not pass for agreement.
        let known = self.replicas_held.borrow().live;
        if known
            && self
                .replicas
                .wait_until(services, holds, IN_FORCE_PATIENCE)
                .await
        {
            return Ok(());
        }
        Err(Problem::unavailable(
            operation,
            "saved, not yet in force everywhere",
        ))
    }
}

/// Follows a bucket into a view until the drain.
fn follow<V: View>(parts: &Parts, name: &'static str, bucket: &Bucket, view: &Arc<V>) -> Followed {
    let draining = parts.shutdown.draining();
    let (followed, following) = bucket::follow(bucket, Arc::clone(view), draining);
    parts.shutdown.spawn_infallible(name, following);
    followed
}

/// Keeps the latch of the attempt store until the drain.
pub(crate) fn watch_store(store: &AttemptStore, parts: &Parts) {
    let latch = parts.readiness.latch("store");
    let (store, draining) = (store.clone(), parts.shutdown.draining());
    parts.shutdown.spawn_work(async move {
        while !draining.is_cancelled() {
            match store.ping().await {
                Ok(()) => latch.ready(),
                Err(_) => latch.not_ready("does not answer"),
            }
            tokio::select! {
                () = draining.cancelled() => {}
                () = tokio::time::sleep(PING_EVERY) => {}
            }
        }
    });
}

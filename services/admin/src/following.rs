//! What the service holds in memory of the buckets, and how it learns that others hold it too.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use attempt_store::AttemptStore;
use catalogue::Catalogue;
use http_api::{host::Parts, problem::Problem};
use jetstream::{
    bucket::{self, Bucket, Followed, Held, View},
    endpoint_bucket::{EndpointBucket, Endpoints},
    event_type_bucket::EventTypeBucket,
    health_bucket::HealthBucket,
    organisation_bucket::OrganisationBucket,
    presence::{Lease, Replicas, Revisions},
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
    pub(crate) health_bucket: HealthBucket,
    pub(crate) organisation_bucket: OrganisationBucket,
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) event_type_bucket: EventTypeBucket,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) token_bucket: TokenBucket,
    pub(crate) tokens: Arc<Tokens>,
    /// Holds while this replica counts as living and holds what the buckets hold.
    pub(crate) lease: Lease,
    tokens_held: watch::Receiver<Held>,
    replica_bucket: Bucket,
    replicas: Arc<Replicas>,
    replicas_held: watch::Receiver<Held>,
}

impl Following {
    /// Opens the buckets and starts to follow them.
    pub(crate) async fn start(parts: &Parts) -> anyhow::Result<Self> {
        let endpoint_bucket = EndpointBucket::open(&parts.broker)
            .await
            .context("open the endpoints bucket")?;
        let health_bucket = HealthBucket::open(&parts.broker)
            .await
            .context("open the health bucket")?;
        let organisation_bucket = OrganisationBucket::open(&parts.broker)
            .await
            .context("open the organisations bucket")?;
        let token_bucket = TokenBucket::open(&parts.broker)
            .await
            .context("open the tokens bucket")?;
        let event_type_bucket = EventTypeBucket::open(&parts.broker)
            .await
            .context("open the bucket of event types")?;
        let replica_bucket = Replicas::bucket(&parts.broker)
            .await
            .context("open the replicas bucket")?;
        let (endpoints, tokens, catalogue) = (Arc::default(), Arc::default(), Arc::default());
        let replicas = Arc::new(Replicas::default());
        let followed_endpoints = follow(
            parts,
            "endpoints watch",
            endpoint_bucket.bucket(),
            &endpoints,
        );
        let followed_tokens = follow(parts, "tokens watch", token_bucket.bucket(), &tokens);
        let bucket = event_type_bucket.bucket();
        let followed_types = follow(parts, "event types watch", bucket, &catalogue);
        let replicas_held = follow(parts, "replicas watch", &replica_bucket, &replicas).held;
        let tokens_held = followed_tokens.held.clone();
        let presence = parts
            .presence(SERVICE)
            .await?
            .endpoints(followed_endpoints)
            .tokens(followed_tokens)
            .event_types(followed_types);
        let lease = parts.keep_present("endpoints, tokens and event types", presence);
        Ok(Self {
            endpoint_bucket,
            health_bucket,
            organisation_bucket,
            endpoints,
            event_type_bucket,
            catalogue,
            token_bucket,
            tokens,
            lease,
            tokens_held,
            replica_bucket,
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

    /// As [`Following::endpoints_in_force`], for a change after which an endpoint gets nothing: delivery must
    /// know it too.
    ///
    /// # Errors
    /// 503: the change is saved, and repeating the request is safe.
    pub(crate) async fn stop_in_force(
        &self,
        revision: u64,
        operation: &'static str,
    ) -> Result<(), Problem> {
        let holds = |held: &Revisions| held.endpoints.is_none_or(|at| at >= revision);
        let services = ["fan-out", "delivery", SERVICE];
        self.wait(&services, holds, operation).await
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

    /// Waits until every living replica that asks the catalogue holds it up to a revision.
    ///
    /// # Errors
    /// 503: the change is saved, and repeating the request is safe.
    pub(crate) async fn event_types_in_force(
        &self,
        revision: u64,
        operation: &'static str,
    ) -> Result<(), Problem> {
        let holds = |held: &Revisions| held.event_types.is_none_or(|at| at >= revision);
        let services = ["ingest", "fan-out", "log-writer", SERVICE];
        self.wait(&services, holds, operation).await
    }

    async fn wait(
        &self,
        services: &[&str],
        holds: impl Fn(&Revisions) -> bool,
        operation: &'static str,
    ) -> Result<(), Problem> {
        let agreed = async {
            self.replicas_are_known().await?;
            let living = self.replicas.wait_until(services, holds, IN_FORCE_PATIENCE);
            living.await.then_some(())
        };
        if tokio::time::timeout(IN_FORCE_PATIENCE, agreed).await == Ok(Some(())) {
            return Ok(());
        }
        Err(Problem::unavailable(
            operation,
            "saved, not yet in force everywhere",
        ))
    }
}

impl Following {
    /// Waits until we know every heartbeat that is there now: a blind or late watch must not pass
    /// for nobody living.
    async fn replicas_are_known(&self) -> Option<()> {
        let at = self.replica_bucket.last_revision().await.ok()?;
        let mut held = self.replicas_held.clone();
        let known = held.wait_for(|held| held.live && held.revision >= at).await;
        known.is_ok().then_some(())
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

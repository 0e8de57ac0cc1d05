//! Keeps the health of endpoints: counts failures, opens and closes breakers, and tells who listens.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use domain::{
    endpoint::Endpoint,
    health::{self, Change, Rung, Tally, Verdict},
    job::Job,
    name::EndpointId,
    outcome::Outcome,
    time::Timestamp,
};
use http_api::host::Parts;
use jetstream::{
    Broker,
    bucket::{self, Error},
    endpoint_bucket::EndpointBucket,
    health_bucket::{HealthBucket, Healths, Stored},
    publisher::Publisher,
    signal::{self, Signal},
};
use parking_lot::Mutex;

use crate::{
    metrics::{self, Instruments},
    targets::Target,
};

/// How often a change is tried again when somebody else was faster.
const TRIES: usize = 5;

/// The health of all endpoints.
#[derive(Debug)]
pub(crate) struct Keeper {
    broker: Broker,
    bucket: HealthBucket,
    endpoints: EndpointBucket,
    healths: Arc<Healths>,
    publisher: Publisher,
    instruments: Arc<Instruments>,
    /// The failures in a row of endpoints that fail; no other endpoint is in it.
    tallies: Mutex<HashMap<EndpointId, Tally>>,
    /// One change after the other: many attempts of an endpoint fail at once.
    turn: tokio::sync::Mutex<()>,
    disable_after: Option<Duration>,
}

/// An attempt that ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended<'a> {
    /// Its job.
    pub(crate) job: &'a Job,
    /// Its endpoint.
    pub(crate) target: &'a Target,
    /// When it began.
    pub(crate) began: Timestamp,
    /// What it came to.
    pub(crate) outcome: &'a Outcome,
    /// Whether the endpoint said that it is gone.
    pub(crate) is_gone: bool,
    /// Whether it was a probe.
    pub(crate) is_probe: bool,
}

impl Keeper {
    /// Starts to follow the health of endpoints.
    pub(crate) async fn start(
        parts: &Parts,
        publisher: &Publisher,
        instruments: &Arc<Instruments>,
        disable_after: Option<Duration>,
    ) -> anyhow::Result<Arc<Self>> {
        let bucket = HealthBucket::open(&parts.broker)
            .await
            .context("open the health bucket")?;
        let endpoints = EndpointBucket::open(&parts.broker)
            .await
            .context("open the endpoints bucket")?;
        let healths = Arc::new(Healths::default());
        let (_followed, following) = bucket::follow(
            bucket.bucket(),
            Arc::clone(&healths),
            parts.shutdown.draining(),
        );
        parts.shutdown.spawn_infallible("health watch", following);
        metrics::watch_breakers(&parts.metrics, &healths);
        Ok(Arc::new(Self {
            broker: parts.broker.clone(),
            bucket,
            endpoints,
            healths,
            publisher: publisher.clone(),
            instruments: Arc::clone(instruments),
            tallies: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            disable_after,
        }))
    }

    /// Returns what is known about an endpoint.
    pub(crate) fn of(&self, endpoint: &EndpointId) -> Option<Stored> {
        self.healths.get(endpoint)
    }

    /// Claims the next probe of an endpoint, which may take so long; returns whether it is ours. Without
    /// the broker nobody probes.
    pub(crate) async fn claim_probe(
        &self,
        endpoint: &Endpoint,
        stored: &Stored,
        longest: Duration,
    ) -> bool {
        let health = stored.health.probed(now(), longest);
        match self.write(endpoint, health, Some(stored.revision)).await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(error = %error, endpoint.id = %endpoint.id, "probe is not ours");
                self.refresh(endpoint).await;
                false
            }
        }
    }

    /// Takes in the end of an attempt.
    pub(crate) async fn ended(&self, ended: Ended<'_>) {
        if !ended.outcome.is_success() && !self.still_counts(&ended.job.endpoint, ended.began) {
            return;
        }
        let tally = self.count(ended);
        if self.change(ended, tally).is_none() {
            return;
        }
        let _turn = self.turn.lock().await;
        for _ in 0..TRIES {
            // Whoever had the turn before us may have done it already.
            let Some((change, revision)) = self.change(ended, tally) else {
                return;
            };
            match self.make(ended.target, change, revision).await {
                Ok(()) => return,
                Err(Error::Conflict) => self.refresh(&ended.target.endpoint).await,
                Err(Error::Unavailable(reason)) => {
                    // The next attempt finds the same.
                    tracing::warn!(reason, "health of an endpoint can't be written");
                    return;
                }
            }
        }
    }

    /// Returns whether what failed at `time` still says something about an endpoint.
    fn still_counts(&self, endpoint: &EndpointId, time: Timestamp) -> bool {
        self.healths
            .get(endpoint)
            .is_none_or(|stored| stored.health.still_counts(time, now()))
    }

    fn count(&self, ended: Ended<'_>) -> Option<Tally> {
        let endpoint = &ended.job.endpoint;
        let mut tallies = self.tallies.lock();
        let before = tallies.get(endpoint).copied();
        // Another replica may have seen the endpoint come back.
        let before = before.filter(|tally| self.still_counts(endpoint, tally.since));
        if before.is_none() && ended.outcome.is_success() {
            tallies.remove(endpoint);
            return None;
        }
        let tally = Tally::after(before, ended.outcome, now());
        match tally {
            Some(tally) => tallies.insert(endpoint.clone(), tally),
            None => tallies.remove(endpoint),
        };
        tally
    }

    /// Returns what changes, and the revision that it changes.
    fn change(&self, ended: Ended<'_>, tally: Option<Tally>) -> Option<(Change, Option<u64>)> {
        let stored = self.healths.get(&ended.job.endpoint);
        if stored.is_none() && tally.is_none() {
            return None;
        }
        let verdict = Verdict {
            outcome: ended.outcome,
            tally,
            is_probe: ended.is_probe,
            is_gone: ended.is_gone,
        };
        let (health, revision) = stored.map_or((None, None), |stored| {
            (Some(stored.health), Some(stored.revision))
        });
        health::after(health.as_ref(), verdict, now(), self.disable_after)
            .map(|change| (change, revision))
    }

    /// Says it, does it, then notes it: what a crash cuts off is done again after the next failure.
    async fn make(
        &self,
        target: &Target,
        change: Change,
        revision: Option<u64>,
    ) -> Result<(), Error> {
        if let Some(rung) = change.climbed {
            self.signal(target, &change, rung, revision).await?;
            if rung == Rung::Disabled {
                self.disable(&target.endpoint).await?;
            }
        }
        tracing::info!(
            endpoint.id = %target.endpoint.id,
            state = ?change.health.state,
            why = change.health.why,
            rung = ?change.health.rung,
            "health of an endpoint changes"
        );
        self.instruments.health_changes(change.health.state);
        self.write(&target.endpoint, change.health, revision).await
    }

    async fn signal(
        &self,
        target: &Target,
        change: &Change,
        rung: Rung,
        revision: Option<u64>,
    ) -> Result<(), Error> {
        let signal = Signal {
            organisation_id: &target.endpoint.organisation_id,
            webhook_config_id: &target.endpoint.id,
            url: &target.shown_url,
            failing_since: change.health.failing_since,
            error_message: change.health.why.as_deref(),
            at: now(),
        };
        let revision = revision.unwrap_or(0);
        if let Some(message) = signal::message(&self.broker.names, rung, signal, revision) {
            let stored = self.publisher.publish(message).await;
            stored.map_err(|error| Error::Unavailable(error.to_string()))?;
        }
        Ok(())
    }

    /// Disables an endpoint in its config, unless it is no more.
    async fn disable(&self, endpoint: &Endpoint) -> Result<(), Error> {
        for _ in 0..TRIES {
            let stored = self
                .endpoints
                .get(&endpoint.organisation_id, &endpoint.id)
                .await?;
            let Some(stored) = stored.filter(|stored| stored.endpoint.is_enabled) else {
                return Ok(());
            };
            let disabled = Endpoint {
                is_enabled: false,
                updated_at: now(),
                ..stored.endpoint
            };
            match self.endpoints.update(&disabled, stored.revision).await {
                Ok(_) => {
                    tracing::warn!(endpoint.id = %endpoint.id, "endpoint is disabled: it takes nothing");
                    return Ok(());
                }
                Err(Error::Conflict) => {}
                Err(error @ Error::Unavailable(_)) => return Err(error),
            }
        }
        Err(Error::Unavailable(
            "the config changes all the time".to_owned(),
        ))
    }

    async fn write(
        &self,
        endpoint: &Endpoint,
        health: health::Health,
        revision: Option<u64>,
    ) -> Result<(), Error> {
        let revision = self
            .bucket
            .write(&endpoint.organisation_id, &endpoint.id, &health, revision)
            .await?;
        self.healths.note(&endpoint.id, Stored { health, revision });
        Ok(())
    }

    /// Reads what somebody else has written, before the watch tells us.
    async fn refresh(&self, endpoint: &Endpoint) {
        let stored = self
            .bucket
            .get(&endpoint.organisation_id, &endpoint.id)
            .await;
        if let Ok(Some(stored)) = stored {
            self.healths.note(&endpoint.id, stored);
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(lifecycle::clock::now_ms())
}

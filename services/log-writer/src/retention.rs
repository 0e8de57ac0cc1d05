//! Letting go what has expired: whole days of everything, and the bodies of organisations that want theirs to be
//! kept for less.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use attempt_store::AttemptStore;
use domain::{
    name::OrganisationId,
    organisation::{Settings, Swept},
    time::Timestamp,
};
use http_api::host::Parts;
use jetstream::{
    bucket::{self, Held},
    organisation_bucket::{OrganisationBucket, Organisations},
};
use tokio::sync::watch;

/// How often expired days are dropped.
const DAYS_EVERY: Duration = Duration::from_secs(3_600);
/// How often expired bodies are let go, if no settings change.
const BODIES_EVERY: Duration = Duration::from_secs(600);
/// How long settings may change until all that changed at once is looked at together.
const TOGETHER: Duration = Duration::from_millis(200);
/// How long to wait before the bucket of settings is opened again.
const REOPEN_PAUSE: Duration = Duration::from_secs(5);

/// Drops the days that are older than the retention, every hour until the drain.
pub(crate) fn days(
    store: &AttemptStore,
    retention: Duration,
    parts: &Parts,
) -> impl Future<Output = ()> + use<> {
    let (store, draining) = (store.clone(), parts.shutdown.draining());
    async move {
        while !draining.is_cancelled() {
            match store.drop_expired(now(), retention).await {
                Ok(0) => {}
                Ok(days) => tracing::info!(days, "dropped expired days from the attempt store"),
                Err(error) => tracing::warn!(error = %error, "expired days were not dropped"),
            }
            tokio::select! {
                () = draining.cancelled() => {}
                () = tokio::time::sleep(DAYS_EVERY) => {}
            }
        }
    }
}

/// Lets expired bodies go, when settings change and every ten minutes, until the drain.
pub(crate) fn bodies(store: &AttemptStore, parts: &Parts) -> impl Future<Output = ()> + use<> {
    let (store, parts) = (store.clone(), parts.clone());
    async move {
        let draining = parts.shutdown.draining();
        let swept = async {
            let bucket = opened(&parts).await;
            let organisations: Arc<Organisations> = Arc::default();
            let view = Arc::clone(&organisations);
            let (followed, following) = bucket::follow(bucket.bucket(), view, draining.clone());
            let sweeper = Sweeper {
                store,
                organisations,
                swept: HashMap::new(),
            };
            tokio::join!(following, sweeper.run(followed.held));
        };
        // A sweep may be given up at any time.
        tokio::select! {
            () = draining.cancelled() => {}
            () = swept => {}
        }
    }
}

/// Opens the bucket of settings, however long that takes.
async fn opened(parts: &Parts) -> OrganisationBucket {
    loop {
        match OrganisationBucket::open(&parts.broker).await {
            Ok(bucket) => return bucket,
            Err(error) => {
                tracing::warn!(error = %error, "the settings of organisations can't be read");
                tokio::time::sleep(REOPEN_PAUSE).await;
            }
        }
    }
}

/// What lets bodies go.
struct Sweeper {
    store: AttemptStore,
    organisations: Arc<Organisations>,
    /// How far each organisation's were swept; what is forgotten in a restart is read once more.
    swept: HashMap<OrganisationId, Swept>,
}

impl Sweeper {
    async fn run(mut self, mut held: watch::Receiver<Held>) {
        loop {
            // What a broken watch shows is old: somebody may have asked for a longer time meanwhile.
            if held.wait_for(|held| held.live).await.is_err() {
                return;
            }
            self.sweep().await;
            tokio::select! {
                changed = held.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    tokio::time::sleep(TOGETHER).await;
                }
                () = tokio::time::sleep(BODIES_EVERY) => {}
            }
        }
    }

    async fn sweep(&mut self) {
        for (organisation, settings) in self.organisations.all() {
            self.sweep_one(&organisation, &settings).await;
        }
    }

    async fn sweep_one(&mut self, organisation: &OrganisationId, settings: &Settings) {
        let swept = self.swept.get(organisation).copied();
        let Some((sweep, swept)) = settings.sweep(swept, now()) else {
            return;
        };
        match self.store.expire_bodies(organisation, sweep).await {
            Ok(gone) => {
                self.swept.insert(organisation.clone(), swept);
                if gone.responses > 0 || gone.events > 0 {
                    let (responses, events) = (gone.responses, gone.events);
                    tracing::info!(%organisation, responses, events, "let expired bodies go");
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, %organisation, "expired bodies were not let go");
            }
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(lifecycle::clock::now_ms())
}

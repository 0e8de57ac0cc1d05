//! Replays: any replica works on any of them, one replica at a time on each.
//!
//! The order is effect, record, next: a page's jobs are stored, then the replay's progress is written
//! under the revision that was read, then the next page begins. Who finds another revision has lost the
//! replay and stops at once. So a crash, or a lease that ended unnoticed, repeats one page at most.

mod archive;
mod hold;
mod page;
mod run;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use attempt_store::AttemptStore;
use domain::{
    name::{OrganisationId, ReplayId},
    replay::{Replay, State, UNFINISHED_MAX, surplus},
};
use http_api::host::Parts;
use jetstream::{
    Broker,
    bucket::{self, Held},
    replay_bucket::{ReplayBucket, Replays, Stored},
};
use lifecycle::{Shutdown, entropy};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    following::Following,
    metrics::Instruments,
    now,
    replaying::{
        hold::{Hold, Stop},
        page::Pages,
    },
};

/// How often it is looked for replays that nobody works on.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many replays a replica works on at once; others wait for another replica or a free place.
const RUNS_MAX: usize = 256;
/// How long a new replay may take to be in our own list.
const LISTED_PATIENCE: Duration = Duration::from_secs(1);
/// How often a cancellation is tried against a replay that advances.
const CANCEL_TRIES: usize = 20;

/// The replays, as the API sees them.
#[derive(Debug)]
pub(crate) struct Replaying {
    bucket: ReplayBucket,
    replays: Arc<Replays>,
    held: watch::Receiver<Held>,
    broker: Broker,
}

/// Why a replay is not made, found or stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The organisation has too many replays that are not finished.
    #[error("the organisation has {UNFINISHED_MAX} unfinished replays, the most there may be")]
    Full,
    /// There is no such replay in the organisation.
    #[error("there is no such replay")]
    NotFound,
    /// It is done or has failed.
    #[error("the replay is finished")]
    Finished,
    /// It keeps changing.
    #[error("the replay is being changed by somebody else, repeat the request")]
    Busy,
    /// The broker does not answer, or holds what can't be read.
    #[error("replays can't be read or written at the moment")]
    Bucket(#[from] bucket::Error),
}

impl Replaying {
    /// Opens the bucket of replays, and starts to follow it and to work on what is in it.
    pub(crate) async fn start(
        parts: &Parts,
        following: &Following,
        store: &AttemptStore,
        instruments: &Arc<Instruments>,
    ) -> anyhow::Result<Self> {
        let bucket = ReplayBucket::open(&parts.broker)
            .await
            .context("open the replays bucket")?;
        Ok(Self::on(
            bucket,
            parts,
            Pages::new(parts, following, store, instruments),
        ))
    }

    fn on(bucket: ReplayBucket, parts: &Parts, pages: Pages) -> Self {
        let shutdown = &parts.shutdown;
        let replays: Arc<Replays> = Arc::default();
        let (followed, task) =
            bucket::follow(bucket.bucket(), Arc::clone(&replays), shutdown.draining());
        shutdown.spawn_infallible("replays watch", task);
        let runner = Arc::new(Runner {
            owner: entropy::uuid_v7(),
            bucket: bucket.clone(),
            replays: Arc::clone(&replays),
            broker: parts.broker.clone(),
            pages,
            draining: shutdown.draining(),
            abort: shutdown.abort(),
        });
        shutdown.spawn_infallible("replays", runner.supervise(shutdown.clone()));
        Self {
            bucket,
            replays,
            held: followed.held,
            broker: parts.broker.clone(),
        }
    }

    /// Returns the broker, which knows how far events are written.
    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Returns the replays of an organisation, the newest first.
    pub(crate) fn of(&self, organisation: &OrganisationId) -> Vec<Arc<Stored>> {
        self.replays.of(organisation)
    }

    /// Checks that an organisation may have another replay. Requests at the same moment may exceed the
    /// limit by as many as they are.
    pub(crate) fn check_room(&self, organisation: &OrganisationId) -> Result<(), Refusal> {
        let own = self.replays.of(organisation);
        let unfinished = own
            .iter()
            .filter(|stored| !stored.replay.state.is_finished());
        if unfinished.count() < UNFINISHED_MAX {
            Ok(())
        } else {
            Err(Refusal::Full)
        }
    }

    /// Stores a new replay; some replica takes it up.
    pub(crate) async fn add(&self, replay: &Replay) -> Result<(), Refusal> {
        let revision = self.bucket.create(replay).await?;
        let mut held = self.held.clone();
        let listed = held.wait_for(|held| held.live && held.revision >= revision);
        // It is stored; a list that lags shows it a little later.
        if tokio::time::timeout(LISTED_PATIENCE, listed).await.is_err() {
            tracing::debug!(replay.id = %replay.id, "a new replay is not listed yet");
        }
        Ok(())
    }

    /// Reads a replay as it is on the broker.
    pub(crate) async fn get(
        &self,
        organisation: &OrganisationId,
        id: &ReplayId,
    ) -> Result<Stored, Refusal> {
        let stored = self.bucket.get(organisation, id).await?;
        stored.ok_or(Refusal::NotFound)
    }

    /// Stops a replay; stopping it again changes nothing.
    pub(crate) async fn cancel(
        &self,
        organisation: &OrganisationId,
        id: &ReplayId,
    ) -> Result<(), Refusal> {
        for _ in 0..CANCEL_TRIES {
            let stored = self.get(organisation, id).await?;
            let Some(cancelled) = stored.replay.cancelled(now()) else {
                return match stored.replay.state {
                    State::Cancelled => Ok(()),
                    State::Waiting | State::Running | State::Done | State::Failed => {
                        Err(Refusal::Finished)
                    }
                };
            };
            match self.bucket.update(&cancelled, stored.revision).await {
                Ok(_) => return Ok(()),
                Err(bucket::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Busy)
    }
}

/// What works on replays.
#[derive(Debug)]
struct Runner {
    /// Tells this process from others.
    owner: String,
    bucket: ReplayBucket,
    replays: Arc<Replays>,
    broker: Broker,
    pages: Pages,
    draining: CancellationToken,
    abort: CancellationToken,
}

impl Runner {
    /// Takes up what nobody works on and removes what need not be kept, until the drain.
    async fn supervise(self: Arc<Self>, shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(RUNS_MAX));
        while !self.draining.is_cancelled() {
            self.take_up(&shutdown, &places).await;
            self.tidy().await;
            tokio::select! {
                () = self.draining.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn take_up(self: &Arc<Self>, shutdown: &Shutdown, places: &Arc<Semaphore>) {
        for stored in self.replays.all().into_values().flatten() {
            let Some(claimed) = stored.replay.claimed(&self.owner, now()) else {
                continue;
            };
            let Ok(place) = Arc::clone(places).try_acquire_owned() else {
                return;
            };
            match self.bucket.update(&claimed, stored.revision).await {
                Ok(revision) => {
                    let claimed = Stored {
                        replay: claimed,
                        revision,
                    };
                    let runner = Arc::clone(self);
                    shutdown.spawn_work(async move {
                        runner.work_on(claimed).await;
                        drop(place);
                    });
                }
                Err(bucket::Error::Conflict) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "replays can't be taken up");
                    return;
                }
            }
        }
    }

    /// Works on a replay that is ours until it is finished, is not ours any more, or the drain.
    async fn work_on(&self, claimed: Stored) {
        let id = claimed.replay.id.clone();
        tracing::info!(replay.id = %id, "replay taken up");
        let mut hold = Hold::new(self, claimed);
        match self.run(&mut hold).await {
            Ok(()) => tracing::info!(
                replay.id = %id,
                state = ?hold.replay().state,
                done = hold.replay().done,
                skipped = hold.replay().skipped,
                "replay finished"
            ),
            Err(Stop::Lost) => tracing::info!(replay.id = %id, "replay was taken away or stopped"),
            Err(Stop::Draining) => hold.release().await,
            Err(Stop::Aborted) => {}
        }
    }

    /// Removes finished replays that are old or too many. Every replica may: the second one finds
    /// nothing to remove.
    async fn tidy(&self) {
        for own in self.replays.all().into_values() {
            let removed: Vec<&Replay> =
                surplus(own.iter().map(|stored| &stored.replay), now()).collect();
            let removed = own
                .iter()
                .filter(|stored| removed.iter().any(|replay| replay.id == stored.replay.id));
            for stored in removed {
                match self.bucket.delete(stored).await {
                    Ok(()) | Err(bucket::Error::Conflict) => {}
                    Err(error) => {
                        tracing::warn!(error = %error, "old replays can't be removed");
                        return;
                    }
                }
            }
        }
    }
}

//! Erasures: any replica makes the next pass of any of them, one replica at a time for each.
//!
//! Everything that a pass does may be done twice: what is gone stays gone. So a crash, or a lease that ended
//! unnoticed, repeats a piece of a pass; the records that it made of jobs may then stand twice. Who finds
//! another revision of an erasure than the one that it read has lost it and stops at once.

mod hold;
mod pass;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use attempt_store::AttemptStore;
use domain::{
    erasure::{Erasure, KEPT_MAX, Pass, Place, State, Target, UNFINISHED_MAX},
    name::{ErasureId, EventId, OrganisationId},
};
use futures::FutureExt as _;
use http_api::host::Parts;
use jetstream::{
    Broker, bucket,
    erasing::{Streams, Unavailable},
    erasure_bucket::{ErasureBucket, Erasures, Stored},
    publisher::Publisher,
    subject::Stream,
};
use lifecycle::{Shutdown, entropy};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    erasing::hold::{Hold, Stop},
    now,
};

/// How often it is looked for passes that are due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many passes a replica makes at once; each has some MiB of messages in memory.
const PASSES_MAX: usize = 4;

/// The erasures, as the API sees them.
#[derive(Debug)]
pub(crate) struct Erasing {
    bucket: ErasureBucket,
    erasures: Arc<Erasures>,
    streams: Streams,
    broker: Broker,
}

/// Why an erasure is not begun or found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The organisation has too many that are not done.
    #[error("the organisation has {UNFINISHED_MAX} unfinished erasures, the most there may be")]
    Full,
    /// The organisation has too many that are still looked after.
    #[error("the organisation has {KEPT_MAX} erasures of the last days, the most there may be")]
    Overfull,
    /// There is no such erasure in the organisation.
    #[error("there is no such erasure")]
    NotFound,
    /// The broker does not answer, or holds what can't be read.
    #[error("erasures can't be read or written at the moment")]
    Bucket(#[from] bucket::Error),
    /// The broker does not say how far its streams are written.
    #[error("erasures can't be begun at the moment")]
    Streams(#[from] Unavailable),
}

impl Erasing {
    /// Opens the bucket of erasures, and starts to follow it and to work on what is in it.
    pub(crate) async fn start(parts: &Parts, store: &AttemptStore) -> anyhow::Result<Self> {
        let (broker, shutdown) = (&parts.broker, &parts.shutdown);
        let bucket = ErasureBucket::open(broker)
            .await
            .context("open the erasures bucket")?;
        let erasures: Arc<Erasures> = Arc::default();
        let (_followed, task) =
            bucket::follow(bucket.bucket(), Arc::clone(&erasures), shutdown.draining());
        shutdown.spawn_infallible("erasures watch", task);
        let streams = Streams::new(broker);
        let eraser = Arc::new(Eraser {
            owner: entropy::uuid_v7(),
            bucket: bucket.clone(),
            erasures: Arc::clone(&erasures),
            streams: streams.clone(),
            broker: broker.clone(),
            publisher: Publisher::new(broker),
            store: store.clone(),
            draining: shutdown.draining(),
        });
        shutdown.spawn_infallible("erasures", eraser.supervise(shutdown.clone()));
        Ok(Self {
            bucket,
            erasures,
            streams,
            broker: broker.clone(),
        })
    }

    /// Stores an erasure of an event, be there one or not; some replica begins with it at once.
    pub(crate) async fn begin(
        &self,
        organisation: OrganisationId,
        event: EventId,
    ) -> Result<Erasure, Refusal> {
        self.check_room(&organisation)?;
        let target = self.target(organisation, event).await?;
        let ends = self.streams.ends().await?;
        let id = ErasureId::try_new(&format!("er_{}", entropy::uuid_v7())).map_err(bucket_fault)?;
        let erasure = Erasure::new(id, target, &ends, now());
        self.bucket.create(&erasure).await?;
        Ok(erasure)
    }

    /// Returns the erasures of an organisation, the newest first.
    pub(crate) fn of(&self, organisation: &OrganisationId) -> Vec<Arc<Stored>> {
        self.erasures.of(organisation)
    }

    /// Reads an erasure as it is on the broker.
    pub(crate) async fn get(
        &self,
        organisation: &OrganisationId,
        id: &ErasureId,
    ) -> Result<Erasure, Refusal> {
        let stored = self.bucket.get(organisation, id).await?;
        stored.map(|stored| stored.erasure).ok_or(Refusal::NotFound)
    }

    /// Checks that an organisation may have another erasure. Requests at the same moment may exceed the limit
    /// by as many as they are.
    fn check_room(&self, organisation: &OrganisationId) -> Result<(), Refusal> {
        let own = self.erasures.of(organisation);
        let is_running = |stored: &&Arc<Stored>| stored.erasure.state == State::Running;
        if own.len() >= KEPT_MAX {
            Err(Refusal::Overfull)
        } else if own.iter().filter(is_running).count() >= UNFINISHED_MAX {
            Err(Refusal::Full)
        } else {
            Ok(())
        }
    }

    /// Returns what is meant: the event as it was accepted by now. Events bear the broker's time, so it is the
    /// time of the last one, whatever our clock says.
    async fn target(
        &self,
        organisation: OrganisationId,
        event: EventId,
    ) -> Result<Target, Refusal> {
        let written = self.broker.written(Stream::Events).await;
        let written = written.map_err(bucket_fault)?;
        // A stream that never had an event is a new one, and the archive may be older.
        let until = if written.sequence == 0 {
            now()
        } else {
            written.at
        };
        Ok(Target {
            organisation,
            event,
            until,
        })
    }
}

fn bucket_fault(reason: impl std::fmt::Display) -> bucket::Error {
    bucket::Error::Unavailable(reason.to_string())
}

/// What works on erasures.
#[derive(Debug)]
struct Eraser {
    /// Tells this process from others.
    owner: String,
    bucket: ErasureBucket,
    erasures: Arc<Erasures>,
    streams: Streams,
    broker: Broker,
    publisher: Publisher,
    store: AttemptStore,
    draining: CancellationToken,
}

impl Eraser {
    /// Makes the passes that are due, until the drain.
    async fn supervise(self: Arc<Self>, shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(PASSES_MAX));
        while !self.draining.is_cancelled() {
            self.take_up(&shutdown, &places).await;
            tokio::select! {
                () = self.draining.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn take_up(self: &Arc<Self>, shutdown: &Shutdown, places: &Arc<Semaphore>) {
        let mut due =
            (self.erasures).matching(|erasure| erasure.claimed(&self.owner, now()).is_some());
        // Whoever waits longest comes first.
        due.sort_by_key(|stored| stored.erasure.due_at);
        for stored in due {
            let Ok(place) = Arc::clone(places).try_acquire_owned() else {
                return;
            };
            let Some(erasure) = stored.erasure.claimed(&self.owner, now()) else {
                continue;
            };
            match self.bucket.update(&erasure, stored.revision).await {
                Ok(revision) => {
                    let eraser = Arc::clone(self);
                    shutdown.spawn_work(async move {
                        eraser.work_on(Stored { erasure, revision }).await;
                        drop(place);
                    });
                }
                Err(bucket::Error::Conflict) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "erasures can't be taken up");
                    return;
                }
            }
        }
    }

    /// Makes a pass of an erasure that is ours, and writes what follows from it.
    async fn work_on(&self, claimed: Stored) {
        let mut hold = Hold::new(self, claimed);
        let id = hold.erasure().id.clone();
        let ended = match self.pass(&mut hold).await {
            Ok(pass) => self.conclude(&mut hold, pass).await,
            Err(stop) => Err(stop),
        };
        match ended {
            Ok(()) => {}
            Err(Stop::Lost) => tracing::info!(erasure.id = %id, "erasure was taken away"),
            Err(Stop::Draining) => hold.release().await,
            Err(Stop::Unavailable(reason)) => {
                tracing::warn!(reason, erasure.id = %id, "erasure is interrupted");
                hold.release().await;
            }
        }
    }

    /// Writes what a pass came to. The next one looks at what has come since.
    async fn conclude(&self, hold: &mut Hold, pass: Pass) -> Result<(), Stop> {
        let ends: BTreeMap<Place, u64> = hold.keep(self.streams.ends().boxed()).await??;
        let erasure = hold.erasure();
        let was_running = erasure.state == State::Running;
        let Some(next) = erasure.passed(pass, &ends, now()) else {
            return hold.forget().await;
        };
        if was_running && next.state == State::Done {
            tracing::info!(
                erasure.id = %next.id,
                organisation.id = %next.organisation_id,
                event.id = %next.event_id,
                messages = next.erased.messages,
                bodies = next.erased.bodies,
                records = next.erased.records,
                "event erased"
            );
        }
        hold.write(next).await
    }
}

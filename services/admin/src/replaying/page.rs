//! One page of a replay: read some events, choose, store their jobs.

use std::{collections::HashSet, sync::Arc};

use attempt_store::{ArchivedEvent, AttemptStore, ReadError};
use domain::{
    endpoint::Endpoint,
    event::{BodyHash, stored_max_bytes},
    name::EventId,
    replay::{Archived, Mode, Pace, Place, Progress, Reason, Replay, covered, trace},
    time::Timestamp,
};
use futures::future::join_all;
use http_api::host::Parts;
use jetstream::{
    Broker,
    endpoint_bucket::{Endpoints, Stored},
    presence::Lease,
    publisher::{Outgoing, Publisher},
    retry_lane::{Cargo, job_headers},
    wire::TraceHeaders,
};
use telemetry::{
    Tracer,
    trace::{Kind, Origin},
};
use tokio::sync::Semaphore;

use super::archive::{Archive, Stretch};
use crate::{following::Following, metrics::Instruments};

/// How many pages are in memory at once, each with up to 8 MiB of bodies.
const PAGES_AT_ONCE: usize = 4;

/// What came of a page.
#[derive(Debug)]
pub(super) enum Page {
    /// Its jobs are stored.
    Made(Progress),
    /// There are no more events.
    End,
    /// The replay can't go on.
    Hindered(Reason),
    /// The store, or our own view of endpoints, is not there at the moment.
    NotNow,
}

/// Makes pages.
#[derive(Debug)]
pub(super) struct Pages {
    places: Semaphore,
    archive: Archive,
    endpoints: Arc<Endpoints>,
    lease: Lease,
    broker: Broker,
    publisher: Publisher,
    instruments: Arc<Instruments>,
    tracer: Tracer,
}

/// Events that a page deals with, each with whether it has its turn.
#[derive(Debug)]
struct Chosen {
    events: Vec<(ArchivedEvent, bool)>,
    /// How many others lie among them whose bodies have expired.
    expired: usize,
    /// The place behind them; `None` if there are no more events.
    place: Option<Place>,
}

impl Pages {
    pub(super) fn new(
        parts: &Parts,
        following: &Following,
        store: &AttemptStore,
        instruments: &Arc<Instruments>,
    ) -> Self {
        Self {
            places: Semaphore::new(PAGES_AT_ONCE),
            archive: Archive::new(store),
            endpoints: Arc::clone(&following.endpoints),
            lease: following.lease.clone(),
            broker: parts.broker.clone(),
            publisher: Publisher::new(&parts.broker),
            instruments: Arc::clone(instruments),
            tracer: parts.tracer.clone(),
        }
    }

    /// Counts the events of a replay's range, up to a bound of the store.
    pub(super) async fn count(&self, replay: &Replay) -> Result<u64, ReadError> {
        self.archive.count(replay).await
    }

    /// Makes the page that follows the replay's place.
    pub(super) async fn make(&self, replay: &Replay, pace: &Pace) -> Page {
        let _place = self.places.acquire().await;
        let endpoint = match self.endpoint(replay) {
            Ok(endpoint) => endpoint,
            Err(page) => return page,
        };
        match self.choose(replay, &endpoint.endpoint, pace).await {
            Ok(chosen) => self.publish(replay, endpoint.revision, chosen).await,
            Err(ReadError::Damaged { column }) => {
                tracing::error!(column, replay.id = %replay.id, "the archive is damaged");
                Page::Hindered(Reason::ArchiveDamaged)
            }
            Err(error @ (ReadError::Unavailable(_) | ReadError::Unusable(_))) => {
                tracing::warn!(error = %error, replay.id = %replay.id, "replay waits for the store");
                Page::NotNow
            }
        }
    }

    /// Returns the endpoint as it is configured now.
    fn endpoint(&self, replay: &Replay) -> Result<Arc<Stored>, Page> {
        let organisation = &replay.organisation_id;
        let stored = self.endpoints.get(organisation, &replay.webhook_config_id);
        let is_whole = self.endpoints.all_readable(organisation);
        // Looked at after the endpoint: what was read while the lease holds was current.
        if !self.lease.holds() || (stored.is_none() && !is_whole) {
            return Err(Page::NotNow);
        }
        let hindrance = Replay::hindrance(stored.as_deref().map(|stored| &stored.endpoint));
        match hindrance {
            Some(reason) => Err(Page::Hindered(reason)),
            None => stored.ok_or(Page::NotNow),
        }
    }

    /// Reads the next events and decides which of them have their turn.
    async fn choose(
        &self,
        replay: &Replay,
        endpoint: &Endpoint,
        pace: &Pace,
    ) -> Result<Chosen, ReadError> {
        let Stretch {
            mut events,
            mut expired,
            next,
        } = self.archive.events(replay, pace.look()).await?;
        let settled = self.settled(replay, endpoint, &events).await?;
        let turns: Vec<bool> = events
            .iter()
            .map(|event| replay.takes(endpoint, &archived(event), &settled))
            .collect();
        let covered = covered(&turns, pace.jobs());
        // Where all is dealt with, so are bodies that have expired and are in the archive's order only.
        let is_all = covered == events.len();
        events.truncate(covered);
        let last = events.last().map(|last| archived(last).place());
        if !is_all {
            expired.retain(|place| {
                last.as_ref()
                    .is_some_and(|last| order(place) <= order(last))
            });
        }
        let place = next.filter(|_| is_all).or_else(|| {
            let places = last.into_iter().chain(expired.last().cloned());
            places.max_by(|a, b| order(a).cmp(&order(b)))
        });
        Ok(Chosen {
            events: events.into_iter().zip(turns).collect(),
            expired: expired.len(),
            place,
        })
    }

    /// Returns those of the events that are delivered to the endpoint or have a job alive, if that
    /// matters.
    async fn settled(
        &self,
        replay: &Replay,
        endpoint: &Endpoint,
        events: &[ArchivedEvent],
    ) -> Result<HashSet<EventId>, ReadError> {
        let ids: Vec<EventId> = events
            .iter()
            .filter(|event| endpoint.wants(&event.name, event.source_id.as_deref()))
            .map(|event| event.id.clone())
            .collect();
        if ids.is_empty() || replay.plan.mode == Mode::All {
            return Ok(HashSet::new());
        }
        self.archive.settled(replay, &ids).await
    }

    /// Stores the jobs of a page, all at once, and waits for all of them.
    async fn publish(&self, replay: &Replay, revision: u64, chosen: Chosen) -> Page {
        let Some(place) = chosen.place else {
            return Page::End;
        };
        let looked = chosen.events.len().saturating_add(chosen.expired);
        let looked = u64::try_from(looked).unwrap_or(u64::MAX);
        let turns = chosen.events.into_iter().filter(|(_, turn)| *turn);
        let jobs = turns.map(|(event, _)| self.store(replay, revision, event));
        let stored = join_all(jobs).await;
        let done = stored.iter().map(|stored| u64::from(*stored)).sum();
        self.instruments.replayed(done);
        Page::Made(Progress {
            place,
            done,
            skipped: looked.saturating_sub(done),
        })
    }

    /// Stores the job of an event; returns whether the broker takes it. A duplicate is one: the id says
    /// that it is the very same job.
    async fn store(&self, replay: &Replay, revision: u64, event: ArchivedEvent) -> bool {
        let job = replay.job(&archived(&event), revision);
        if event.body.len() > stored_max_bytes(self.broker.payload_limit()) {
            tracing::warn!(job.id = %job.id, "event is too large for the broker now, not replayed");
            return false;
        }
        let origin = Origin::Root {
            trace_id: trace(&job),
        };
        let span = (self.tracer).begin(Kind::Producer, "publish jobs", origin);
        let cargo = Cargo {
            body: event.body,
            trace: TraceHeaders::default().at(span.context()),
            previous: None,
        };
        let message = || Outgoing {
            subject: self.broker.names.job(&job.endpoint),
            message_id: job.id.to_string(),
            headers: job_headers(&job, &cargo),
            payload: cargo.body.clone(),
        };
        match self.publisher.publish_until_stored(message).await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(error = %error, job.id = %job.id, "event is not replayed");
                false
            }
        }
    }
}

/// Returns what places are ordered by, as the archive orders them.
fn order(place: &Place) -> (Timestamp, &EventId, BodyHash) {
    (place.accepted_at, &place.event_id, place.body_hash)
}

fn archived(event: &ArchivedEvent) -> Archived<'_> {
    Archived {
        id: &event.id,
        name: &event.name,
        category: event.category.as_deref(),
        source_id: event.source_id.as_deref(),
        content: &event.content,
        body_hash: event.hash,
        accepted_at: event.accepted_at,
    }
}

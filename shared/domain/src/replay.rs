//! A replay: archived events sent to an endpoint once more, as a value that outlives whoever works on it.
//!
//! One process at a time works on a replay, under a lease that it renews; when the lease has ended,
//! another one goes on from the place that was written last. Every change is a function from one value
//! to the next. [`Replay`] is also the value of its key in the replays bucket.

mod pace;
mod plan;

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::{
    pace::{Pace, covered},
    plan::{InvalidPlan, Mode, Plan, RATE_MAX},
};
use crate::{
    attempt::Trigger,
    content::Content,
    endpoint::Endpoint,
    event::BodyHash,
    job::{Job, Run},
    lease::Lease,
    name::{EndpointId, EventId, EventName, JobId, OrganisationId, ReplayId},
    time::Timestamp,
};

/// The most replays of an organisation that are not finished.
pub const UNFINISHED_MAX: usize = 5;
/// The most replays of an organisation that are kept.
pub const KEPT_MAX: usize = 100;
/// How long a finished replay is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(7 * 86_400);

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ReplayState)]
pub enum State {
    /// Not everything of its range is in the attempt store yet.
    Waiting,
    /// Its jobs are being made.
    Running,
    /// All its jobs are made.
    Done,
    /// Somebody stopped it.
    Cancelled,
    /// It can't go on.
    Failed,
}

impl State {
    /// Returns whether nothing follows.
    #[must_use]
    pub fn is_finished(self) -> bool {
        match self {
            Self::Waiting | Self::Running => false,
            Self::Done | Self::Cancelled | Self::Failed => true,
        }
    }
}

/// Why a replay can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ReplayReason)]
pub enum Reason {
    /// Its endpoint was deleted.
    ConfigDeleted,
    /// Its endpoint was disabled.
    ConfigDisabled,
    /// The archive holds what can't be read.
    ArchiveDamaged,
}

/// Where an event stands in the order of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Its id.
    pub event_id: EventId,
    /// The hash of its body.
    pub body_hash: BodyHash,
}

/// A replay with how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// The organisation of events and endpoint.
    pub organisation_id: OrganisationId,
    /// The endpoint.
    pub webhook_config_id: EndpointId,
    /// What is to be replayed.
    #[serde(flatten)]
    pub plan: Plan,
    /// How far it is.
    pub state: State,
    /// Why it can't go on, if it can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The events of the range, as they were counted when it began to run; 0 before that.
    pub total: u64,
    /// The events of which jobs were made.
    pub done: u64,
    /// The events that were looked at and left out.
    pub skipped: u64,
    /// The sequence of the last event that the broker had when the replay was made.
    pub events_until: u64,
    /// The last event that was dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Fields of a later version, kept as they are.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, serde_json::Value>,
}

/// Whose replay it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The organisation.
    pub organisation: OrganisationId,
    /// The endpoint.
    pub endpoint: EndpointId,
}

/// What became of some events, and the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The last event.
    pub place: Place,
    /// How many jobs were made.
    pub done: u64,
    /// How many events were left out.
    pub skipped: u64,
}

/// An event of the archive, without its body.
#[derive(Debug, Clone, Copy)]
pub struct Archived<'a> {
    /// Its id.
    pub id: &'a EventId,
    /// Its name.
    pub name: &'a EventName,
    /// Its category.
    pub category: Option<&'a str>,
    /// Its `eventSourceId`.
    pub source_id: Option<&'a str>,
    /// The headers that travel with its body.
    pub content: &'a Content,
    /// The hash of its body.
    pub body_hash: BodyHash,
    /// When it was accepted.
    pub accepted_at: Timestamp,
}

impl Replay {
    /// Makes a replay; `events_until` is the sequence of the last event that the broker has.
    #[must_use]
    pub fn new(
        id: ReplayId,
        target: Target,
        plan: Plan,
        events_until: u64,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            organisation_id: target.organisation,
            webhook_config_id: target.endpoint,
            plan,
            state: State::Waiting,
            reason: None,
            total: 0,
            done: 0,
            skipped: 0,
            events_until,
            place: None,
            lease: None,
            created_at: now,
            updated_at: now,
            finished_at: None,
            unknown: BTreeMap::new(),
        }
    }

    /// Returns the replay in the hands of `owner`; `None` if it is finished or in somebody's hands.
    #[must_use]
    pub fn claimed(&self, owner: &str, now: Timestamp) -> Option<Self> {
        if self.state.is_finished() {
            return None;
        }
        let lease = Lease::taken(self.lease.as_ref(), owner, now)?;
        Some(Self {
            lease: Some(lease),
            updated_at: now,
            ..self.clone()
        })
    }

    /// Returns the replay with its lease renewed, if it has one.
    #[must_use]
    pub fn renewed(&self, now: Timestamp) -> Self {
        Self {
            lease: self.lease.as_ref().map(|lease| lease.renewed(now)),
            updated_at: now,
            ..self.clone()
        }
    }

    /// Returns the replay without its lease, so that anybody may go on at once.
    #[must_use]
    pub fn released(&self, now: Timestamp) -> Self {
        Self {
            lease: None,
            updated_at: now,
            ..self.clone()
        }
    }

    /// Returns the replay as it begins to run, with that many events in its range.
    #[must_use]
    pub fn begun(&self, total: u64, now: Timestamp) -> Self {
        Self {
            state: State::Running,
            total,
            ..self.renewed(now)
        }
    }

    /// Returns the replay after some more of its events.
    #[must_use]
    pub fn advanced(&self, progress: Progress, now: Timestamp) -> Self {
        let done = self.done.saturating_add(progress.done);
        let skipped = self.skipped.saturating_add(progress.skipped);
        Self {
            done,
            skipped,
            // The count is bounded, and events may have come into the archive since.
            total: self.total.max(done.saturating_add(skipped)),
            place: Some(progress.place),
            ..self.renewed(now)
        }
    }

    /// Returns the replay with all its events dealt with.
    #[must_use]
    pub fn completed(&self, now: Timestamp) -> Self {
        Self {
            // Days of the archive may have expired meanwhile.
            total: self.done.saturating_add(self.skipped),
            ..self.ended(State::Done, now)
        }
    }

    /// Returns the replay as one that can't go on.
    #[must_use]
    pub fn failed(&self, reason: Reason, now: Timestamp) -> Self {
        Self {
            reason: Some(reason),
            ..self.ended(State::Failed, now)
        }
    }

    /// Returns the replay as one that somebody stopped; `None` if it is finished.
    #[must_use]
    pub fn cancelled(&self, now: Timestamp) -> Option<Self> {
        (!self.state.is_finished()).then(|| self.ended(State::Cancelled, now))
    }

    fn ended(&self, state: State, now: Timestamp) -> Self {
        Self {
            state,
            finished_at: Some(now),
            ..self.released(now)
        }
    }

    /// Returns why an endpoint ends the replay, if it does; `None` stands for a deleted one.
    #[must_use]
    pub fn hindrance(endpoint: Option<&Endpoint>) -> Option<Reason> {
        match endpoint {
            None => Some(Reason::ConfigDeleted),
            Some(endpoint) if !endpoint.is_enabled => Some(Reason::ConfigDisabled),
            Some(_) => None,
        }
    }

    /// Returns whether it is an event's turn: the endpoint wants it as it is configured now and, of the
    /// undelivered ones, it is not among those that are `settled`, delivered or with a job alive.
    #[must_use]
    pub fn takes(
        &self,
        endpoint: &Endpoint,
        event: &Archived<'_>,
        settled: &HashSet<EventId>,
    ) -> bool {
        let is_left = match self.plan.mode {
            Mode::All => true,
            Mode::Undelivered => !settled.contains(event.id),
        };
        is_left && endpoint.wants(event.name, event.source_id)
    }

    /// Makes the job of an event, for the endpoint's config of that revision.
    #[must_use]
    pub fn job(&self, event: &Archived<'_>, revision: u64) -> Job {
        Job {
            id: JobId::of_replay(event.id, &self.webhook_config_id, &self.id),
            organisation: self.organisation_id.clone(),
            endpoint: self.webhook_config_id.clone(),
            revision,
            event: event.id.clone(),
            name: event.name.clone(),
            category: event.category.map(str::to_owned),
            content: event.content.clone(),
            body_hash: event.body_hash,
            accepted_at: event.accepted_at,
            attempt: 1,
            retry: 0,
            hold: 0,
            due: None,
            trigger: Trigger::Replay,
            run: Run::Policy,
            request: None,
        }
    }
}

impl Archived<'_> {
    /// Returns the event's place.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            accepted_at: self.accepted_at,
            event_id: self.id.clone(),
            body_hash: self.body_hash,
        }
    }
}

/// Returns the id of the trace of a replayed job: one of its own that follows from the job's id, so that a job
/// that is made twice is the same.
#[must_use]
pub fn trace(job: &Job) -> [u8; 16] {
    *BodyHash::of(job.id.as_str().as_bytes()).as_bytes()
}

/// Returns which of an organisation's replays need not be kept: finished ones that are old, or beyond the
/// number that is kept. `replays` are all of them, the newest first.
pub fn surplus<'a>(
    replays: impl IntoIterator<Item = &'a Replay>,
    now: Timestamp,
) -> impl Iterator<Item = &'a Replay> {
    let indexed = replays.into_iter().enumerate();
    indexed
        .filter(move |(at, replay)| {
            replay
                .finished_at
                .is_some_and(|finished| *at >= KEPT_MAX || now.since(finished) > KEPT_FOR)
        })
        .map(|(_, replay)| replay)
}

#[cfg(test)]
mod tests;

//! An erasure: everything that an event said made to go, as a value that outlives whoever works on it.
//!
//! Whoever works on it passes through all places that may hold content, again and again: while a pass runs,
//! a job may be in the hands of a process that puts its successor where the pass has already been. Nobody
//! holds one for longer than an attempt takes, so what stays empty for [`QUIET`] is empty. Afterwards it is
//! looked again every day for [`KEPT_FOR`], for what a process brought back that had stood still.
//!
//! One process at a time makes a pass, under a lease. [`Erasure`] is also the value of its key in the
//! erasures bucket.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    attempt::AttemptRecord,
    job::Job,
    job_state::{JobState, StateRecord},
    lease::Lease,
    name::{ErasureId, EventId, OrganisationId},
    time::Timestamp,
};

/// For how long passes must find nothing: an attempt takes at most a minute.
pub const QUIET: Duration = Duration::from_secs(75);
/// How long it is between two passes. A replica of a stream may lag behind by as much.
pub const PASS_EVERY: Duration = Duration::from_secs(5);
/// How long it is between two passes when the erasure is done.
pub const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(86_400);
/// How long a done erasure is kept, and looked after.
pub const KEPT_FOR: Duration = Duration::from_secs(7 * 86_400);
/// The most erasures of an organisation that are not done.
pub const UNFINISHED_MAX: usize = 100;
/// The most erasures of an organisation that are kept.
pub const KEPT_MAX: usize = 10_000;
/// The reason of a job that was given up because its event was erased.
pub const REASON: &str = "erased";

/// How far an erasure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ErasureState)]
pub enum State {
    /// There may be content.
    Running,
    /// There is none.
    Done,
}

/// What holds messages with content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Accepted events.
    Events,
    /// First attempts.
    Jobs,
    /// Attempts that wait.
    Retries,
    /// Records that are not in the store yet.
    Attempts,
    /// Jobs that were given up.
    Dead,
    /// Messages that are no events.
    Rejected,
}

/// The part of a stream that is still to be looked through, by sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// The first.
    pub next: u64,
    /// The last.
    pub end: u64,
}

/// How much was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ErasureCounts)]
pub struct Counts {
    /// Messages on the broker.
    pub messages: u64,
    /// Archived bodies of the event.
    pub bodies: u64,
    /// Records of attempts whose headers and answers were removed.
    pub records: u64,
}

/// What a pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Whether it found content.
    pub found: bool,
    /// Whether it looked everywhere.
    pub is_whole: bool,
}

/// An erasure with how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// Its id.
    pub id: ErasureId,
    /// The organisation of the event.
    pub organisation_id: OrganisationId,
    /// The event.
    pub event_id: EventId,
    /// How far it is.
    pub state: State,
    /// An event that was accepted later is another one, though it has the same id.
    pub until: Timestamp,
    /// When a job of the event was last known to be alive, or may have been.
    pub alive_at: Timestamp,
    /// What is to be looked through. A walk through events whose beginning is not known yet begins at 0.
    pub walks: BTreeMap<Place, Walk>,
    /// What was erased.
    pub erased: Counts,
    /// Since when passes find nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_since: Option<Timestamp>,
    /// When the next pass is due.
    pub due_at: Timestamp,
    /// Who makes a pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Fields of a later version, kept as they are.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, serde_json::Value>,
}

/// Which event is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its organisation.
    pub organisation: OrganisationId,
    /// Its id.
    pub event: EventId,
    /// It was accepted at this time or earlier, by the broker's clock.
    pub until: Timestamp,
}

impl Place {
    /// All places, in the order in which an event comes through them.
    pub const ALL: [Self; 6] = [
        Self::Events,
        Self::Jobs,
        Self::Retries,
        Self::Attempts,
        Self::Dead,
        Self::Rejected,
    ];

    /// Returns whether a message here is a job that may still be attempted.
    #[must_use]
    pub fn holds_live_jobs(self) -> bool {
        match self {
            Self::Jobs | Self::Retries => true,
            Self::Events | Self::Attempts | Self::Dead | Self::Rejected => false,
        }
    }
}

impl Erasure {
    /// Makes an erasure; `ends` are the sequences of the last messages that the streams have.
    #[must_use]
    pub fn new(id: ErasureId, target: Target, ends: &BTreeMap<Place, u64>, now: Timestamp) -> Self {
        let walks = ends.iter().map(|(place, end)| {
            let next = u64::from(*place != Place::Events);
            (*place, Walk { next, end: *end })
        });
        Self {
            id,
            organisation_id: target.organisation,
            event_id: target.event,
            state: State::Running,
            until: target.until,
            alive_at: target.until.max(now),
            walks: walks.collect(),
            erased: Counts::default(),
            quiet_since: None,
            due_at: now,
            lease: None,
            created_at: now,
            updated_at: now,
            finished_at: None,
            unknown: BTreeMap::new(),
        }
    }

    /// Returns until when attempts may have begun whose records hold content.
    #[must_use]
    pub fn attempts_until(&self) -> Timestamp {
        self.alive_at.after(QUIET)
    }

    /// Returns whether an event that was accepted then is meant.
    #[must_use]
    pub fn means(
        &self,
        organisation: &OrganisationId,
        event: &EventId,
        accepted_at: Timestamp,
    ) -> bool {
        self.organisation_id == *organisation
            && self.event_id == *event
            && accepted_at <= self.until
    }

    /// Returns whether a job is one of the event's.
    #[must_use]
    pub fn means_job(&self, job: &Job) -> bool {
        self.means(&job.organisation, &job.event, job.accepted_at)
    }

    /// Returns the erasure in the hands of `owner`, who makes a pass; `None` if no pass is due or it is in
    /// somebody's hands.
    #[must_use]
    pub fn claimed(&self, owner: &str, now: Timestamp) -> Option<Self> {
        if self.due_at > now {
            return None;
        }
        let lease = Lease::taken(self.lease.as_ref(), owner, now)?;
        Some(Self {
            lease: Some(lease),
            updated_at: now,
            ..self.clone()
        })
    }

    /// Returns the erasure with its lease renewed, if it has one.
    #[must_use]
    pub fn renewed(&self, now: Timestamp) -> Self {
        Self {
            lease: self.lease.as_ref().map(|lease| lease.renewed(now)),
            updated_at: now,
            ..self.clone()
        }
    }

    /// Returns the erasure without its lease; its next pass is due in a moment.
    #[must_use]
    pub fn released(&self, now: Timestamp) -> Self {
        Self {
            lease: None,
            due_at: now.after(PASS_EVERY),
            updated_at: now,
            ..self.clone()
        }
    }

    /// Returns the erasure with a walk that begins at a sequence.
    #[must_use]
    pub fn begins_at(&self, place: Place, sequence: u64) -> Self {
        let mut next = self.clone();
        if let Some(walk) = next.walks.get_mut(&place) {
            walk.next = sequence.max(1);
        }
        next
    }

    /// Returns the erasure after a piece of a walk, up to a sequence, that erased so many messages.
    #[must_use]
    pub fn walked(&self, place: Place, next: u64, messages: u64, now: Timestamp) -> Self {
        let mut walked = self.begins_at(place, next);
        if messages > 0 {
            walked.erased.messages = walked.erased.messages.saturating_add(messages);
            walked.quiet_since = None;
            if place.holds_live_jobs() {
                walked.alive_at = walked.alive_at.max(now);
            }
        }
        walked
    }

    /// Returns the erasure after the store was cleaned.
    #[must_use]
    pub fn cleaned(&self, bodies: u64, records: u64) -> Self {
        let mut cleaned = self.clone();
        if bodies > 0 || records > 0 {
            cleaned.erased.bodies = cleaned.erased.bodies.saturating_add(bodies);
            cleaned.erased.records = cleaned.erased.records.saturating_add(records);
            cleaned.quiet_since = None;
        }
        cleaned
    }

    /// Returns the erasure after a pass, with the sequences up to which the next one looks; `None` if it
    /// need not be kept any longer.
    #[must_use]
    pub fn passed(&self, pass: Pass, ends: &BTreeMap<Place, u64>, now: Timestamp) -> Option<Self> {
        let is_clean = pass.is_whole && !pass.found;
        let quiet_since = self.quiet_since.or(Some(now)).filter(|_| is_clean);
        let mut next = Self {
            quiet_since,
            ..self.released(now)
        };
        // Events that come now are other ones.
        for (place, end) in ends.iter().filter(|(place, _)| **place != Place::Events) {
            let walk = next.walks.entry(*place).or_insert(Walk { next: 1, end: 0 });
            walk.end = walk.end.max(*end);
        }
        let is_quiet = quiet_since.is_some_and(|since| now.since(since) >= QUIET);
        match (self.state, self.finished_at) {
            (State::Running, _) if is_quiet => {
                next.state = State::Done;
                next.finished_at = Some(now);
                next.due_at = now.after(LOOK_AGAIN_EVERY);
            }
            (State::Done, Some(at)) if is_clean => {
                if now.since(at) >= KEPT_FOR {
                    return None;
                }
                next.due_at = now.after(LOOK_AGAIN_EVERY);
            }
            (State::Running | State::Done, _) => {}
        }
        Some(next)
    }
}

/// Returns the record of an attempt without what its event or the answer said.
#[must_use]
pub fn without_content(record: &AttemptRecord) -> AttemptRecord {
    AttemptRecord {
        request_headers: Vec::new(),
        response_headers: None,
        response_body: None,
        response_body_encoding: None,
        ..record.clone()
    }
}

/// Makes the record that a job was given up because its event was erased.
#[must_use]
pub fn given_up(job: &Job, id: String, now: Timestamp) -> StateRecord {
    StateRecord {
        id,
        organisation_id: job.organisation.clone(),
        webhook_config_id: job.endpoint.clone(),
        job_id: job.id.clone(),
        event_id: job.event.clone(),
        event_category: job.category.clone(),
        event_sub_category: job.name.clone(),
        body_hash: job.body_hash,
        attempt: job.attempt,
        trigger: job.trigger,
        state: JobState::Dead,
        reason: Some(REASON.to_owned()),
        next_attempt_at: None,
        created_at: now,
    }
}

#[cfg(test)]
mod tests;

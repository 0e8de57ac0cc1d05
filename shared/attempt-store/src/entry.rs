//! One thing that happened to a job, read from either table of records.

use domain::{
    attempt::Trigger,
    job_state::{JobState, Step, StepEvent},
    name::{EndpointId, EventId, EventName, JobId, OrganisationId},
    outcome::ErrorKind,
    time::Timestamp,
};

use crate::{
    error::ReadError,
    filter::Cursor,
    record::{damaged, known, name, number},
};

/// The most entries of each table that are read of one job, the newest.
pub(crate) const ENTRIES_PER_JOB: usize = 1_000;

/// A table of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Attempts,
    States,
}

/// An entry in the timeline of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// The record's id; that of an attempt is its id in the log.
    pub id: String,
    /// The number of the attempt that was made, waits, or was the last.
    pub attempt: u32,
    /// What caused that attempt.
    pub trigger: Trigger,
    /// When the next attempt is due, as far as this record says.
    pub next_attempt_at: Option<Timestamp>,
    /// When it happened; of an attempt, when it began.
    pub created_at: Timestamp,
    /// What happened.
    pub happening: Happening,
}

/// What happened in a [`TimelineEntry`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// An attempt was made.
    Attempted(Attempted),
    /// The attempt was parked, or the job given up.
    Became {
        /// Which of both.
        state: JobState,
        /// Why.
        reason: Option<String>,
    },
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// Whether the receiver took the event.
    pub success: bool,
    /// The status, if an answer came.
    pub response_status: Option<u16>,
    /// What kind of thing went wrong.
    pub error_kind: Option<ErrorKind>,
    /// A sentence about what went wrong.
    pub error_message: Option<String>,
    /// How long the attempt took, in milliseconds.
    pub duration_ms: u32,
}

/// Which job something happened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobKey {
    pub(crate) organisation: OrganisationId,
    pub(crate) endpoint: EndpointId,
    pub(crate) job: JobId,
    pub(crate) event: EventId,
    pub(crate) category: Option<String>,
    pub(crate) name: EventName,
}

/// An entry and its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobEntry {
    pub(crate) key: JobKey,
    pub(crate) entry: TimelineEntry,
}

/// The columns of an entry; each table lacks some.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct EntryRow {
    id: String,
    created_at: i64,
    organisation_id: String,
    endpoint_id: String,
    job_id: String,
    event_id: String,
    event_category: Option<String>,
    event_name: String,
    attempt: i64,
    triggered_by: String,
    next_attempt_at: Option<i64>,
    /// Of an attempt: `None` says that the row is a state's.
    #[sqlx(default)]
    success: Option<bool>,
    #[sqlx(default)]
    error_kind: Option<String>,
    #[sqlx(default)]
    error_message: Option<String>,
    #[sqlx(default)]
    response_status: Option<i32>,
    #[sqlx(default)]
    duration_ms: i64,
    #[sqlx(default)]
    state: String,
    #[sqlx(default)]
    reason: Option<String>,
}

/// A record that may be the first of its job.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct HeadRow {
    pub(crate) created_at: i64,
    pub(crate) id: String,
    pub(crate) job_id: String,
    pub(crate) attempt: i64,
}

impl Table {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::States => "job_states",
        }
    }
}

impl EntryRow {
    /// Reads the columns back.
    pub(crate) fn entry(self) -> Result<JobEntry, ReadError> {
        let key = JobKey {
            organisation: name("organisation_id", &self.organisation_id)?,
            endpoint: name("endpoint_id", &self.endpoint_id)?,
            job: name("job_id", &self.job_id)?,
            event: name("event_id", &self.event_id)?,
            category: self.event_category,
            name: name("event_name", &self.event_name)?,
        };
        let happening = match self.success {
            Some(success) => Happening::Attempted(Attempted {
                success,
                response_status: known("response_status", self.response_status, |status| {
                    u16::try_from(status).ok()
                })?,
                error_kind: known(
                    "error_kind",
                    self.error_kind.as_deref(),
                    ErrorKind::from_name,
                )?,
                error_message: self.error_message,
                duration_ms: number("duration_ms", self.duration_ms)?,
            }),
            None => Happening::Became {
                state: JobState::from_name(&self.state).ok_or(damaged("state"))?,
                reason: self.reason,
            },
        };
        let entry = TimelineEntry {
            id: self.id,
            attempt: number("attempt", self.attempt)?,
            trigger: Trigger::from_name(&self.triggered_by).ok_or(damaged("triggered_by"))?,
            next_attempt_at: self.next_attempt_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(self.created_at),
            happening,
        };
        Ok(JobEntry { key, entry })
    }
}

impl HeadRow {
    /// Returns the place of the record in the order of all.
    pub(crate) fn place(&self) -> Cursor {
        Cursor {
            created_at: Timestamp::from_millis(self.created_at),
            id: self.id.clone(),
        }
    }
}

impl TimelineEntry {
    /// Returns the attempt, if the entry is one.
    #[must_use]
    pub fn attempted(&self) -> Option<&Attempted> {
        match &self.happening {
            Happening::Attempted(attempted) => Some(attempted),
            Happening::Became { .. } => None,
        }
    }

    /// Returns the place of the record in the order of all.
    pub(crate) fn place(&self) -> Cursor {
        Cursor {
            created_at: self.created_at,
            id: self.id.clone(),
        }
    }

    pub(crate) fn step(&self) -> Step {
        let event = match &self.happening {
            Happening::Attempted(Attempted { success: true, .. }) => StepEvent::Succeeded,
            Happening::Attempted(_) => StepEvent::Failed {
                next: self.next_attempt_at,
            },
            Happening::Became {
                state: JobState::Parked,
                ..
            } => StepEvent::Parked {
                until: self.next_attempt_at,
            },
            Happening::Became {
                state: JobState::Dead,
                ..
            } => StepEvent::Dead,
        };
        Step {
            attempt: self.attempt,
            trigger: self.trigger,
            at: self.created_at,
            event,
        }
    }
}

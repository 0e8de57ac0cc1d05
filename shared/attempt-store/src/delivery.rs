//! A delivery: one job as people see it, put together from its records.
//!
//! **Invariant:** nothing about a job is stored but its records; where it stands is worked out when asked.

use domain::{
    attempt::Trigger,
    job_state::{DeliveryState, standing},
    name::{EndpointId, EventId, EventName, JobId, OrganisationId},
    outcome::ErrorKind,
    time::Timestamp,
};

use crate::{
    entry::{ENTRIES_PER_JOB, Happening, JobEntry, JobKey, TimelineEntry},
    filter::{Cursor, Filter},
};

/// Which deliveries are asked for: those that satisfy everything that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// The organisation.
    pub organisation: OrganisationId,
    /// Where the job stands.
    pub state: Option<DeliveryState>,
    /// The endpoint.
    pub endpoint: Option<EndpointId>,
    /// The event.
    pub event_id: Option<EventId>,
    /// The event's name.
    pub event_name: Option<EventName>,
    /// Has its first record from this time or later.
    pub from: Option<Timestamp>,
    /// Has its first record from this time or earlier.
    pub to: Option<Timestamp>,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The job.
    pub job_id: JobId,
    /// The organisation.
    pub organisation: OrganisationId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The event.
    pub event_id: EventId,
    /// The event's category, if it has one.
    pub event_category: Option<String>,
    /// The event's name.
    pub event_name: EventName,
    /// Where the job stands.
    pub state: DeliveryState,
    /// Why, if a parking or a dead letter says so.
    pub reason: Option<String>,
    /// How many attempts are recorded. One that a crash repeated counts twice, as the receiver may have.
    pub attempts: u32,
    /// The highest attempt number made; `None` before the first.
    pub last_attempt: Option<u32>,
    /// When the last attempt began.
    pub last_attempt_at: Option<Timestamp>,
    /// When the next attempt is due, as far as is known, of a job that waits for one.
    pub next_attempt_at: Option<Timestamp>,
    /// The status of the answer to the last success or, without one, to the last attempt.
    pub response_status: Option<u16>,
    /// What went wrong in that attempt.
    pub error_kind: Option<ErrorKind>,
    /// A sentence about what went wrong in that attempt.
    pub error_message: Option<String>,
    /// When the job was first recorded.
    pub created_at: Timestamp,
}

/// One page of deliveries, those first recorded last at the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPage {
    /// The deliveries of this page. There may be fewer than asked for, or none, though more follow.
    pub deliveries: Vec<Delivery>,
    /// Where the next page begins; `None` if this is the last.
    pub next_cursor: Option<Cursor>,
}

/// One job and what happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryDetail {
    /// The job.
    pub delivery: Delivery,
    /// What happened, in order of time: the last thousand entries.
    pub timeline: Vec<TimelineEntry>,
}

/// What is known of one job.
#[derive(Debug)]
pub(crate) struct History {
    key: JobKey,
    /// When the first entry was made.
    since: Timestamp,
    /// In order of time.
    entries: Vec<TimelineEntry>,
    /// Whether the oldest entries may be missing.
    cut: bool,
}

impl DeliveryFilter {
    /// Asks for all deliveries of an organisation.
    #[must_use]
    pub fn all(organisation: OrganisationId) -> Self {
        Self {
            organisation,
            state: None,
            endpoint: None,
            event_id: None,
            event_name: None,
            from: None,
            to: None,
        }
    }

    /// Returns which records can be the first of such a job.
    pub(crate) fn heads(&self) -> Filter {
        Filter {
            organisation: Some(self.organisation.clone()),
            endpoint: self.endpoint.clone(),
            event_id: self.event_id.clone(),
            event_name: self.event_name.clone(),
            from: self.from,
            to: self.to,
            ..Filter::default()
        }
    }

    /// As [`DeliveryFilter::heads`], among attempts; `None` if no attempt comes into question.
    pub(crate) fn attempt_heads(&self) -> Option<Filter> {
        let success = match self.state {
            Some(DeliveryState::Pending) => return None,
            // A job with a success is delivered, so these begin with a failure.
            Some(DeliveryState::Retrying | DeliveryState::Failed) => Some(false),
            Some(DeliveryState::Delivered) | None => None,
        };
        Some(Filter {
            success,
            ..self.heads()
        })
    }
}

impl History {
    /// Sorts entries, given in any order and perhaps twice, by their jobs.
    pub(crate) fn of_each(mut entries: Vec<JobEntry>) -> Vec<Self> {
        entries.sort_by(|a, b| {
            let place = |it: &JobEntry| (it.entry.created_at, it.entry.id.clone());
            (a.key.job.cmp(&b.key.job)).then_with(|| place(a).cmp(&place(b)))
        });
        // Ranges that were asked for may overlap.
        entries.dedup();
        let mut histories: Vec<Self> = Vec::new();
        for JobEntry { key, entry } in entries {
            match histories.last_mut().filter(|last| last.key.job == key.job) {
                Some(history) => history.entries.push(entry),
                None => histories.push(Self {
                    key,
                    since: entry.created_at,
                    entries: vec![entry],
                    cut: false,
                }),
            }
        }
        for history in &mut histories {
            let (attempts, states): (Vec<_>, Vec<_>) = (history.entries.iter())
                .map(TimelineEntry::attempted)
                .partition(Option::is_some);
            history.cut = attempts.len().max(states.len()) >= ENTRIES_PER_JOB;
        }
        histories
    }

    pub(crate) fn key(&self) -> &JobKey {
        &self.key
    }

    /// Returns whether the job's first record is the one at that place, as far as is known.
    pub(crate) fn begins_at(&self, place: &Cursor) -> bool {
        self.cut || self.entries.first().map(TimelineEntry::place).as_ref() == Some(place)
    }

    /// Returns whether these are the records of a test, which delivers no event.
    pub(crate) fn is_test(&self) -> bool {
        self.entries
            .iter()
            .all(|entry| entry.trigger == Trigger::Test)
    }

    pub(crate) fn state(&self) -> DeliveryState {
        let steps: Vec<_> = self.entries.iter().map(TimelineEntry::step).collect();
        standing(&steps).state
    }

    /// Returns the highest attempt number that was made.
    pub(crate) fn highest_attempt(&self) -> Option<u32> {
        (self.entries.iter())
            .filter(|entry| entry.attempted().is_some())
            .map(|entry| entry.attempt)
            .max()
    }

    pub(crate) fn delivery(&self) -> Delivery {
        let steps: Vec<_> = self.entries.iter().map(TimelineEntry::step).collect();
        let standing = standing(&steps);
        let decisive = standing.decided_by.and_then(|at| self.entries.get(at));
        let attempts = || (self.entries.iter()).filter_map(|it| Some((it, it.attempted()?)));
        let telling = (attempts().rev().find(|(_, it)| it.success))
            .or_else(|| attempts().next_back())
            .map(|(_, attempted)| attempted);
        let JobKey {
            organisation,
            endpoint,
            job,
            event,
            category,
            name,
        } = self.key.clone();
        Delivery {
            job_id: job,
            organisation,
            endpoint,
            event_id: event,
            event_category: category,
            event_name: name,
            state: standing.state,
            reason: decisive.and_then(reason),
            attempts: u32::try_from(attempts().count()).unwrap_or(u32::MAX),
            last_attempt: self.highest_attempt(),
            last_attempt_at: attempts().next_back().map(|(entry, _)| entry.created_at),
            next_attempt_at: standing.next_attempt_at,
            response_status: telling.and_then(|it| it.response_status),
            error_kind: telling.and_then(|it| it.error_kind),
            error_message: telling.and_then(|it| it.error_message.clone()),
            created_at: self.since,
        }
    }

    pub(crate) fn detail(self) -> DeliveryDetail {
        let delivery = self.delivery();
        let mut timeline = self.entries;
        timeline.drain(..timeline.len().saturating_sub(ENTRIES_PER_JOB));
        DeliveryDetail { delivery, timeline }
    }
}

fn reason(entry: &TimelineEntry) -> Option<String> {
    match &entry.happening {
        Happening::Became { reason, .. } => reason.clone(),
        Happening::Attempted(_) => None,
    }
}

//! What becomes of a job: what delivery says about it besides attempts, and where it stands.
//!
//! **Invariant:** *delivered* is final. Where a job stands follows from its records alone, in whatever
//! order they were written down.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    attempt::Trigger,
    event::BodyHash,
    name::{EndpointId, EventId, EventName, JobId, OrganisationId},
    time::Timestamp,
};

/// What a state record says of its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// The attempt may not be made yet, and waits.
    Parked,
    /// The job was given up.
    Dead,
}

/// A record of what happened to a job without an attempt: it was parked, or given up.
///
/// `id` is made when it happens and is the store's key: a record read twice is written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateRecord {
    /// The record's id: a version 7 UUID in its simple form, so that ids sort by time.
    pub id: String,
    /// The organisation of the event and the endpoint.
    pub organisation_id: OrganisationId,
    /// The endpoint.
    pub webhook_config_id: EndpointId,
    /// The job.
    pub job_id: JobId,
    /// The event.
    pub event_id: EventId,
    /// The event's category, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_category: Option<String>,
    /// The event's name.
    pub event_sub_category: EventName,
    /// Which body is to be sent.
    pub body_hash: BodyHash,
    /// The number of the attempt that waits, or of the last one that was made or due.
    pub attempt: u32,
    /// What caused that attempt.
    pub trigger: Trigger,
    /// What happened.
    pub state: JobState,
    /// Why: a dead letter's reason, or what the job is parked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When a parked attempt is looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// When it happened.
    pub created_at: Timestamp,
}

/// Where a job stands, as people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryState {
    /// It waits for its first attempt.
    Pending,
    /// It was attempted without success, and will be again.
    Retrying,
    /// A receiver took the event.
    Delivered,
    /// It was not delivered, and nothing more happens by itself.
    Failed,
}

/// One thing that happened to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The number of the attempt that was made, waits, or was the last.
    pub attempt: u32,
    /// What caused that attempt.
    pub trigger: Trigger,
    /// When it happened; of an attempt, when it began.
    pub at: Timestamp,
    /// What happened.
    pub event: StepEvent,
}

/// What happened in a [`Step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEvent {
    /// An attempt succeeded.
    Succeeded,
    /// An attempt failed; the next one is due at that time, if there will be one.
    Failed {
        /// When the next attempt is due.
        next: Option<Timestamp>,
    },
    /// The attempt was parked.
    Parked {
        /// When it is looked at again.
        until: Option<Timestamp>,
    },
    /// The job was given up.
    Dead,
}

/// Where a job stands, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub state: DeliveryState,
    /// When the next attempt is due, as far as is known, of a job that waits for one.
    pub next_attempt_at: Option<Timestamp>,
    /// The position of the step that says so; `None` if there are no steps.
    pub decided_by: Option<usize>,
}

impl JobState {
    /// Returns the name as it stands in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Dead => "dead",
        }
    }

    /// Returns the state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Parked, Self::Dead]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

impl DeliveryState {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Retrying, Self::Delivered, Self::Failed];

    /// Returns the name as the API shows it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// Returns the state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Decides where a job stands after the steps, given in any order.
///
/// - Any success is *delivered*, whatever came before or after it.
/// - Otherwise the job's own chain of attempts and the attempts that people asked for are looked at apart,
///   because a person's attempt may fail while the chain goes on. Of each, the step with the highest
///   attempt number counts, and of several with that number the latest.
/// - If either waits for an attempt, the job is *retrying*, or *pending* if none was made yet.
/// - Otherwise it is *failed*. A failed attempt without a next one counts like the dead letter that follows
///   it: the decision is made, only its record is still to come.
#[must_use]
pub fn standing(steps: &[Step]) -> Standing {
    let last = |counts: fn(&Step) -> bool| {
        (steps.iter().enumerate())
            .filter(|(_, step)| counts(step))
            .max_by_key(|(_, step)| step.place())
    };
    let decided = |state, found: Option<(usize, &Step)>| Standing {
        state,
        next_attempt_at: found.and_then(|(_, step)| step.due()),
        decided_by: found.map(|(at, _)| at),
    };
    let success = last(Step::succeeded);
    if success.is_some() {
        return decided(DeliveryState::Delivered, success);
    }
    let (chain, asked) = (last(Step::speaks_for_chain), last(Step::speaks_for_asked));
    let waiting = [
        chain.filter(|(_, step)| step.chain_waits()),
        asked.filter(|(_, step)| step.parked()),
    ];
    let next = (waiting.into_iter().flatten())
        // A wait without a known end comes last.
        .min_by_key(|(_, step)| (step.due().is_none(), step.due()));
    let attempted = steps.iter().any(Step::attempted);
    match next {
        Some(_) if attempted => decided(DeliveryState::Retrying, next),
        Some(_) => decided(DeliveryState::Pending, next),
        None if steps.is_empty() => decided(DeliveryState::Pending, None),
        None => decided(DeliveryState::Failed, chain.or(asked)),
    }
}

impl Step {
    /// Returns the place in the order of a job's steps. Of what happened within a millisecond, a parking
    /// comes before the attempt, and the dead letter after it.
    fn place(&self) -> (u32, Timestamp, u8) {
        let rank = match self.event {
            StepEvent::Parked { .. } => 0,
            StepEvent::Succeeded | StepEvent::Failed { .. } => 1,
            StepEvent::Dead => 2,
        };
        (self.attempt, self.at, rank)
    }

    fn due(&self) -> Option<Timestamp> {
        match self.event {
            StepEvent::Failed { next: due } | StepEvent::Parked { until: due } => due,
            StepEvent::Succeeded | StepEvent::Dead => None,
        }
    }

    fn succeeded(&self) -> bool {
        matches!(self.event, StepEvent::Succeeded)
    }

    fn parked(&self) -> bool {
        matches!(self.event, StepEvent::Parked { .. })
    }

    fn attempted(&self) -> bool {
        match self.event {
            StepEvent::Succeeded | StepEvent::Failed { .. } => true,
            StepEvent::Parked { .. } | StepEvent::Dead => false,
        }
    }

    /// Returns whether a person asked for the attempt.
    fn speaks_for_asked(&self) -> bool {
        match self.trigger {
            Trigger::Manual | Trigger::Test => true,
            Trigger::Auto | Trigger::Retry | Trigger::Replay => false,
        }
    }

    /// Returns whether the step says how the chain goes on: a person's attempt does so only by starting
    /// the policy anew.
    fn speaks_for_chain(&self) -> bool {
        !self.speaks_for_asked() || matches!(self.event, StepEvent::Failed { next: Some(_) })
    }

    /// Returns whether an attempt of the chain follows.
    fn chain_waits(&self) -> bool {
        match self.event {
            StepEvent::Parked { .. } | StepEvent::Failed { next: Some(_) } => true,
            StepEvent::Failed { next: None } | StepEvent::Succeeded | StepEvent::Dead => false,
        }
    }
}

#[cfg(test)]
mod tests;

//! What is to be replayed: which events, of what time, how fast.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// The most jobs that a replay makes per second.
pub const RATE_MAX: u32 = 1_000;

/// How many jobs per second unless the replay says otherwise.
const RATE_DEFAULT: u32 = 100;
/// The longest range, in days.
const RANGE_MAX_DAYS: u32 = 366;

/// Which events of its range a replay takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ReplayMode)]
pub enum Mode {
    /// All that the endpoint wants.
    All,
    /// Those that were not delivered to it and of which no job is alive.
    #[default]
    Undelivered,
}

/// What is to be replayed, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Which events.
    pub mode: Mode,
    /// Accepted at this time or later.
    pub from: Timestamp,
    /// Accepted before this time.
    pub to: Timestamp,
    /// How many jobs per second at most, from 1 to [`RATE_MAX`].
    pub rate_per_second: u32,
}

/// A plan that can't be; the text names the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlan {
    /// The range begins after now.
    #[error("from: must not be in the future")]
    Future,
    /// The range is empty.
    #[error("from: must be before to")]
    Empty,
    /// The range is too long.
    #[error("from: must be at most {RANGE_MAX_DAYS} days before to")]
    Long,
    /// The rate is out of bounds.
    #[error("ratePerSecond: must be a number from 1 to {RATE_MAX}")]
    Rate,
}

impl Plan {
    /// Checks a plan. The range ends at `now` unless `to` is earlier: what is not accepted yet can't be
    /// replayed.
    ///
    /// # Errors
    /// [`InvalidPlan`] names the field.
    pub fn try_new(
        mode: Mode,
        from: Timestamp,
        to: Option<Timestamp>,
        rate_per_second: Option<u32>,
        now: Timestamp,
    ) -> Result<Self, InvalidPlan> {
        let to = to.unwrap_or(now).min(now);
        let rate_per_second = rate_per_second.unwrap_or(RATE_DEFAULT);
        if from > now {
            return Err(InvalidPlan::Future);
        }
        if from >= to {
            return Err(InvalidPlan::Empty);
        }
        if to.since(from) > Duration::from_secs(86_400) * RANGE_MAX_DAYS {
            return Err(InvalidPlan::Long);
        }
        if !(1..=RATE_MAX).contains(&rate_per_second) {
            return Err(InvalidPlan::Rate);
        }
        Ok(Self {
            mode,
            from,
            to,
            rate_per_second,
        })
    }
}

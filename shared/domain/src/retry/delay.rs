//! How long to wait before a retry: four ways to say it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::retry::{InvalidPolicy, LONGEST_DELAY, expression::Expression};

/// The most entries of a schedule.
const SCHEDULE_MAX_ENTRIES: usize = 100;

/// How long to wait before retry `n`, `n` from 1: at most a day, 86,400,000 ms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RetryDelay)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Delay {
    /// Always the same, in milliseconds.
    Fixed(u64),
    /// `base × factor^(n−1)`, at most `cap`, in milliseconds.
    Exponential {
        /// The first delay.
        #[schema(maximum = 86_400_000)]
        base: u64,
        /// What each further delay is multiplied with.
        #[schema(minimum = 1, maximum = 100)]
        factor: f64,
        /// The longest delay.
        #[schema(maximum = 86_400_000)]
        cap: u64,
    },
    /// A list in milliseconds; the last entry repeats.
    Schedule(Vec<u64>),
    /// What an expression in `retried` (`n − 1`) comes to, in milliseconds.
    Expression(Expression),
}

impl Delay {
    /// Returns the wait before retry `n` in seconds, or `None` if an expression comes to no number.
    pub(super) fn seconds(&self, n: u32) -> Option<f64> {
        match self {
            Self::Fixed(millis) => Some(millis_to_seconds(*millis)),
            Self::Exponential { base, factor, cap } => {
                let grown = millis_to_seconds(*base) * factor.powf(f64::from(n.saturating_sub(1)));
                Some(grown.min(millis_to_seconds(*cap)))
            }
            Self::Schedule(list) => Some(entry(list, n)),
            Self::Expression(expression) => expression
                .millis(n.saturating_sub(1))
                .map(|millis| millis / 1_000.0),
        }
    }

    /// Checks the bounds. An expression has been checked when it was read.
    pub(super) fn check(&self) -> Result<(), InvalidPolicy> {
        const DAY: &str = "from 0 to 86400000 milliseconds";
        let refused = |field, must| Err(InvalidPolicy { field, must });
        match self {
            Self::Fixed(millis) if !is_within_a_day(*millis) => refused("delay.fixed", DAY),
            Self::Exponential { base, .. } if !is_within_a_day(*base) => {
                refused("delay.exponential.base", DAY)
            }
            Self::Exponential { cap, .. } if !is_within_a_day(*cap) => {
                refused("delay.exponential.cap", DAY)
            }
            Self::Exponential { factor, .. } if !(1.0..=100.0).contains(factor) => {
                refused("delay.exponential.factor", "a number from 1 to 100")
            }
            Self::Schedule(list) if list.is_empty() || list.len() > SCHEDULE_MAX_ENTRIES => {
                refused("delay.schedule", "a list of 1 to 100 entries")
            }
            Self::Schedule(list) if !list.iter().copied().all(is_within_a_day) => {
                refused("delay.schedule", DAY)
            }
            Self::Fixed(_) | Self::Exponential { .. } | Self::Schedule(_) | Self::Expression(_) => {
                Ok(())
            }
        }
    }
}

/// Returns entry `n` (from 1) of a list in milliseconds, as seconds; the last one repeats.
pub(super) fn entry(millis: &[u64], n: u32) -> f64 {
    let index = usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
    millis
        .get(index)
        .or(millis.last())
        .copied()
        .map_or(0.0, millis_to_seconds)
}

fn is_within_a_day(millis: u64) -> bool {
    Duration::from_millis(millis) <= LONGEST_DELAY
}

fn millis_to_seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

//! When a failed attempt is tried again: the policy as data, decided by one pure function.
//!
//! Whatever a policy leaves out comes from its preset (the table in ARCHITECTURE.md). A wait that the
//! receiver asks for goes before the policy's own delay, and that before the preset's. No delay is
//! longer than a day, and no decision depends on anything but the arguments.

mod delay;
mod expression;
mod status;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::{
    delay::Delay,
    expression::{EXPRESSION_MAX_BYTES, Expression, InvalidExpression, Problem},
    status::StatusPattern,
};
use crate::outcome::{Answer, ErrorKind, Outcome};

/// The longest delay before a retry.
pub const LONGEST_DELAY: Duration = Duration::from_secs(86_400);
/// The most retries that an endpoint may ask for.
pub const MAX_RETRIES_LIMIT: u32 = 100;
/// The most entries of `retryOn.statuses`.
const STATUSES_MAX: usize = 100;
/// What the record of an attempt says beside the error when a delay could not be told.
const NO_NUMBER: &str = "the delay expression gave no number; the preset's delay is used";

/// A set of defaults, named after where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = RetryPreset)]
pub enum Preset {
    /// Nudj: three retries, 5 s apart, after 5xx and transport failures.
    #[default]
    Nudj,
    /// Upstash `QStash`: `min(86400, e^(2.5 n))` seconds, after everything that is not 2xx.
    Qstash,
    /// Standard Webhooks: nine retries over three days with jitter; 410 ends them.
    StandardWebhooks,
    /// The endpoint's own; starts from Nudj's rules.
    Custom,
}

/// Which failures are retried.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryOn {
    /// Statuses.
    #[schema(max_items = 100)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statuses: Option<Vec<StatusPattern>>,
    /// Kinds of transport failure. `status` is not among them, for that is what `statuses` is for, and
    /// `cancelled` is always retried, for it was our doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kinds: Option<Vec<ErrorKind>>,
}

/// An endpoint's retry policy: a preset, and what is different from it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryPolicy {
    /// Where everything that is left out comes from.
    #[serde(default)]
    pub preset: Preset,
    /// The delays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// Spreads each delay by up to this share in both directions, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// Which failures are retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<RetryOn>,
    /// Whether a wait that the receiver asks for replaces the delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub honour_retry_after: Option<bool>,
}

/// A policy that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: must be {must}")]
pub struct InvalidPolicy {
    /// The field, from the policy's root.
    pub field: &'static str,
    /// What it must be.
    pub must: &'static str,
}

/// What is to be done after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: the event was taken.
    Delivered,
    /// A retry, after this wait.
    RetryAfter(Duration),
    /// The job becomes a dead letter.
    DeadLetter(Reason),
}

/// Why a job is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DeadLetterReason)]
pub enum Reason {
    /// All retries are used up.
    Exhausted,
    /// The policy does not retry this failure.
    NotRetried,
    /// The receiver said so: 489 with `Upstash-NonRetryable-Error: true`.
    NonRetryable,
    /// The receiver is gone: 410 under Standard Webhooks.
    Gone,
    /// The endpoint was disabled when the job was looked at.
    EndpointDisabled,
    /// The endpoint was deleted when the job was looked at.
    EndpointDeleted,
    /// The broker handed the job out too often without an outcome.
    Poison,
    /// The one attempt that a person asked for failed.
    ManualRetryFailed,
    /// More jobs wait than a broker without safe schedules can bear.
    Backlog,
}

impl Reason {
    /// All reasons, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Exhausted,
        Self::NotRetried,
        Self::NonRetryable,
        Self::Gone,
        Self::EndpointDisabled,
        Self::EndpointDeleted,
        Self::Poison,
        Self::ManualRetryFailed,
        Self::Backlog,
    ];

    /// Returns the reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// Returns whether the attempt that the job bears the number of was made, and its outcome is known.
    #[must_use]
    pub fn follows_an_attempt(self) -> bool {
        match self {
            Self::Exhausted
            | Self::NotRetried
            | Self::NonRetryable
            | Self::Gone
            | Self::ManualRetryFailed => true,
            Self::EndpointDisabled | Self::EndpointDeleted | Self::Poison | Self::Backlog => false,
        }
    }

    /// Returns the name as it stands in dead letters and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::NotRetried => "not-retried",
            Self::NonRetryable => "non-retryable",
            Self::Gone => "gone",
            Self::EndpointDisabled => "endpoint-disabled",
            Self::EndpointDeleted => "endpoint-deleted",
            Self::Poison => "poison",
            Self::ManualRetryFailed => "manual-retry-failed",
            Self::Backlog => "backlog",
        }
    }
}

impl Preset {
    /// Returns how many retries follow the first attempt unless the endpoint says otherwise.
    #[must_use]
    pub fn max_retries(self) -> u32 {
        match self {
            Self::Nudj | Self::Qstash | Self::Custom => 3,
            Self::StandardWebhooks => 9,
        }
    }
}

/// The schedule of Standard Webhooks in seconds: 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
const STANDARD_SCHEDULE_S: [u64; 9] =
    [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

impl RetryPolicy {
    /// Decides what follows an attempt that was retry number `retry` of its run (0 for the first).
    ///
    /// `jitter` is a random number from 0 to 1 (excluded) that spreads the delay.
    #[must_use]
    pub fn decide(&self, max_retries: u32, retry: u32, outcome: &Outcome, jitter: f64) -> Decision {
        if outcome.is_success() {
            return Decision::Delivered;
        }
        if let Some(reason) = self.final_reason(outcome) {
            return Decision::DeadLetter(reason);
        }
        if retry >= max_retries {
            return Decision::DeadLetter(Reason::Exhausted);
        }
        let wait = self
            .asked_wait(outcome)
            .unwrap_or_else(|| self.delay_before(retry.saturating_add(1), jitter));
        Decision::RetryAfter(wait)
    }

    /// Returns the wait before retry `n` (from 1), spread by `jitter` (0 to 1).
    #[must_use]
    pub fn delay_before(&self, n: u32, jitter: f64) -> Duration {
        let seconds = self
            .delay
            .as_ref()
            .and_then(|delay| delay.seconds(n))
            .unwrap_or_else(|| self.preset_delay(n));
        let share = self.jitter.unwrap_or(match self.preset {
            Preset::StandardWebhooks => 0.2,
            Preset::Nudj | Preset::Qstash | Preset::Custom => 0.0,
        });
        seconds_to_duration(seconds * (1.0 + share * (2.0 * jitter - 1.0)))
    }

    /// Returns what the record should say of the delay when [`decide`](Self::decide) came to
    /// [`Decision::RetryAfter`] with the same arguments: `None` unless the delay is not the policy's
    /// own because its expression gave no number.
    #[must_use]
    pub fn delay_note(&self, retry: u32, outcome: &Outcome) -> Option<&'static str> {
        if outcome.is_success() || self.asked_wait(outcome).is_some() {
            return None;
        }
        let delay = self.delay.as_ref()?;
        let is_told = delay.seconds(retry.saturating_add(1)).is_some();
        (!is_told).then_some(NO_NUMBER)
    }

    /// Checks the bounds of every field.
    ///
    /// # Errors
    /// [`InvalidPolicy`] names the field.
    pub fn check(&self) -> Result<(), InvalidPolicy> {
        if self
            .jitter
            .is_some_and(|share| !(0.0..=1.0).contains(&share))
        {
            return Err(InvalidPolicy {
                field: "jitter",
                must: "a number from 0 to 1",
            });
        }
        if self.preset == Preset::Custom && self.delay.is_none() {
            return Err(InvalidPolicy {
                field: "delay",
                must: "given with the preset custom",
            });
        }
        self.retry_on.as_ref().map_or(Ok(()), RetryOn::check)?;
        self.delay.as_ref().map_or(Ok(()), Delay::check)
    }

    /// Returns why a failure is never retried under this policy, or `None` if it may be.
    fn final_reason(&self, outcome: &Outcome) -> Option<Reason> {
        match outcome {
            Outcome::Accepted { .. } => None,
            Outcome::Rejected(Answer {
                status: 489,
                non_retryable: true,
                ..
            }) if self.preset == Preset::Qstash => Some(Reason::NonRetryable),
            Outcome::Rejected(Answer { status: 410, .. })
                if self.preset == Preset::StandardWebhooks =>
            {
                Some(Reason::Gone)
            }
            Outcome::Rejected(answer) => {
                (!self.retries_status(answer.status)).then_some(Reason::NotRetried)
            }
            Outcome::Failed(failure) => {
                (!self.retries_kind(failure.kind)).then_some(Reason::NotRetried)
            }
        }
    }

    fn retries_status(&self, status: u16) -> bool {
        match self.retry_on.as_ref().and_then(|on| on.statuses.as_ref()) {
            Some(listed) => listed.iter().any(|pattern| pattern.matches(status)),
            None => match self.preset {
                Preset::Nudj | Preset::Custom => (500..600).contains(&status),
                Preset::Qstash | Preset::StandardWebhooks => true,
            },
        }
    }

    fn retries_kind(&self, kind: ErrorKind) -> bool {
        match kind {
            // A policy can't list them: one is our own doing, the other a token server's refusal.
            ErrorKind::Cancelled | ErrorKind::Status => return true,
            ErrorKind::Dns
            | ErrorKind::Connect
            | ErrorKind::Tls
            | ErrorKind::Timeout
            | ErrorKind::BlockedAddress
            | ErrorKind::Body
            | ErrorKind::Protocol => {}
        }
        match self
            .retry_on
            .as_ref()
            .and_then(|on| on.error_kinds.as_ref())
        {
            Some(listed) => listed.contains(&kind),
            None => match self.preset {
                Preset::Nudj | Preset::Custom => kind != ErrorKind::BlockedAddress,
                Preset::Qstash | Preset::StandardWebhooks => true,
            },
        }
    }

    /// Returns the wait that the receiver asked for, where it counts. Under `nudj` it does for 429
    /// and 503 only; more than a day is ignored.
    fn asked_wait(&self, outcome: &Outcome) -> Option<Duration> {
        let Outcome::Rejected(answer) = outcome else {
            return None;
        };
        let counts = match self.preset {
            Preset::Nudj => matches!(answer.status, 429 | 503),
            Preset::Qstash | Preset::StandardWebhooks | Preset::Custom => true,
        };
        (counts && self.honour_retry_after.unwrap_or(true)).then_some(())?;
        answer.asked_wait.filter(|wait| *wait <= LONGEST_DELAY)
    }

    /// Returns the preset's own wait before retry `n`, in seconds.
    fn preset_delay(&self, n: u32) -> f64 {
        match self.preset {
            Preset::Nudj | Preset::Custom => 5.0,
            Preset::Qstash => (2.5 * f64::from(n)).exp().min(LONGEST_DELAY.as_secs_f64()),
            Preset::StandardWebhooks => {
                let millis = STANDARD_SCHEDULE_S.map(|seconds| seconds * 1_000);
                delay::entry(&millis, n)
            }
        }
    }
}

impl RetryOn {
    fn check(&self) -> Result<(), InvalidPolicy> {
        if self
            .statuses
            .as_ref()
            .is_some_and(|list| list.len() > STATUSES_MAX)
        {
            return Err(InvalidPolicy {
                field: "retryOn.statuses",
                must: "at most 100 entries",
            });
        }
        let refused = |must| {
            let field = "retryOn.errorKinds";
            Err(InvalidPolicy { field, must })
        };
        match self.error_kinds.as_deref() {
            Some(list) if list.len() > ErrorKind::ALL.len() => refused("at most 9 entries"),
            Some(list) if list.contains(&ErrorKind::Status) => {
                refused("without status: list statuses in retryOn.statuses")
            }
            Some(list) if list.contains(&ErrorKind::Cancelled) => {
                refused("without cancelled, which is always retried")
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Clamps to 0 … 1 day.
fn seconds_to_duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0))
        .unwrap_or(LONGEST_DELAY)
        .min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests;

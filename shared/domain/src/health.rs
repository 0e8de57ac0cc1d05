//! The health of an endpoint: its breaker, and the ladder from failing to disabled.
//!
//! Health is shared by all replicas, so it is written only when it changes: when a breaker opens, is
//! probed or closes, and when an endpoint climbs the ladder. What happens in between (how many failures in
//! a row) each replica counts for itself, in a [`Tally`].

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    outcome::{ErrorKind, Outcome},
    time::Timestamp,
};

/// Failures in a row that open a breaker.
pub const OPENS_AFTER: u32 = 10;
/// The time from opening to the first probe; each probe that fails doubles it.
pub const FIRST_PROBE_AFTER: Duration = Duration::from_secs(5);
/// The longest time between probes.
pub const PROBES_AT_LEAST_EVERY: Duration = Duration::from_secs(60);
/// When to look again while a probe is under way.
pub const PROBE_LOOK: Duration = Duration::from_secs(1);
/// How long an endpoint that came back gets its requests little by little.
pub const RAMP: Duration = Duration::from_secs(10);
/// Requests per second at the beginning of the ramp; they double every second.
pub const RAMP_FROM_PER_S: f64 = 10.0;
/// An endpoint that fails again within this time goes on with the longer times between its probes.
const CALM_AFTER: Duration = Duration::from_secs(120);
/// The furthest ahead that a probe lies: the longest attempt with its margin. What lies further ahead was
/// written by a clock that goes wrong, here or there.
const PROBE_AHEAD_AT_MOST: Duration = Duration::from_secs(120);
/// How long there must have been nothing but failures before an endpoint counts as failing.
const FAILING_AFTER: Duration = Duration::from_secs(60);

/// After so long without an attempt a replica does not know what others saw meanwhile.
const SILENCE: Duration = Duration::from_secs(600);

/// What is known about an endpoint that does not, or did not lately, take everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The breaker, or that there is nothing to break any more.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// The error that led there, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When the failures began that no success has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// How far up the ladder.
    #[serde(default)]
    pub rung: Rung,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung_since: Option<Timestamp>,
    /// When an open breaker lets the next probe through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_at: Option<Timestamp>,
    /// Whether a probe is under way, until then at the latest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_probing: bool,
    /// How often in a row it opened or a probe failed.
    #[serde(default)]
    pub trips: u32,
    /// When the endpoint came back, to get its requests little by little from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_since: Option<Timestamp>,
    /// Fields of a later version, kept as they are.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, serde_json::Value>,
}

/// The state of an endpoint's breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Requests go out.
    Closed,
    /// Only probes go out.
    Open,
    /// The endpoint was disabled because it took nothing for too long, or said that it is gone.
    Disabled,
}

/// The ladder of an endpoint that takes nothing.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Not on it.
    #[default]
    None,
    /// It is failing.
    Failing,
    /// It is about to be disabled.
    AboutToBeDisabled,
    /// It is disabled.
    Disabled,
}

impl Rung {
    /// Returns the kind of the signal that says so; `None` for no rung.
    #[must_use]
    pub fn signal(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Failing => Some("endpoint-failing"),
            Self::AboutToBeDisabled => Some("endpoint-about-to-be-disabled"),
            Self::Disabled => Some("endpoint-disabled"),
        }
    }
}

/// The failures of an endpoint in a row, as one replica sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// How many of the latest open breakers.
    pub breaking: u32,
    /// When they began.
    pub since: Timestamp,
    /// When the last one was.
    last: Timestamp,
    /// Whether there were others before them, longer ago than this replica can vouch for.
    is_again: bool,
}

/// What an endpoint gets at the moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Access {
    /// Everything.
    Free,
    /// So many requests per second over all replicas, for so long.
    Ramp {
        /// Requests per second.
        per_s: f64,
        /// Until when, from now.
        left: Duration,
    },
    /// Nothing for as long as that.
    Closed {
        /// Until when, from now.
        left: Duration,
    },
    /// One request, for whoever claims it.
    Probe,
}

/// A breaker as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Breaker {
    /// Requests go out.
    Closed,
    /// Nothing goes out.
    Open,
    /// One request goes out, to see whether the endpoint is back.
    HalfOpen,
}

/// What follows for an endpoint's health from an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its health from now on.
    pub health: Health,
    /// The rung that it has climbed just now, to be signalled.
    pub climbed: Option<Rung>,
}

/// An attempt that ended, as far as health is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Verdict<'a> {
    /// What it came to.
    pub outcome: &'a Outcome,
    /// The failures in a row of which it is the last; `None` after a success.
    pub tally: Option<Tally>,
    /// Whether it was a probe.
    pub is_probe: bool,
    /// Whether the endpoint said that it is gone (410 under Standard Webhooks).
    pub is_gone: bool,
}

impl Tally {
    /// Counts an attempt: returns the failures in a row with it, or `None` after a success.
    #[must_use]
    pub fn after(before: Option<Self>, outcome: &Outcome, now: Timestamp) -> Option<Self> {
        if outcome.is_success() {
            return None;
        }
        let anew = Self {
            breaking: 0,
            since: now,
            last: now,
            is_again: before.is_some(),
        };
        let tally = before
            .filter(|tally| now.since(tally.last) < SILENCE)
            .unwrap_or(anew);
        let breaking = if breaks(outcome) {
            tally.breaking.saturating_add(1)
        } else {
            0
        };
        Some(Self {
            breaking,
            last: now,
            ..tally
        })
    }
}

/// Returns whether a failure counts towards opening a breaker: the endpoint can't take anything at the
/// moment, as opposed to not wanting this.
#[must_use]
pub fn breaks(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Accepted { .. } => false,
        Outcome::Rejected(answer) => answer.status >= 500,
        Outcome::Failed(failure) => match failure.kind {
            ErrorKind::Dns
            | ErrorKind::Connect
            | ErrorKind::Tls
            | ErrorKind::Timeout
            | ErrorKind::Body
            | ErrorKind::Protocol => true,
            ErrorKind::Status | ErrorKind::BlockedAddress | ErrorKind::Cancelled => false,
        },
    }
}

impl Health {
    /// The health of an endpoint of which nothing bad is known.
    fn good(now: Timestamp) -> Self {
        Self {
            state: State::Closed,
            since: now,
            why: None,
            failing_since: None,
            rung: Rung::None,
            rung_since: None,
            probe_at: None,
            is_probing: false,
            trips: 0,
            back_since: None,
            unknown: BTreeMap::new(),
        }
    }

    /// The health of an endpoint that a person has just let go on: clean, and with a ramp.
    #[must_use]
    pub fn back(now: Timestamp) -> Self {
        Self {
            back_since: Some(now),
            ..Self::good(now)
        }
    }

    /// Returns the health of an endpoint that is resumed after a pause: as it was, with a ramp.
    #[must_use]
    pub fn resumed(&self, now: Timestamp) -> Self {
        Self {
            back_since: Some(now),
            ..self.clone()
        }
    }

    /// Returns the state of the breaker as people see it.
    #[must_use]
    pub fn breaker(&self, now: Timestamp) -> Breaker {
        match (self.state, self.access(now)) {
            (State::Closed, _) => Breaker::Closed,
            (State::Disabled, _) => Breaker::Open,
            (State::Open, Access::Probe) => Breaker::HalfOpen,
            (State::Open, _) if self.is_probing => Breaker::HalfOpen,
            (State::Open, Access::Free | Access::Ramp { .. } | Access::Closed { .. }) => {
                Breaker::Open
            }
        }
    }

    /// Returns what the endpoint gets.
    #[must_use]
    pub fn access(&self, now: Timestamp) -> Access {
        match (self.state, self.probe_at) {
            (State::Open, Some(at)) if at > now && at.since(now) <= PROBE_AHEAD_AT_MOST => {
                let left = at.since(now);
                // A probe mostly ends long before it must.
                let look = if self.is_probing { PROBE_LOOK } else { left };
                Access::Closed {
                    left: left.min(look),
                }
            }
            (State::Open, _) => Access::Probe,
            // Whether a disabled endpoint gets anything is its config's to say.
            (State::Closed | State::Disabled, _) => self.ramp(now),
        }
    }

    fn ramp(&self, now: Timestamp) -> Access {
        let Some(back_since) = self.back_since else {
            return Access::Free;
        };
        if back_since.since(now) > RAMP {
            return Access::Free;
        }
        let elapsed = now.since(back_since);
        match RAMP.checked_sub(elapsed) {
            Some(left) if !left.is_zero() => Access::Ramp {
                per_s: RAMP_FROM_PER_S * elapsed.as_secs_f64().exp2(),
                left,
            },
            Some(_) | None => Access::Free,
        }
    }

    /// Returns whether what failed at `time` still says something about the endpoint: nothing does that
    /// failed before it came back or was let go on.
    #[must_use]
    pub fn still_counts(&self, time: Timestamp, now: Timestamp) -> bool {
        let anew_since = match (self.state, self.back_since) {
            (State::Open | State::Disabled, _) => None,
            (State::Closed, Some(back_since)) => Some(back_since),
            (State::Closed, None) if self.failing_since.is_none() => Some(self.since),
            (State::Closed, None) => None,
        };
        // A time far ahead is a wrong clock's, and must not keep failures from being counted.
        anew_since.is_none_or(|since| time >= since || since.since(now) > RAMP)
    }

    /// Returns the health of an endpoint whose probe is claimed, and under way for at most `longest`.
    #[must_use]
    pub fn probed(&self, now: Timestamp, longest: Duration) -> Self {
        Self {
            probe_at: Some(now.after(longest)),
            is_probing: true,
            ..self.clone()
        }
    }

    /// Returns the health of an open endpoint, until the next probe.
    fn opened(&self, now: Timestamp, why: Option<String>) -> Self {
        let was_open = self.state == State::Open;
        let goes_on = was_open || self.back_since.is_some_and(|at| now.since(at) < CALM_AFTER);
        let trips = if goes_on {
            self.trips.saturating_add(1)
        } else {
            0
        };
        let wait = FIRST_PROBE_AFTER
            .saturating_mul(2_u32.saturating_pow(trips))
            .min(PROBES_AT_LEAST_EVERY);
        Self {
            state: State::Open,
            since: if was_open { self.since } else { now },
            why,
            probe_at: Some(now.after(wait)),
            is_probing: false,
            trips,
            back_since: None,
            ..self.clone()
        }
    }
}

/// Decides what follows for an endpoint's health from an attempt, or `None` if nothing does.
///
/// `disable_after` is the time of nothing but failures after which an endpoint is disabled; `None` is
/// never.
#[must_use]
pub fn after(
    health: Option<&Health>,
    verdict: Verdict<'_>,
    now: Timestamp,
    disable_after: Option<Duration>,
) -> Option<Change> {
    let changed = match (health, verdict.tally) {
        (None, None) => None,
        (Some(health), None) => recovered(health, now),
        (_, Some(tally)) => failed(health, verdict, tally, now),
    };
    let good = Health::good(now);
    let current = changed.as_ref().or(health).unwrap_or(&good);
    match climbed(current, verdict, now, disable_after) {
        Some(health) => Some(Change {
            climbed: Some(health.rung),
            health,
        }),
        None => changed.map(|health| Change {
            health,
            climbed: None,
        }),
    }
}

/// A success ends everything, but for what the breaker remembers of the times between probes.
fn recovered(health: &Health, now: Timestamp) -> Option<Health> {
    let is_good = health.state == State::Closed && health.failing_since.is_none();
    if is_good || health.state == State::Disabled {
        return None;
    }
    Some(Health {
        trips: health.trips,
        back_since: (health.state == State::Open).then_some(now),
        unknown: health.unknown.clone(),
        ..Health::good(now)
    })
}

fn failed(
    health: Option<&Health>,
    verdict: Verdict<'_>,
    tally: Tally,
    now: Timestamp,
) -> Option<Health> {
    let good = Health::good(now);
    let current = health.unwrap_or(&good);
    let failing_since = current
        .failing_since
        .map_or(tally.since, |since| since.min(tally.since));
    let why = verdict.outcome.error_message();
    match current.state {
        State::Disabled => None,
        State::Open if !verdict.is_probe => None,
        // It is there again, though it did not want this event.
        State::Open if !breaks(verdict.outcome) => Some(Health {
            state: State::Closed,
            since: now,
            why,
            probe_at: None,
            is_probing: false,
            back_since: Some(now),
            ..current.clone()
        }),
        State::Open => Some(current.opened(now, why)),
        State::Closed if tally.breaking >= OPENS_AFTER => Some(Health {
            failing_since: Some(failing_since),
            ..current.opened(now, why)
        }),
        // Failures that are rare are put down at once: a success that any replica sees takes them back.
        State::Closed
            if current.failing_since.is_none()
                && (tally.is_again || now.since(failing_since) >= FAILING_AFTER) =>
        {
            Some(Health {
                failing_since: Some(failing_since),
                why,
                ..current.clone()
            })
        }
        State::Closed => None,
    }
}

/// Returns the health one rung further up, if it is time. No rung is passed over, so whoever listens for
/// signals is warned before an endpoint is disabled, however rare its events are.
fn climbed(
    health: &Health,
    verdict: Verdict<'_>,
    now: Timestamp,
    disable_after: Option<Duration>,
) -> Option<Health> {
    verdict.tally?;
    let at = |rung: Rung| Health {
        rung,
        rung_since: Some(now),
        ..health.clone()
    };
    let disabled = || Health {
        state: State::Disabled,
        since: now,
        why: verdict.outcome.error_message(),
        probe_at: None,
        is_probing: false,
        ..at(Rung::Disabled)
    };
    if verdict.is_gone && health.rung != Rung::Disabled {
        return Some(disabled());
    }
    let failing_for = now.since(health.failing_since?);
    if health.rung == Rung::None {
        let is_failing = health.state == State::Open || failing_for >= FAILING_AFTER;
        return is_failing.then(|| at(Rung::Failing));
    }
    let limit = disable_after?;
    let on_rung_for = health.rung_since.map_or(Duration::ZERO, |at| now.since(at));
    match health.rung {
        Rung::Failing if failing_for >= limit.mul_f64(0.8) => Some(at(Rung::AboutToBeDisabled)),
        Rung::AboutToBeDisabled if failing_for >= limit && on_rung_for >= limit.mul_f64(0.1) => {
            Some(disabled())
        }
        Rung::None | Rung::Failing | Rung::AboutToBeDisabled | Rung::Disabled => None,
    }
}

#[cfg(test)]
mod tests;

//! A rate as turns: the token bucket in the form of the next free time (GCRA).

use std::time::Duration;

use super::Moment;

/// So many requests a second, in turns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// Requests per second.
    pub(super) per_s: f64,
    /// What the bucket holds, at least one.
    pub(super) burst: f64,
}

impl Rate {
    /// A rate whose bucket holds a second's worth.
    pub(super) fn steady(per_s: f64) -> Self {
        Self {
            per_s,
            burst: per_s.max(1.0),
        }
    }

    /// A rate without bursts.
    pub(super) fn even(per_s: f64) -> Self {
        Self { per_s, burst: 1.0 }
    }
}

/// The turns of an endpoint.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// When the bucket would be full again.
    full_at: Moment,
}

impl Pace {
    /// Returns how long the next turn is away.
    pub(super) fn wait(&self, now: Moment, rate: Rate) -> Duration {
        let ahead = seconds((rate.burst - 1.0) / rate.per_s);
        self.full_at.saturating_sub(ahead).saturating_sub(now)
    }

    /// Takes the next turn.
    pub(super) fn take(&mut self, now: Moment, rate: Rate) {
        self.full_at = self.full_at.max(now) + seconds(1.0 / rate.per_s);
    }

    /// Gives a turn back.
    pub(super) fn give_back(&mut self, rate: Rate) {
        self.full_at = self.full_at.saturating_sub(seconds(1.0 / rate.per_s));
    }

    /// Returns how long all turns that were taken have passed; zero while one is to come.
    pub(super) fn idle(&self, now: Moment) -> Duration {
        now.saturating_sub(self.full_at)
    }
}

/// A rate that is nearly zero has turns a year apart, and no overflow.
fn seconds(seconds: f64) -> Duration {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    Duration::try_from_secs_f64(seconds.max(0.0))
        .unwrap_or(YEAR)
        .min(YEAR)
}

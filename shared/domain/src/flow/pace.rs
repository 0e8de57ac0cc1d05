//! A rate as turns: the token bucket in the form of the next free time (GCRA), and the turns that jobs
//! which went away have been promised.

use std::time::Duration;

use super::{LONGEST_WAIT_FOR_TURN, Moment};

/// How late a job may come for a turn that it was promised.
const LATE: Duration = Duration::from_secs(5);

/// So many requests a second, in turns.
#[derive(Debug, Clone, Copy, PartialEq)]
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

    /// Lets all turns before `time` pass.
    fn skip_to(&mut self, time: Moment, rate: Rate) {
        let ahead = seconds((rate.burst - 1.0) / rate.per_s);
        self.full_at = self.full_at.max(time + ahead);
    }

    /// Gives a turn back.
    pub(super) fn give_back(&mut self, rate: Rate) {
        self.full_at = self.full_at.saturating_sub(seconds(1.0 / rate.per_s));
    }

    /// Returns about how many turns that were taken lie behind `time`.
    fn turns_behind(&self, time: Moment, rate: Rate) -> f64 {
        let last = self
            .full_at
            .saturating_sub(seconds(rate.burst / rate.per_s));
        (last.saturating_sub(time).as_secs_f64() * rate.per_s).ceil()
    }
}

/// The turns within an endpoint's own limit, as long as that stays the same.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Turns {
    /// The turns that were taken, those to come included.
    pace: Pace,
    /// What was started. A promised turn may be used late; without this, all that a stall made late would
    /// start at once.
    started: Pace,
    rate: Option<Rate>,
    /// How many of the turns that were taken are promised to parked jobs, a whole number. The jobs do not know: whoever
    /// comes back when one of these turns has come may have it.
    promised: f64,
}

impl Turns {
    /// Goes over to another rate. What was promised under the old one is void: under a lower one it would
    /// be too much, under a higher one all others would wait for it.
    pub(super) fn adopt(&mut self, now: Moment, rate: Rate) {
        if self.rate == Some(rate) {
            return;
        }
        if self.rate.is_some() {
            let empty = now + seconds(rate.burst / rate.per_s);
            for pace in [&mut self.pace, &mut self.started] {
                pace.full_at = pace.full_at.min(empty);
            }
        }
        self.rate = Some(rate);
        self.promised = 0.0;
    }

    /// Returns how long the next turn is away that nobody has.
    pub(super) fn wait(&self, now: Moment, rate: Rate) -> Duration {
        self.pace.wait(now, rate).max(self.started.wait(now, rate))
    }

    /// Takes the next turn.
    pub(super) fn take(&mut self, now: Moment, rate: Rate) {
        self.pace.take(now, rate);
        self.started.take(now, rate);
    }

    /// Gives a turn back.
    pub(super) fn give_back(&mut self, rate: Rate) {
        self.pace.give_back(rate);
        self.started.give_back(rate);
    }

    /// Takes the next turn from `earliest` on for a job that comes back for it. Turns before that stay
    /// unused: taken late, they would be more than the rate has.
    pub(super) fn promise(&mut self, earliest: Moment, rate: Rate) {
        self.pace.skip_to(earliest, rate);
        self.pace.take(earliest, rate);
        self.promised += 1.0;
    }

    /// Takes a promised turn whose time has come and that can be used within `longest`; returns how long
    /// that takes, or `None` if there is no such turn. However many jobs come back, no more turns are
    /// taken than the rate has, and however late they come, no more start together than its bucket holds.
    pub(super) fn redeem(
        &mut self,
        now: Moment,
        rate: Rate,
        longest: Duration,
    ) -> Option<Duration> {
        self.lapse(now.saturating_sub(LATE), rate);
        let to_come = self.pace.turns_behind(now + LONGEST_WAIT_FOR_TURN, rate);
        let wait = self.started.wait(now, rate);
        let is_usable = self.promised > to_come && wait <= longest;
        is_usable.then(|| {
            self.promised -= 1.0;
            self.started.take(now, rate);
            wait
        })
    }

    /// Forgets promises whose time came and went while nothing might start.
    pub(super) fn skip(&mut self, now: Moment) {
        if let Some(rate) = self.rate {
            self.lapse(now, rate);
        }
    }

    /// Returns when all turns that were taken have passed.
    pub(super) fn end(&self) -> Moment {
        self.pace.full_at
    }

    /// Forgets promises of turns before `time`.
    fn lapse(&mut self, time: Moment, rate: Rate) {
        self.promised = self.promised.min(self.pace.turns_behind(time, rate));
    }
}

/// A rate that is nearly zero has turns a year apart, and no overflow.
fn seconds(seconds: f64) -> Duration {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    Duration::try_from_secs_f64(seconds.max(0.0))
        .unwrap_or(YEAR)
        .min(YEAR)
}

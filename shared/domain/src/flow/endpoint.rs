//! The flow of one endpoint in one replica.

use std::time::Duration;

use super::{
    Class, Draw, Effect, LONGEST_PARKING, LONGEST_WAIT_FOR_END, LONGEST_WAIT_FOR_TURN,
    LONGEST_WAIT_OF_A_FEW, LOOKS_PER_S, Moment, Parked, Room, SHORTEST_PARKING, Share, Verdict,
    Visit,
    pace::{Pace, Rate, Turns},
};

/// Requests at once that an endpoint begins with.
const FIRST_WINDOW: f64 = 16.0;
/// Above it an answer is slow; so is none at all for that long.
const SLOW: Duration = Duration::from_secs(1);
/// What attempts are expected to take before one has ended, in seconds: silence corrects it soon enough.
const FIRST_DURATION_S: f64 = 0.005;
/// The weight of the latest attempt in the mean duration.
const LATEST: f64 = 0.2;
/// The most parked jobs that are looked at a second because they are expected to start.
const TURNS_PER_S: f64 = 2_000.0;
/// After how many parkings the shortest parking does not grow any more: 2^9 s.
const DOUBLINGS: u32 = 9;

/// When a job's turn within the rate is.
enum Turn {
    Now,
    Soon(Duration),
    Later(Duration),
}

impl Turn {
    /// A turn that was taken and comes after `wait`.
    fn after(wait: Duration) -> Self {
        if wait.is_zero() {
            Self::Now
        } else {
            Self::Soon(wait)
        }
    }
}

#[derive(Debug)]
pub(super) struct Flow {
    pub(super) class: Class,
    pub(super) in_flight: u32,
    /// How many jobs this replica has parked, as far as it knows.
    pub(super) parked: u64,
    /// How many jobs wait in their places.
    pub(super) waiting: u32,
    /// Requests at once that the endpoint seems to bear.
    window: f64,
    /// Up to here the window grows by one for each answer, above it by one for each window of answers.
    grows_fast_to: f64,
    window_cut_at: Moment,
    /// The mean duration of attempts in seconds, once there was one.
    duration: Option<f64>,
    /// When an attempt last ended, or began while none was under way.
    moved_at: Moment,
    /// The turns within its own limit.
    turns: Turns,
    /// The turns while it gets its requests little by little.
    ramp: Pace,
    /// When the next job is looked at that is parked for want of a place.
    next_turn: Moment,
    /// When the next job is looked at that is parked because nothing may start.
    next_look: Moment,
}

impl Flow {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            class: Class::Unknown,
            in_flight: 0,
            parked: 0,
            waiting: 0,
            window: FIRST_WINDOW,
            grows_fast_to: f64::from(u32::MAX),
            window_cut_at: Moment::ZERO,
            duration: None,
            moved_at: now,
            turns: Turns::default(),
            ramp: Pace::default(),
            next_turn: now,
            next_look: now,
        }
    }

    /// Takes note of a job that asks: it waits no longer where it was.
    pub(super) fn arrived(&mut self, visit: Visit) {
        if !visit.waited.is_zero() {
            self.waiting = self.waiting.saturating_sub(1);
        } else if visit.hold > 0 {
            self.parked = self.parked.saturating_sub(1);
        }
    }

    /// Returns how many attempts may be under way.
    pub(super) fn limit(&self, room: &Room, own_limit: Option<u32>) -> f64 {
        let room = room.of(self.class, self.in_flight);
        self.window
            .min(f64::from(room.min(own_limit.unwrap_or(u32::MAX))))
    }

    /// Asks for a turn within the rate, then for one of the requests at once.
    pub(super) fn ask(&mut self, visit: Visit, share: Share, room: &Room, draw: Draw) -> Verdict {
        let own_limit = share.limits.in_flight;
        match share.limits.rate.map(Rate::steady) {
            None => self.ask_in_flight(visit, (room, own_limit), draw),
            Some(rate) => match self.ask_turn(visit, rate, room, draw.now) {
                Turn::Now => {
                    let verdict = self.ask_with_turn(visit, (room, own_limit), draw);
                    // A turn that can't be used is given back.
                    if matches!(verdict, Verdict::Park { .. }) {
                        self.turns.give_back(rate);
                    }
                    verdict
                }
                Turn::Soon(wait) => self.wait_for_turn(wait),
                Turn::Later(wait) => self.park_until_turn(rate, wait, draw),
            },
        }
    }

    /// As [`Flow::ask`], while the endpoint gets its requests little by little: those that get none now
    /// are looked at when that is over.
    pub(super) fn ask_recovering(
        &mut self,
        visit: Visit,
        share: Share,
        (ramp, left, room): (f64, Duration, &Room),
        draw: Draw,
    ) -> Verdict {
        self.turns.skip(draw.now);
        let own = share.limits.rate.unwrap_or(f64::INFINITY);
        let rate = Rate::even(ramp.min(own));
        let wait = if visit.has_turn {
            Duration::ZERO
        } else {
            self.ramp.wait(draw.now, rate)
        };
        if visit.waited + wait > LONGEST_WAIT_FOR_TURN {
            return self.stopped(visit, share, (left, Parked::Recovering), draw);
        }
        if !visit.has_turn {
            self.ramp.take(draw.now, rate);
        }
        if !wait.is_zero() {
            return self.wait_for_turn(wait);
        }
        let verdict = self.ask_with_turn(visit, (room, share.limits.in_flight), draw);
        if matches!(verdict, Verdict::Park { .. }) {
            self.ramp.give_back(rate);
        }
        verdict
    }

    /// Parks a job while nothing may start: spread, so that not all are looked at when that ends.
    pub(super) fn stopped(
        &mut self,
        visit: Visit,
        share: Share,
        (left, why): (Duration, Parked),
        Draw { now, chance }: Draw,
    ) -> Verdict {
        self.turns.skip(now);
        let spacing = f64::from(share.replicas) / LOOKS_PER_S;
        let look = self.next_look.max(now + left) + Duration::from_secs_f64(spacing);
        let shortest = match why {
            Parked::Paused => shortest(visit.hold),
            Parked::RateLimit
            | Parked::InFlight
            | Parked::Breaker
            | Parked::Recovering
            | Parked::Elsewhere
            | Parked::Unusable => SHORTEST_PARKING,
        };
        let wait = (look - now).max(shortest);
        match self.within_longest(wait, chance) {
            None => {
                self.next_look = look;
                self.park(wait, why)
            }
            Some(shorter) => self.park(shorter, why),
        }
    }

    pub(super) fn start(&mut self, now: Moment) {
        if self.in_flight == 0 {
            self.moved_at = now;
        }
        self.in_flight += 1;
    }

    pub(super) fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Learns from an attempt that ended.
    pub(super) fn finished(&mut self, began: Moment, now: Moment, effect: Effect) {
        let was_full = f64::from(self.in_flight) * 2.0 >= self.window;
        self.leave();
        self.moved_at = now;
        let took = now.saturating_sub(began).as_secs_f64();
        self.duration = Some(
            self.duration
                .map_or(took, |mean| mean + LATEST * (took - mean)),
        );
        match effect {
            // One that is never full says nothing about what would be too much.
            Effect::Taken if was_full && self.window < self.grows_fast_to => self.window += 1.0,
            Effect::Taken if was_full => self.window += 1.0 / self.window,
            // Attempts that were under way when the window was cut say nothing about the new one.
            Effect::Overloaded if began >= self.window_cut_at => {
                self.window = (self.window.min(f64::from(self.in_flight + 1)) / 2.0).max(1.0);
                self.grows_fast_to = self.window;
                self.window_cut_at = now;
            }
            Effect::Taken | Effect::Overloaded | Effect::Other => {}
        }
    }

    /// Tells slow from quick, by what ended and by how long nothing has.
    pub(super) fn classify(&mut self, now: Moment) {
        let silent = self.in_flight > 0 && now.saturating_sub(self.moved_at) > SLOW;
        self.class = match self.duration {
            _ if silent => Class::Slow,
            None => Class::Unknown,
            Some(mean) if mean > SLOW.as_secs_f64() => Class::Slow,
            Some(_) => Class::Quick,
        };
    }

    pub(super) fn is_forgotten(&self, now: Moment, after: Duration) -> bool {
        let last = self.moved_at.max(self.next_look).max(self.next_turn);
        let last = last.max(self.turns.end());
        self.in_flight == 0 && self.waiting == 0 && now.saturating_sub(last) > after
    }

    /// Takes the next turn if it is near, or one that was promised.
    fn ask_turn(&mut self, visit: Visit, rate: Rate, room: &Room, now: Moment) -> Turn {
        self.turns.adopt(now, rate);
        if visit.has_turn {
            return Turn::Now;
        }
        let longest = room.longest_wait(self.waiting, LONGEST_WAIT_FOR_TURN);
        let is_back = visit.hold > 0 && visit.waited.is_zero();
        if is_back && let Some(wait) = self.turns.redeem(now, rate, longest) {
            return Turn::after(wait);
        }
        let wait = self.turns.wait(now, rate);
        if visit.waited + wait > longest {
            return Turn::Later(wait);
        }
        self.turns.take(now, rate);
        Turn::after(wait)
    }

    fn ask_with_turn(&mut self, visit: Visit, limits: (&Room, Option<u32>), draw: Draw) -> Verdict {
        let visit = Visit {
            has_turn: true,
            ..visit
        };
        self.ask_in_flight(visit, limits, draw)
    }

    fn ask_in_flight(
        &mut self,
        visit: Visit,
        (room, own_limit): (&Room, Option<u32>),
        Draw { now, chance }: Draw,
    ) -> Verdict {
        let limit = self.limit(room, own_limit);
        if f64::from(self.in_flight + 1) <= limit {
            self.start(now);
            return Verdict::Start;
        }
        let answers_per_s = limit.max(1.0) / self.effective_duration(now).max(1e-6);
        let own_turn = f64::from(self.waiting + 1) / answers_per_s;
        let silence = if self.in_flight > 0 {
            now.saturating_sub(self.moved_at)
        } else {
            // It is not the endpoint that is busy: all places of its kind are taken.
            LONGEST_WAIT_OF_A_FEW
        };
        let longest = room.longest_wait(self.waiting, LONGEST_WAIT_FOR_END);
        let local = visit.waited + Duration::from_secs_f64(own_turn).max(silence);
        if local < longest {
            self.waiting += 1;
            return Verdict::Wait {
                at_most: longest - visit.waited,
                has_turn: visit.has_turn,
                until_ended: true,
            };
        }
        let spacing = Duration::from_secs_f64(1.0 / answers_per_s.min(TURNS_PER_S));
        let turn = self.next_turn.max(now) + spacing;
        // With nothing under way there is no turn to be estimated: the places of its kind are taken.
        let least = if self.in_flight == 0 {
            shortest(visit.hold)
        } else {
            SHORTEST_PARKING
        };
        let wait = (turn - now).max(least).mul_f64(0.95 + 0.1 * chance);
        match self.within_longest(wait, chance) {
            None => {
                self.next_turn = turn;
                self.park(wait, Parked::InFlight)
            }
            Some(shorter) => self.park(shorter, Parked::InFlight),
        }
    }

    /// Parks a job until the turn that its endpoint's rate has for it.
    fn park_until_turn(
        &mut self,
        rate: Rate,
        wait: Duration,
        Draw { now, chance }: Draw,
    ) -> Verdict {
        let wait = wait.max(SHORTEST_PARKING);
        match self.within_longest(wait, chance) {
            None => {
                self.turns.promise(now + wait, rate);
                self.park(wait, Parked::RateLimit)
            }
            Some(shorter) => self.park(shorter, Parked::RateLimit),
        }
    }

    /// Returns a shorter wait if this one is too long: somewhere in the second half of what is not, so
    /// that those who get one do not come together.
    fn within_longest(&self, wait: Duration, chance: f64) -> Option<Duration> {
        let looks = Duration::from_secs_f64(as_f64(self.parked) / LOOKS_PER_S);
        let longest = LONGEST_PARKING.max(looks);
        (wait > longest).then(|| longest.mul_f64(0.5 + 0.5 * chance))
    }

    fn wait_for_turn(&mut self, at_most: Duration) -> Verdict {
        self.waiting += 1;
        Verdict::Wait {
            at_most,
            has_turn: true,
            until_ended: false,
        }
    }

    fn park(&mut self, wait: Duration, why: Parked) -> Verdict {
        self.parked += 1;
        Verdict::Park { wait, why }
    }

    /// Returns how long attempts take, in seconds: as they did, or as long as nothing has ended.
    fn effective_duration(&self, now: Moment) -> f64 {
        let silence = now.saturating_sub(self.moved_at).as_secs_f64();
        let mean = self.duration.unwrap_or(FIRST_DURATION_S);
        if self.in_flight > 0 {
            mean.max(silence)
        } else {
            mean
        }
    }
}

/// Returns the shortest parking of a job that was parked so often.
fn shortest(hold: u32) -> Duration {
    SHORTEST_PARKING * 2_u32.pow(hold.min(DOUBLINGS))
}

fn as_f64(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

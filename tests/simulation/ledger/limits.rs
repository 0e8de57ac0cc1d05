//! An endpoint's limits, as its receiver would hold us to them.

use std::time::Duration;

use domain::{endpoint::Endpoint, time::Timestamp};

/// The limits of an endpoint, and what it got of late: a bucket that leaks at its rate.
#[derive(Debug, Default)]
pub(super) struct Limits {
    rate: Option<f64>,
    in_flight: Option<usize>,
    level: f64,
    at: Option<Timestamp>,
    /// How late turns might be at the last request.
    late: Duration,
}

impl Limits {
    pub(super) fn set(&mut self, endpoint: &Endpoint) {
        self.rate = endpoint.rate_limit;
        self.in_flight = endpoint
            .max_in_flight
            .map(|most| usize::try_from(most).unwrap());
    }

    /// Counts a request with which so many are under way, and that may come so late; returns which limit
    /// is broken. Nothing counts that came before `steady_from`.
    pub(super) fn check(
        &mut self,
        (at_once, late): (usize, Duration),
        now: Timestamp,
        steady_from: Timestamp,
    ) -> Option<String> {
        let rate = self
            .rate
            .and_then(|rate| self.check_rate((rate, late), now, steady_from));
        let in_flight = self.in_flight.filter(|most| at_once > *most);
        rate.or_else(|| in_flight.map(|most| format!("{at_once} of {most} at once")))
    }

    fn check_rate(
        &mut self,
        (rate, late): (f64, Duration),
        now: Timestamp,
        steady_from: Timestamp,
    ) -> Option<String> {
        let last = self.at.replace(now).unwrap_or(now);
        if last <= steady_from {
            self.level = 0.0;
        }
        if now <= steady_from {
            return None;
        }
        // A second's worth is in the bucket, and each replica's bucket holds at least one.
        let most = rate.max(1.0) + rate * late.as_secs_f64() + 4.0;
        if late < std::mem::replace(&mut self.late, late) {
            // What came together after a stall was allowed then, and is not held against what follows.
            self.level = self.level.min(most - 1.0);
        }
        self.level = (self.level - rate * now.since(last).as_secs_f64()).max(0.0) + 1.0;
        (self.level > most).then(|| format!("{:.1} above {rate} a second", self.level))
    }
}

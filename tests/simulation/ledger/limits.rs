//! An endpoint's limits, as its receiver would hold us to them.

use std::time::Duration;

use domain::{endpoint::Endpoint, time::Timestamp};

/// Turns that were reserved may be taken so much later, by the grain and the lateness of waits.
const LATE: Duration = Duration::from_secs(4);

/// The limits of an endpoint, and what it got of late: a bucket that leaks at its rate.
#[derive(Debug, Default)]
pub(super) struct Limits {
    rate: Option<f64>,
    in_flight: Option<usize>,
    level: f64,
    at: Option<Timestamp>,
}

impl Limits {
    pub(super) fn set(&mut self, endpoint: &Endpoint) {
        self.rate = endpoint.rate_limit;
        self.in_flight = endpoint.max_in_flight.map(|most| usize::try_from(most).unwrap());
    }

    /// Counts a request with which so many are under way; returns which limit is broken. Nothing
    /// counts that came before `steady_from`.
    pub(super) fn check(
        &mut self,
        at_once: usize,
        now: Timestamp,
        steady_from: Timestamp,
    ) -> Option<String> {
        let rate = self.rate.and_then(|rate| self.check_rate(rate, now, steady_from));
        let in_flight = self.in_flight.filter(|most| at_once > *most);
        rate.or_else(|| in_flight.map(|most| format!("{at_once} of {most} at once")))
    }

    fn check_rate(&mut self, rate: f64, now: Timestamp, steady_from: Timestamp) -> Option<String> {
        let last = self.at.replace(now).unwrap_or(now);
        if now <= steady_from {
            self.level = 0.0;
            return None;
        }
        self.level = (self.level - rate * now.since(last).as_secs_f64()).max(0.0) + 1.0;
        // A second's worth is in the bucket, and each replica's bucket holds at least one.
        let most = rate.max(1.0) + rate * LATE.as_secs_f64() + 4.0;
        (self.level > most).then(|| format!("{:.1} above {rate} a second", self.level))
    }
}

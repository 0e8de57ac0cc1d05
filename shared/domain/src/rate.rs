//! How many things a second somebody may ask for: a token bucket that may be overdrawn.

use std::time::Duration;

/// How many seconds' worth of things may be asked for at once by somebody who asked for nothing before.
const BURST_S: u32 = 10;

/// So many things a second, on average over ten seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
}

/// What of a rate is used up, as the moment when nothing is any more. Moments are counted from wherever the
/// caller's clock begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket {
    full_at: Duration,
}

impl Rate {
    /// Makes a rate; 0 means that there is none.
    #[must_use]
    pub fn new(per_second: u32) -> Option<Self> {
        (per_second > 0).then_some(Self { per_second })
    }

    /// Returns how many things a second it is.
    #[must_use]
    pub fn per_second(self) -> u32 {
        self.per_second
    }

    /// Returns how long it takes until so many things more may be asked for.
    fn time_of(self, things: u32) -> Duration {
        Duration::from_secs(u64::from(things)) / self.per_second
    }
}

impl Bucket {
    /// Takes so many things at a moment, if at least one is left: what is asked for together is not taken
    /// apart, and what was taken too much is waited for the longer. Taking nothing only asks.
    ///
    /// # Errors
    /// How long it takes until one is left.
    pub fn take(&mut self, things: u32, now: Duration, rate: Rate) -> Result<(), Duration> {
        let ahead = rate.time_of(rate.per_second.saturating_mul(BURST_S) - 1);
        let wait = self.full_at.saturating_sub(ahead).saturating_sub(now);
        if wait > Duration::ZERO {
            return Err(wait);
        }
        self.full_at = self.full_at.max(now) + rate.time_of(things);
        Ok(())
    }

    /// Returns whether it is as good as a new one.
    #[must_use]
    pub fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{BURST_S, Bucket, Rate};

    #[test]
    fn a_burst_is_taken_and_the_next_one_waits() {
        let (mut bucket, rate) = (Bucket::default(), rate(5));
        let now = Duration::from_secs(100);

        for n in 0..50 {
            assert_eq!(bucket.take(1, now, rate), Ok(()), "{n}");
        }

        let wait = Duration::from_millis(200);
        assert_eq!(bucket.take(1, now, rate), Err(wait));
        assert_eq!(bucket.take(0, now, rate), Err(wait));
        assert_eq!(bucket.take(1, now + wait, rate), Ok(()));
        assert!(bucket.take(1, now + wait, rate).is_err());
    }

    #[test]
    fn much_at_once_is_taken_whole_and_waited_for() {
        let (mut bucket, rate) = (Bucket::default(), rate(10));

        assert_eq!(bucket.take(1_000, Duration::ZERO, rate), Ok(()));

        // The bucket held 100: 900 are owed, and one more must be there.
        let wait = Duration::from_millis(90_100);
        assert_eq!(bucket.take(1, Duration::ZERO, rate), Err(wait));
        assert!(!bucket.is_full(Duration::from_secs(99)));
        assert!(bucket.is_full(Duration::from_secs(100)));
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert_eq!(Rate::new(0), None);
    }

    proptest! {
        #[test]
        fn no_more_is_taken_one_by_one_than_the_rate_and_its_burst(
            per_second in 1_u32..1_000,
            pauses_ms in prop::collection::vec(0_u64..50, 1..500),
        ) {
            let (mut bucket, rate) = (Bucket::default(), rate(per_second));
            let (mut now, mut taken) = (Duration::ZERO, 0_u32);
            for pause in pauses_ms {
                now += Duration::from_millis(pause);
                for _ in 0..20 {
                    taken += u32::from(bucket.take(1, now, rate).is_ok());
                }
            }

            let most = f64::from(per_second) * (f64::from(BURST_S) + now.as_secs_f64());
            prop_assert!(f64::from(taken) <= most + 1.0, "{taken} of {most}");
        }
    }

    fn rate(per_second: u32) -> Rate {
        Rate::new(per_second).unwrap()
    }
}

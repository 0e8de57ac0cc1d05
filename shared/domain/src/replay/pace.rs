//! How fast a replay goes: how large its next page is, and how long it rests after one.

use std::time::Duration;

/// How many pages a second has at least: what a page publishes at once is a burst at the receiver.
const PAGES_PER_SECOND: u32 = 5;
/// The most events that a page looks at.
const LOOK_MAX: usize = 500;
/// The fewest events that a page looks at, so that many which are left out cost few pages.
const LOOK_MIN: usize = 20;
/// How far a replay that was held up may fall behind its rate and still make it good.
const ARREARS_MAX: Duration = Duration::from_millis(100);

/// The pace of a replay, as a schedule on a clock that begins with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    rate_per_second: u32,
    look: usize,
    /// When the next page is due.
    due: Duration,
}

impl Pace {
    /// Makes the pace of that many jobs per second.
    #[must_use]
    pub fn new(rate_per_second: u32) -> Self {
        let mut pace = Self {
            rate_per_second: rate_per_second.max(1),
            look: 0,
            due: Duration::ZERO,
        };
        pace.look = pace.look_first();
        pace
    }

    /// Returns how many jobs the next page makes at most.
    #[must_use]
    pub fn jobs(&self) -> usize {
        usize::try_from(self.rate_per_second / PAGES_PER_SECOND)
            .unwrap_or(usize::MAX)
            .max(1)
    }

    /// Returns how many events the next page looks at: more and more, while none of them is wanted.
    #[must_use]
    pub fn look(&self) -> usize {
        self.look
    }

    /// Notes that a page made that many jobs and ended at `elapsed` on the pace's clock; returns how long
    /// to rest before the next one.
    pub fn rest(&mut self, jobs: usize, elapsed: Duration) -> Duration {
        self.look = if jobs == 0 {
            self.look.saturating_mul(2).min(LOOK_MAX)
        } else {
            self.look_first()
        };
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
        let worth = Duration::from_secs(u64::from(jobs)) / self.rate_per_second;
        let earliest = elapsed.saturating_sub(worth + ARREARS_MAX);
        self.due = self.due.max(earliest) + worth;
        self.due.saturating_sub(elapsed)
    }

    fn look_first(&self) -> usize {
        self.jobs().clamp(LOOK_MIN, LOOK_MAX)
    }
}

/// Returns how many events of a page are dealt with when at most `jobs` of them may become jobs: all up to
/// the first wanted one that is too much.
#[must_use]
pub fn covered(wanted: &[bool], jobs: usize) -> usize {
    let mut left = jobs;
    let too_much = wanted.iter().position(|wanted| {
        if !wanted {
            return false;
        }
        let full = left == 0;
        left = left.saturating_sub(1);
        full
    });
    too_much.unwrap_or(wanted.len())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LOOK_MAX, Pace, covered};

    #[test]
    fn a_page_ends_before_the_first_job_too_many() {
        let check = |wanted: &str, jobs, expected| {
            let wanted: Vec<bool> = wanted.chars().map(|c| c == 'x').collect();
            assert_eq!(covered(&wanted, jobs), expected, "{wanted:?} {jobs}");
        };

        check("", 1, 0);
        check("xxx", 3, 3);
        check("xxx", 2, 2);
        check("x..x", 1, 3);
        check("..x..", 1, 5);
        check(".....", 1, 5);
    }

    #[test]
    fn the_rate_holds_over_five_seconds_however_long_pages_take() {
        for (rate, page_ms) in [
            (1, 0),
            (7, 3),
            (100, 0),
            (100, 150),
            (1_000, 20),
            (1_000, 199),
        ] {
            let times = simulate(rate, |_| Duration::from_millis(page_ms));

            for begin in 0..5 {
                let begin = Duration::from_secs(begin);
                let window = begin..begin + Duration::from_secs(5);
                let jobs: u32 = times
                    .iter()
                    .filter(|(at, _)| window.contains(at))
                    .map(|(_, jobs)| jobs)
                    .sum();
                let exact = 5 * rate;
                let slack = (exact / 10).max(1);
                assert!(
                    jobs.abs_diff(exact) <= slack,
                    "{jobs} at rate {rate}, {page_ms} ms"
                );
            }
        }
    }

    #[test]
    fn what_was_held_up_is_not_made_good_in_one_burst() {
        let times = simulate(100, |page| {
            Duration::from_millis(if page == 5 { 4_000 } else { 1 })
        });

        let held_up = times[5].0;
        let window = held_up..held_up + Duration::from_secs(1);
        let jobs: u32 = times
            .iter()
            .filter(|(at, _)| window.contains(at))
            .map(|(_, jobs)| jobs)
            .sum();
        // The rate, the page that was late, and another one for what may be made good.
        assert!(jobs <= 140, "{jobs} jobs in the second after");
    }

    #[test]
    fn pages_of_unwanted_events_grow_and_cost_no_rest() {
        let mut pace = Pace::new(1);
        let mut looks = Vec::new();
        for _ in 0..8 {
            looks.push(pace.look());
            assert_eq!(pace.rest(0, Duration::from_secs(1)), Duration::ZERO);
        }

        assert_eq!(looks, [20, 40, 80, 160, 320, LOOK_MAX, LOOK_MAX, LOOK_MAX]);
        assert_eq!(
            pace.rest(1, Duration::from_secs(1)),
            Duration::from_millis(900)
        );
        assert_eq!(pace.look(), 20);
    }

    /// Runs eleven seconds of full pages; returns when each ended and what it made.
    fn simulate(rate: u32, page: impl Fn(usize) -> Duration) -> Vec<(Duration, u32)> {
        let mut pace = Pace::new(rate);
        let (mut clock, mut times) = (Duration::ZERO, Vec::new());
        while clock < Duration::from_secs(11) {
            clock += page(times.len());
            let jobs = pace.jobs();
            times.push((clock, u32::try_from(jobs).unwrap()));
            clock += pace.rest(jobs, clock);
        }
        times
    }
}

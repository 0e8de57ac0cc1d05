//! Figures about the attempts of an endpoint in a window of time, from all of them or from samples.
//!
//! **Invariant:** figures from complete slices are exact; a slice that was cut counts for what it stands for, and
//! the figures say so.

use std::time::Duration;

use crate::time::Timestamp;

/// The longest window.
pub const WINDOW_MAX: Duration = Duration::from_secs(31 * 86_400);
/// The shortest window.
pub const WINDOW_MIN: Duration = Duration::from_secs(60);
/// The most points of a series.
pub const POINTS_MAX: u64 = 48;

/// How far apart the points of a series may lie.
const STEPS: [Duration; 8] = [
    Duration::from_secs(5),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(3_600),
    Duration::from_secs(3 * 3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(86_400),
];

/// A window of time: its beginning belongs to it, its end does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from: Timestamp,
    until: Timestamp,
}

/// Why two times are no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a minute to 31 days before the end of the window")]
pub struct InvalidWindow;

/// One attempt, as far as figures are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When it began.
    pub at: Timestamp,
    /// Whether the receiver took the event.
    pub is_success: bool,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
}

/// The attempts in a part of a window, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The part.
    pub part: Window,
    /// Its attempts; those before `cut_at` if there are more.
    pub samples: Vec<Sample>,
    /// When the first attempt began that was left out.
    pub cut_at: Option<Timestamp>,
}

/// Figures about a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// How many attempts succeeded.
    pub succeeded: u64,
    /// How many attempts failed.
    pub failed: u64,
    /// How long attempts took; `None` if there were none.
    pub durations: Option<Durations>,
    /// The same in the course of time.
    pub points: Vec<Point>,
    /// Whether every attempt was counted; otherwise the figures are estimates.
    pub is_exact: bool,
}

/// How long attempts took, in milliseconds: so many of a hundred took no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durations {
    /// Half of them.
    pub p50: u32,
    /// 95 of a hundred.
    pub p95: u32,
    /// 99 of a hundred.
    pub p99: u32,
}

/// One point of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The beginning of the time that it stands for.
    pub at: Timestamp,
    /// How many attempts succeeded.
    pub succeeded: u64,
    /// How many attempts failed.
    pub failed: u64,
}

impl Window {
    /// Makes a window.
    ///
    /// # Errors
    /// [`InvalidWindow`] if it is shorter than [`WINDOW_MIN`] or longer than [`WINDOW_MAX`].
    pub fn try_new(from: Timestamp, until: Timestamp) -> Result<Self, InvalidWindow> {
        let length = until.since(from);
        if (WINDOW_MIN..=WINDOW_MAX).contains(&length) {
            Ok(Self { from, until })
        } else {
            Err(InvalidWindow)
        }
    }

    /// Returns the beginning.
    #[must_use]
    pub fn from(self) -> Timestamp {
        self.from
    }

    /// Returns the end.
    #[must_use]
    pub fn until(self) -> Timestamp {
        self.until
    }

    /// Returns how far apart the points of its series lie.
    #[must_use]
    pub fn step(self) -> Duration {
        let length = self.until.since(self.from);
        let fits = |step: &&Duration| {
            length.as_millis().div_ceil(step.as_millis()) <= u128::from(POINTS_MAX)
        };
        STEPS.iter().find(fits).copied().unwrap_or(WINDOW_MAX)
    }

    /// Returns parts of the window, so many for each point of its series.
    #[must_use]
    pub fn parts(self, parts_per_point: u32) -> Vec<Self> {
        let part = self.step() / parts_per_point.max(1);
        let mut parts = Vec::new();
        let mut from = self.from;
        while from < self.until && !part.is_zero() {
            let until = from.after(part).min(self.until);
            parts.push(Self { from, until });
            from = until;
        }
        parts
    }

    fn millis(self) -> f64 {
        self.until.since(self.from).as_secs_f64() * 1_000.0
    }
}

impl Slice {
    /// Returns how many attempts each of the samples stands for: those that were left out are taken to be like
    /// those before them.
    fn weight(&self) -> f64 {
        self.cut_at.map_or(1.0, |cut_at| {
            let covered = cut_at.since(self.part.from).as_secs_f64() * 1_000.0;
            (self.part.millis() / covered.max(1.0)).max(1.0)
        })
    }
}

impl Figures {
    /// Works out the figures of a window from slices of it.
    #[must_use]
    pub fn of(window: Window, slices: &[Slice]) -> Self {
        let mut tallies: Vec<Tally> = window.parts(1).into_iter().map(Tally::new).collect();
        let mut durations = Vec::new();
        for slice in slices {
            let weight = slice.weight();
            for sample in &slice.samples {
                let at = tallies.partition_point(|tally| tally.part.until <= sample.at);
                if let Some(tally) = tallies.get_mut(at) {
                    tally.add(sample, weight);
                    durations.push((sample.duration_ms, weight));
                }
            }
        }
        let points: Vec<_> = tallies.iter().map(Tally::point).collect();
        Self {
            succeeded: points.iter().map(|point| point.succeeded).sum(),
            failed: points.iter().map(|point| point.failed).sum(),
            durations: Durations::of(durations),
            points,
            is_exact: slices.iter().all(|slice| slice.cut_at.is_none()),
        }
    }

    /// Returns how many attempts there were.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.succeeded.saturating_add(self.failed)
    }
}

/// What is counted for one point.
struct Tally {
    part: Window,
    succeeded: f64,
    failed: f64,
}

impl Tally {
    fn new(part: Window) -> Self {
        Self {
            part,
            succeeded: 0.0,
            failed: 0.0,
        }
    }

    fn add(&mut self, sample: &Sample, weight: f64) {
        if sample.is_success {
            self.succeeded += weight;
        } else {
            self.failed += weight;
        }
    }

    fn point(&self) -> Point {
        Point {
            at: self.part.from,
            succeeded: whole(self.succeeded),
            failed: whole(self.failed),
        }
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count that is not negative; the conversion saturates"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

impl Durations {
    /// Returns the percentiles by nearest rank of durations with their weights.
    fn of(mut durations: Vec<(u32, f64)>) -> Option<Self> {
        durations.sort_unstable_by_key(|(duration, _)| *duration);
        let total: f64 = durations.iter().map(|(_, weight)| weight).sum();
        let rank = |share: f64| {
            // A hair less, because sums of fractions are not exact.
            let wanted = total * share - 1e-6;
            let mut passed = 0.0;
            let found = durations.iter().find(|(_, weight)| {
                passed += weight;
                passed >= wanted
            });
            found.or(durations.last()).map(|(duration, _)| *duration)
        };
        Some(Self {
            p50: rank(0.50)?,
            p95: rank(0.95)?,
            p99: rank(0.99)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Durations, Figures, Point, Sample, Slice, Window};
    use crate::time::Timestamp;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_window_has_bounds_and_a_step_that_fits() {
        for (length, step_s, points) in [
            (60_000, 5, 12),
            (30 * 60_000, 60, 30),
            (HOUR, 5 * 60, 12),
            (24 * HOUR, 3_600, 24),
            (24 * HOUR + 1, 3_600, 25),
            (7 * 24 * HOUR, 6 * 3_600, 28),
            (31 * 24 * HOUR, 86_400, 31),
        ] {
            let window = window(length);
            assert_eq!(window.step(), Duration::from_secs(step_s), "{length}");
            assert_eq!(window.parts(1).len(), points, "{length}");
            let parts = window.parts(12);
            assert_eq!(parts.first().map(|part| part.from), Some(window.from));
            assert_eq!(parts.last().map(|part| part.until), Some(window.until));
            assert!(parts.is_sorted_by(|a, b| a.until == b.from));
        }
        for length in [0, 59_999, -HOUR, 31 * 24 * HOUR + 1] {
            assert!(Window::try_new(at(0), at(length)).is_err(), "{length}");
        }
    }

    #[test]
    fn every_attempt_counts_once_and_where_it_began() {
        let window = window(24 * HOUR);
        let samples = vec![
            sample(0, true, 10),
            sample(HOUR - 1, false, 30),
            sample(HOUR, true, 20),
            sample(24 * HOUR - 1, true, 40),
        ];

        let figures = Figures::of(window, &[slice(window, samples, None)]);

        assert_eq!((figures.succeeded, figures.failed), (3, 1));
        assert_eq!(figures.attempts(), 4);
        assert!(figures.is_exact);
        let point = |hour: i64, succeeded, failed| Point {
            at: at(hour * HOUR),
            succeeded,
            failed,
        };
        assert_eq!(figures.points.len(), 24);
        assert_eq!(figures.points[0], point(0, 1, 1));
        assert_eq!(figures.points[1], point(1, 1, 0));
        assert_eq!(figures.points[2], point(2, 0, 0));
        assert_eq!(figures.points[23], point(23, 1, 0));
        let durations = figures.durations.unwrap();
        assert_eq!((durations.p50, durations.p95, durations.p99), (20, 40, 40));
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let of = |durations: std::ops::RangeInclusive<u32>| {
            let durations = durations.map(|duration| (duration, 1.0)).collect();
            Durations::of(durations).map(|found| (found.p50, found.p95, found.p99))
        };

        assert_eq!(of(1..=100), Some((50, 95, 99)));
        assert_eq!(of(1..=1_000), Some((500, 950, 990)));
        assert_eq!(of(7..=7), Some((7, 7, 7)));
        #[expect(clippy::reversed_empty_ranges, reason = "no durations at all")]
        let none = of(1..=0);
        assert_eq!(none, None);
    }

    #[test]
    fn a_slice_that_was_cut_stands_for_all_of_it() {
        let window = window(24 * HOUR);
        let parts = window.parts(1);
        // A hundred attempts in the first quarter of the first hour, of which one in four fails.
        let first = (0..100)
            .map(|n| sample(n * 9_000, n % 4 != 0, 10))
            .collect();
        let second = vec![sample(HOUR, true, 500)];

        let figures = Figures::of(
            window,
            &[
                slice(parts[0], first, Some(at(HOUR / 4))),
                slice(parts[1], second, None),
            ],
        );

        assert!(!figures.is_exact);
        assert_eq!((figures.succeeded, figures.failed), (301, 100));
        let durations = figures.durations.unwrap();
        assert_eq!((durations.p50, durations.p99), (10, 10));
    }

    #[test]
    fn a_slice_cut_within_its_first_millisecond_is_no_division_by_zero() {
        let window = window(60_000);
        let samples = vec![sample(0, true, 1)];

        let figures = Figures::of(window, &[slice(window, samples, Some(at(0)))]);

        assert_eq!(figures.succeeded, 60_000);
    }

    fn window(length: i64) -> Window {
        Window::try_new(at(0), at(length)).unwrap()
    }

    fn slice(part: Window, samples: Vec<Sample>, cut_at: Option<Timestamp>) -> Slice {
        Slice {
            part,
            samples,
            cut_at,
        }
    }

    fn sample(millis: i64, is_success: bool, duration_ms: u32) -> Sample {
        Sample {
            at: at(millis),
            is_success,
            duration_ms,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }
}

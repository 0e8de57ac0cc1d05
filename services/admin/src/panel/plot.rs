//! Plots as SVG: bars over time, and a retry policy's timetable. Colours come from the style by class.

use domain::retry::RetryPolicy;

use super::shown::span;

/// The height of a sparkline's viewbox, and the width of one of its bars with the gap behind it.
const HEIGHT: u64 = 24;
const BAR: usize = 4;
/// The width of a timetable's viewbox, without its margins.
const LINE: f64 = 560.0;
/// The most retries that a timetable lists.
const LISTED_MAX: u32 = 100;

/// Bars over time.
#[derive(Debug, Default)]
pub(super) struct Bars {
    pub(super) width: usize,
    pub(super) height: u64,
    /// What it shows, in words.
    pub(super) label: String,
    pub(super) bars: Vec<Bar>,
}

/// One bar: what failed stands on top of what succeeded.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) good_y: u64,
    pub(super) good_height: u64,
    pub(super) bad_y: u64,
    pub(super) bad_height: u64,
}

impl Bars {
    /// Draws how many succeeded and failed at each point.
    pub(super) fn of(points: &[(u64, u64)]) -> Self {
        let most = points.iter().map(|(good, bad)| good + bad).max();
        let most = most.unwrap_or(0).max(1);
        // What is there at all is seen, however little it is.
        let scaled = |count: u64| (count * HEIGHT).div_ceil(most).min(HEIGHT);
        let bars = points.iter().enumerate().map(|(at, (good, bad))| {
            let bad_height = scaled(*bad);
            let good_height = scaled(*good).min(HEIGHT - bad_height);
            Bar {
                x: at * BAR,
                good_y: HEIGHT - good_height,
                good_height,
                bad_y: HEIGHT - good_height - bad_height,
                bad_height,
            }
        });
        let (good, bad) = points.iter().fold((0, 0), |(good, bad), (more, worse)| {
            (good + more, bad + worse)
        });
        Self {
            width: points.len() * BAR,
            height: HEIGHT,
            label: format!("{good} succeeded, {bad} failed"),
            bars: bars.collect(),
        }
    }
}

/// When attempts are made, if all of them fail.
#[derive(Debug)]
pub(super) struct Timetable {
    pub(super) ticks: Vec<Tick>,
    pub(super) width: f64,
}

/// One attempt of a timetable.
#[derive(Debug)]
pub(super) struct Tick {
    /// 1 for the first attempt.
    pub(super) attempt: u32,
    pub(super) x: f64,
    /// The wait before it; empty for the first.
    pub(super) wait: String,
    /// How long after the first it is made.
    pub(super) total: String,
}

impl Timetable {
    /// Draws what a policy comes to without jitter; the axis is logarithmic, for delays grow so.
    pub(super) fn of(policy: &RetryPolicy, max_retries: u32) -> Self {
        let mut total_ms: u64 = 0;
        let mut times = vec![(1, String::new(), 0)];
        for retry in 1..=max_retries.min(LISTED_MAX) {
            let wait = policy.delay_before(retry, 0.5).as_millis();
            let wait = u64::try_from(wait).unwrap_or(u64::MAX);
            total_ms = total_ms.saturating_add(wait);
            times.push((retry.saturating_add(1), span(wait), total_ms));
        }
        let longest = scale(total_ms).max(1.0);
        let ticks = times.into_iter().map(|(attempt, wait, total)| Tick {
            attempt,
            x: (10.0 + LINE * scale(total) / longest).round(),
            wait,
            total: span(total),
        });
        Self {
            ticks: ticks.collect(),
            width: LINE + 20.0,
        }
    }
}

impl Timetable {
    /// Returns how long after the first attempt the last is made; `None` if there is but one.
    pub(super) fn total(&self) -> Option<&str> {
        let last = self.ticks.last().filter(|last| last.attempt > 1);
        last.map(|last| last.total.as_str())
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a place on a plot needs no more digits"
)]
fn scale(millis: u64) -> f64 {
    (millis as f64 / 1_000.0).ln_1p()
}

#[cfg(test)]
mod tests {
    use domain::retry::{Preset, RetryPolicy};

    use super::{Bars, Timetable};

    #[test]
    fn a_bar_is_as_high_as_the_most_and_nothing_is_lost() {
        let drawn = Bars::of(&[(100, 0), (0, 0), (50, 1), (0, 100)]);
        let heights: Vec<_> = drawn
            .bars
            .iter()
            .map(|bar| (bar.good_height, bar.bad_height))
            .collect();

        assert_eq!(heights, [(24, 0), (0, 0), (12, 1), (0, 24)]);
        assert_eq!(drawn.label, "150 succeeded, 101 failed");
        assert_eq!(Bars::of(&[]).width, 0);
    }

    #[test]
    fn a_timetable_adds_the_waits_up() {
        let policy = RetryPolicy {
            preset: Preset::Qstash,
            ..RetryPolicy::default()
        };

        let drawn = Timetable::of(&policy, 2);
        let told: Vec<_> = drawn
            .ticks
            .iter()
            .map(|tick| (tick.attempt, tick.wait.as_str(), tick.total.as_str()))
            .collect();

        assert_eq!(
            told,
            [
                (1, "", "0 ms"),
                (2, "12.1 s", "12.1 s"),
                (3, "2 min 28 s", "2 min 40 s")
            ]
        );
        assert!(drawn.ticks.is_sorted_by(|left, right| left.x < right.x));
    }
}

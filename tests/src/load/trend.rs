//! A straight line through points, by least squares.

use serde::Serialize;

use super::ratio;

/// A line from the first point's place to the last one's.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Trend {
    pub(crate) mean: f64,
    /// The line's value at the first point.
    pub(crate) first: f64,
    /// The line's value at the last point.
    pub(crate) last: f64,
    /// By how much it rises with 1 on the other axis.
    pub(crate) slope: f64,
}

impl Trend {
    /// Returns the line through points in the order of their first number, or nothing when there are fewer than two.
    pub(crate) fn of(points: &[(f64, f64)]) -> Option<Self> {
        let [(start, _), .., (end, _)] = points else {
            return None;
        };
        let count = ratio(u64::try_from(points.len()).ok()?, 1.0);
        let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
        let mean = points.iter().map(|(_, y)| y).sum::<f64>() / count;
        let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let common: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean)).sum();
        let slope = if spread > 0.0 { common / spread } else { 0.0 };
        Some(Self {
            mean,
            first: mean + slope * (start - mean_x),
            last: mean + slope * (end - mean_x),
            slope,
        })
    }

    /// Returns by how much the line rises from its first point to its last.
    pub(crate) fn rise(self) -> f64 {
        self.last - self.first
    }
}

#[cfg(test)]
mod tests {
    use super::Trend;

    #[test]
    fn a_line_with_noise_on_both_sides_is_that_line() {
        let noise = [1.0, -1.0, -1.0, 1.0];
        let points = (0..40_u32).zip(noise.into_iter().cycle());
        let points: Vec<_> = points
            .map(|(x, noise)| (f64::from(x), 5.0 + 2.0 * f64::from(x) + noise))
            .collect();

        let trend = Trend::of(&points).unwrap();

        assert!((trend.slope - 2.0).abs() < 0.01, "{trend:?}");
        assert!((trend.rise() - 78.0).abs() < 0.5, "{trend:?}");
    }

    #[test]
    fn one_point_has_no_trend() {
        assert!(Trend::of(&[(1.0, 1.0)]).is_none());
    }
}

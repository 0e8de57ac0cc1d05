//! Counts of durations in buckets that grow with the value: at most 1.6 % off, any number of values.

use std::time::Duration;

/// Buckets for each doubling of the value, as a power of two.
const DETAIL_BITS: u32 = 6;
const DETAIL: u64 = 1 << DETAIL_BITS;

/// Microseconds and how often each was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max_us: u64,
}

impl Histogram {
    pub(crate) fn record(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let index = index_of(us);
        if index >= self.buckets.len() {
            self.buckets.resize(index + 1, 0);
        }
        self.buckets[index] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// Adds what another one has recorded.
    pub(crate) fn add(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (own, others) in self.buckets.iter_mut().zip(&other.buckets) {
            *own += others;
        }
        self.count += other.count;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// Returns the value in milliseconds below which this many of a thousand lie.
    pub(crate) fn per_mille_ms(&self, per_mille: u64) -> f64 {
        let wanted = (self.count * per_mille).div_ceil(1000).max(1);
        let mut passed = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            passed += count;
            if passed >= wanted {
                return super::ratio(upper_us(index).min(self.max_us), 1000.0);
            }
        }
        0.0
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn max_ms(&self) -> f64 {
        super::ratio(self.max_us, 1000.0)
    }
}

/// The first 128 values have a bucket each; from there on each doubling has 64.
fn index_of(us: u64) -> usize {
    let magnitude = u64::BITS - us.leading_zeros();
    let shift = magnitude.saturating_sub(DETAIL_BITS + 1);
    let index = u64::from(shift) * DETAIL + (us >> shift);
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn upper_us(index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    let shift = (index / DETAIL).saturating_sub(1);
    let start = (index - shift * DETAIL) << shift;
    start + (1 << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_that_ends_at_most_one_64th_above_it() {
        for us in (0..5_000).chain([65_535, 65_536, 1_000_000, 123_456_789]) {
            let upper = upper_us(index_of(us));

            assert!(upper >= us, "{us}: {upper}");
            assert!(upper - us <= us / 64, "{us}: {upper}");
        }
    }

    #[test]
    fn percentiles_of_a_thousand_values_are_those_values() {
        let mut histogram = Histogram::default();
        for ms in 1..=1000 {
            histogram.record(Duration::from_millis(ms));
        }

        assert!((histogram.per_mille_ms(500) - 500.0).abs() < 9.0);
        assert!((histogram.per_mille_ms(990) - 990.0).abs() < 17.0);
        assert!((histogram.per_mille_ms(1000) - 1000.0).abs() < f64::EPSILON);
        assert!((histogram.max_ms() - 1000.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_sum_has_what_both_have() {
        let of = |range: std::ops::RangeInclusive<u64>| {
            let mut histogram = Histogram::default();
            for ms in range {
                histogram.record(Duration::from_millis(ms));
            }
            histogram
        };
        let mut sum = of(1..=10);

        sum.add(&of(11..=100));

        assert_eq!(sum.buckets, of(1..=100).buckets);
        assert_eq!((sum.count(), sum.max_us), (100, 100_000));
    }

    #[test]
    fn nothing_recorded_is_zero() {
        assert!(Histogram::default().per_mille_ms(500).abs() < f64::EPSILON);
    }
}

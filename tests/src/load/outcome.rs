//! What a measurement of speed came to.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{histogram::Histogram, ratio, scenario::Scenario, tally::Totals};

/// What was measured. Times are in milliseconds, memory is in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What was asked for.
    pub scenario: Scenario,
    /// Events answered with 202.
    pub accepted: u64,
    /// Events answered with 503.
    pub refused: u64,
    /// First arrivals at the receiver.
    pub delivered: u64,
    /// Requests that the receiver answered with 500, as it was told to.
    pub failures: u64,
    /// Further arrivals of the same event at the same endpoint.
    pub duplicates: u64,
    /// Arrivals that were not what had been sent.
    pub malformed: u64,
    /// Deliveries that never arrived although the event was accepted.
    pub lost: u64,
    /// Events a second after the warm-up.
    pub accepted_per_s: f64,
    /// Deliveries a second after the warm-up.
    pub delivered_per_s: f64,
    /// From when an event was due to be sent to its arrival, of those taken at the first attempt: p50, p90, p99, max.
    pub delivery_ms: [f64; 4],
    /// The same of those taken at a later attempt.
    pub retried_ms: [f64; 4],
    /// From when an event was due to be sent to its 202: p50, p90, p99, max.
    pub acceptance_ms: [f64; 4],
    /// From the end of sending until everything was delivered and logged.
    pub drain_s: f64,
    /// By process, from the first event to the last record.
    pub cpu_s_per_1000: BTreeMap<&'static str, f64>,
    /// Sum of the above.
    pub cpu_s_per_1000_total: f64,
    /// By process.
    pub peak_bytes: BTreeMap<&'static str, u64>,
    /// Sum of the above.
    pub peak_bytes_total: u64,
}

/// Events and deliveries a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) accepted: f64,
    pub(crate) delivered: f64,
}

/// What is not in the tally.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) rates: Rates,
    pub(crate) drain_s: f64,
    /// Processor time in seconds, by process.
    pub(crate) used: BTreeMap<&'static str, f64>,
    /// Bytes, by process.
    pub(crate) peak: BTreeMap<&'static str, u64>,
}

impl Outcome {
    pub(crate) fn of(scenario: &Scenario, totals: &Totals, measured: Measured) -> Self {
        let thousands = ratio(totals.delivered.max(1), 1_000.0);
        let used = measured.used.iter();
        let cpu_s_per_1000: BTreeMap<_, _> =
            used.map(|(name, cpu)| (*name, cpu / thousands)).collect();
        Self {
            scenario: scenario.clone(),
            accepted: totals.accepted,
            refused: totals.refused,
            delivered: totals.delivered,
            failures: totals.failures,
            duplicates: totals.duplicates,
            malformed: totals.malformed,
            lost: totals.lost,
            accepted_per_s: measured.rates.accepted,
            delivered_per_s: measured.rates.delivered,
            delivery_ms: percentiles(&totals.delivery),
            retried_ms: percentiles(&totals.retried),
            acceptance_ms: percentiles(&totals.acceptance),
            drain_s: measured.drain_s,
            cpu_s_per_1000_total: cpu_s_per_1000.values().sum(),
            cpu_s_per_1000,
            peak_bytes_total: measured.peak.values().sum(),
            peak_bytes: measured.peak,
        }
    }

    /// Says what is not as it must be on a broker and services that nobody disturbs: everything arrives once,
    /// as it was sent.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let counts = [
            (self.lost, "lost"),
            (self.malformed, "changed on their way"),
            (self.duplicates, "repeated"),
        ];
        let faults = counts.into_iter().filter(|(count, _)| *count > 0);
        let name = &self.scenario.name;
        let mut faults: Vec<_> = faults
            .map(|(count, how)| format!("{count} deliveries of \"{name}\" were {how}"))
            .collect();
        if self.delivered == 0 {
            faults.push(format!("nothing of \"{name}\" was delivered"));
        }
        faults
    }
}

fn percentiles(histogram: &Histogram) -> [f64; 4] {
    let [p50, p90, p99] = [500, 900, 990].map(|rank| histogram.per_mille_ms(rank));
    [p50, p90, p99, histogram.max_ms()]
}

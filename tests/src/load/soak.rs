//! An installation under an even load for a long time: its memory must not grow.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::json;

use super::{
    finding::{Finding, Times, arrived, losses, repeats},
    installation::{Installation, StoreKind},
    measuring::{receiver, run},
    ratio,
    scenario::Scenario,
    sender::{Sender, Stop},
    tally::Tally,
    trend::Trend,
    usage::{Group, memory_bytes},
};

const EVENT_NAME: &str = "soak-test";
/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// How long the maximum is looked for.
const MAXIMUM_S: f64 = 20.0;
/// How long nothing may arrive before what is left counts as lost: above the broker's wait for an ack.
const STANDSTILL: Duration = Duration::from_secs(60);
/// The part at the beginning that may rise: caches fill, and the broker remembers ids for ten minutes.
const FILLING: f64 = 0.25;
/// How much memory may rise over the rest, by its mean and in bytes.
const RISE_PART: f64 = 0.1;
const RISE_BYTES: f64 = 8.0 * MIB;
const MIB: f64 = 1024.0 * 1024.0;
/// Which of the samples are printed: one in three minutes.
const SHOWN_EVERY: usize = 18;

/// What to do for how long.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Soak {
    /// For how long, in minutes.
    pub minutes: u64,
    /// Events a second; half of the maximum, which is looked for first, unless it is given.
    pub rate: Option<f64>,
    /// Size of an event, in bytes.
    pub payload_bytes: usize,
    /// Which store.
    pub store: StoreKind,
}

/// Memory by process after so many seconds, in bytes.
#[derive(Clone, Debug, Serialize)]
struct Sample {
    at_s: f64,
    bytes: BTreeMap<&'static str, u64>,
}

impl Soak {
    /// Measures on a fresh installation, and shows memory now and then meanwhile.
    ///
    /// # Errors
    /// Fails when events are refused for another reason than load.
    ///
    /// # Panics
    /// Panics when the installation does not start.
    pub async fn measure(&self, show: impl Fn(&str)) -> anyhow::Result<Finding> {
        anyhow::ensure!(self.minutes > 0, "at least one minute");
        let rate = match self.rate {
            Some(rate) => rate,
            None => self.half_of_the_maximum().await?,
        };
        anyhow::ensure!(rate > 0.0, "more than no event a second");
        let tally = Arc::new(Tally::new(EVENT_NAME, 1));
        let installation = Installation::start(self.store).await;
        let receiver = receiver(&tally);
        let bench = &installation.bench;
        bench
            .register(&receiver.url("/0"), &[EVENT_NAME], json!({}))
            .await;
        let sender = Sender {
            connections: 32,
            ..installation.sender(&tally, self.payload_bytes)?
        };
        let samples = self.sampled(&installation, (&sender, rate), show).await?;
        arrived(&tally, STANDSTILL).await;

        let mut finding = self.finding(rate, &samples, &tally);
        finding.faults.extend(losses("the run", &tally));
        finding.faults.extend(repeats("the run", &tally));
        Ok(finding)
    }

    /// Sends at the rate, and looks at memory meanwhile.
    async fn sampled(
        &self,
        installation: &Installation,
        (sender, rate): (&Sender, f64),
        show: impl Fn(&str),
    ) -> anyhow::Result<Vec<Sample>> {
        let duration = Duration::from_secs(60 * self.minutes);
        let stop = Stop::after(duration);
        let sending = sender.at_rate(&stop, rate);
        let sampling = async {
            let began = Instant::now();
            let mut samples = vec![sample(&installation.groups, began)];
            show(&header(&samples[0]));
            while began.elapsed() + SAMPLE_EVERY <= duration {
                tokio::time::sleep(SAMPLE_EVERY).await;
                let sample = sample(&installation.groups, began);
                if samples.len().is_multiple_of(SHOWN_EVERY) {
                    show(&row(&sample));
                }
                samples.push(sample);
            }
            samples
        };
        let (sent, samples) = tokio::join!(sending, sampling);
        sent.map(|()| samples)
    }

    async fn half_of_the_maximum(&self) -> anyhow::Result<f64> {
        let maximum = Scenario {
            name: "the maximum".to_owned(),
            duration_s: MAXIMUM_S,
            payload_bytes: self.payload_bytes,
            store: self.store,
            ..Scenario::default()
        };
        Ok(run(&maximum).await?.delivered_per_s / 2.0)
    }

    fn finding(&self, rate: f64, samples: &[Sample], tally: &Tally) -> Finding {
        let totals = tally.totals();
        let times = Times::of(&totals.delivery);
        let trends = trends(samples);
        let mut lines = vec![
            format!("{} minutes at {rate:.0} events a second", self.minutes),
            times.line("due to received"),
            format!(
                "delivered {} of {}, refused {}",
                totals.delivered, totals.accepted, totals.refused
            ),
        ];
        lines.extend(samples.first().map(header));
        lines.extend(samples.iter().step_by(SHOWN_EVERY).map(row));
        lines.push("after the first quarter, by a straight line:".to_owned());
        lines.extend(trends.iter().map(|(name, trend)| line(name, *trend)));
        let rising = trends.iter().filter(|(_, trend)| !is_flat(**trend));
        Finding {
            name: "soak",
            faults: rising
                .map(|(name, trend)| {
                    format!("memory of {name} rises by {:.1} MiB", trend.rise() / MIB)
                })
                .collect(),
            lines,
            figures: json!({
                "minutes": self.minutes, "rate": rate, "delivered": totals.delivered,
                "lost": totals.lost, "duplicates": totals.duplicates, "refused": totals.refused,
                "delivery": times, "samples": samples, "trends": trends,
            }),
        }
    }
}

fn sample(groups: &[Group], began: Instant) -> Sample {
    Sample {
        at_s: began.elapsed().as_secs_f64(),
        bytes: memory_bytes(groups),
    }
}

/// Returns the trend of each process's memory after the first quarter.
fn trends(samples: &[Sample]) -> BTreeMap<&'static str, Trend> {
    let end = samples.last().map_or(0.0, |sample| sample.at_s);
    let steady = samples.iter().filter(|sample| sample.at_s >= end * FILLING);
    let steady: Vec<&Sample> = steady.collect();
    let names = samples.iter().flat_map(|sample| sample.bytes.keys());
    let trend = |name: &&'static str| {
        let points = steady
            .iter()
            .filter_map(|sample| Some((sample.at_s, ratio(*sample.bytes.get(name)?, 1.0))));
        Some((*name, Trend::of(&points.collect::<Vec<_>>())?))
    };
    names.filter_map(trend).collect()
}

fn is_flat(trend: Trend) -> bool {
    trend.rise() <= RISE_BYTES.max(trend.mean * RISE_PART)
}

fn line(name: &str, trend: Trend) -> String {
    format!(
        "{name:<22} {:>8.1} to {:>8.1} MiB, {:>+8.2} MiB an hour",
        trend.first / MIB,
        trend.last / MIB,
        trend.slope * 3_600.0 / MIB
    )
}

fn header(sample: &Sample) -> String {
    let names = sample.bytes.keys();
    let cells = names.map(|name| format!(" {:>11}", name.trim_start_matches("posthorn-")));
    format!("MiB after s{}", cells.collect::<String>())
}

fn row(sample: &Sample) -> String {
    let of_each = sample.bytes.values();
    let cells = of_each.map(|bytes| format!(" {:>11.1}", ratio(*bytes, MIB)));
    format!("{:>11.0}{}", sample.at_s, cells.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rises_in_the_first_quarter_only_is_flat() {
        let at = |second: u32| 100 * 1_024 * 1_024 + 1_024 * 1_024 * u64::from(second.min(900));

        let trends = trends(&samples(at));

        assert!(is_flat(trends["broker"]), "{trends:?}");
    }

    #[test]
    fn what_goes_on_rising_is_not() {
        let trends = trends(&samples(|second| 100_000_000 + 10_000 * u64::from(second)));

        assert!(!is_flat(trends["broker"]), "{trends:?}");
    }

    fn samples(bytes: impl Fn(u32) -> u64) -> Vec<Sample> {
        let sample = |second| Sample {
            at_s: f64::from(second),
            bytes: [("broker", bytes(second))].into(),
        };
        (0..=3_600).step_by(10).map(sample).collect()
    }
}

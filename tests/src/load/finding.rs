//! What a scenario comes to, and the figures that those of isolation share.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    histogram::Histogram,
    installation::StoreKind,
    ratio,
    sender::{Sender, Stop},
    tally::Tally,
    usage::{Group, cpu_s},
};

/// How long the last events of a phase may take to arrive.
const SETTLE_BOUND: Duration = Duration::from_secs(10);
/// How often it is looked whether they have, or whether a queue has been worked off.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the named scenarios have in common.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Settings {
    /// How many jobs pile up; each scenario has its own default.
    pub jobs: Option<u64>,
    /// How many configs no event goes to, where there are many.
    pub configs: Option<u64>,
    /// Events a second to the healthy endpoint.
    pub rate: f64,
    /// How long each phase is measured, in seconds.
    pub duration_s: f64,
    /// Size of an event, in bytes.
    pub payload_bytes: usize,
    /// Which store.
    pub store: StoreKind,
}

/// What a scenario came to.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The scenario.
    pub name: &'static str,
    /// The figures for people, one on a line.
    pub lines: Vec<String>,
    /// The figures for programs.
    pub figures: Value,
    /// What is not as promised; none if all is.
    pub faults: Vec<String>,
}

impl Finding {
    /// Returns the figures, and `ok` or what is not as promised.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!("\n{}\n", self.name);
        for line in &self.lines {
            writeln!(text, "  {line}").expect("writing into a string cannot fail");
        }
        if self.faults.is_empty() {
            text.push_str("  ok\n");
        }
        for fault in &self.faults {
            writeln!(text, "  FAILED: {fault}").expect("writing into a string cannot fail");
        }
        text
    }

    /// Returns the figures with the name and the faults.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"scenario": self.name, "figures": self.figures, "faults": self.faults})
    }
}

/// From when events were due to be sent to their arrival, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Times {
    pub(crate) events: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Times {
    pub(crate) fn of(histogram: &Histogram) -> Self {
        Self {
            events: histogram.count(),
            p50_ms: histogram.per_mille_ms(500),
            p99_ms: histogram.per_mille_ms(990),
            max_ms: histogram.max_ms(),
        }
    }

    pub(crate) fn line(self, what: &str) -> String {
        let Self {
            events,
            p50_ms,
            p99_ms,
            max_ms,
        } = self;
        format!(
            "{what:<34} p50 {p50_ms:>9.2} ms   p99 {p99_ms:>9.2}   max {max_ms:>9.2}   of {events}"
        )
    }

    /// Returns how many times the other's p99 its own is.
    pub(crate) fn p99_ratio(self, other: Self) -> f64 {
        if other.p99_ms > 0.0 {
            self.p99_ms / other.p99_ms
        } else {
            0.0
        }
    }
}

/// One phase of a run: how its fresh events fared, and what it cost.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Phase {
    pub(crate) seconds: f64,
    pub(crate) times: Times,
    /// Seconds of processor time a second, by process.
    pub(crate) cpu: BTreeMap<&'static str, f64>,
    #[serde(skip)]
    histogram: Histogram,
}

impl Phase {
    /// Sends so many events a second until `stop`, and waits until they have arrived.
    pub(crate) async fn measure(
        sender: &Sender,
        stop: &Stop,
        rate: f64,
        groups: &[Group],
    ) -> anyhow::Result<Self> {
        let (before, began) = (cpu_s(groups), Instant::now());
        sender.tally.forget_latencies();
        sender.at_rate(stop, rate).await?;
        let seconds = began.elapsed().as_secs_f64();
        let mut cpu = cpu_s(groups);
        for (name, used) in &mut cpu {
            *used = (*used - before.get(name).copied().unwrap_or_default()) / seconds;
        }
        arrived(&sender.tally, SETTLE_BOUND).await;
        let histogram = sender.tally.totals().delivery;
        Ok(Self {
            seconds,
            times: Times::of(&histogram),
            cpu,
            histogram,
        })
    }

    /// Returns two phases as one.
    pub(crate) fn joined([first, second]: &[Self; 2]) -> Self {
        let mut histogram = first.histogram.clone();
        histogram.add(&second.histogram);
        let seconds = first.seconds + second.seconds;
        let mean = |(name, cpu): (&&'static str, &f64)| {
            let other = second.cpu.get(name).copied().unwrap_or_default();
            let used = cpu * first.seconds + other * second.seconds;
            (*name, used / seconds)
        };
        Self {
            seconds,
            times: Times::of(&histogram),
            cpu: first.cpu.iter().map(mean).collect(),
            histogram,
        }
    }

    pub(crate) fn cpu_line(&self, what: &str) -> String {
        let of = |name: &str| self.cpu.get(name).copied().unwrap_or_default();
        format!(
            "{what:<34} broker {:>6.3}   delivery {:>6.3}   log writer {:>6.3}   all {:>6.3}",
            of("nats-server"),
            of("posthorn-delivery"),
            of("posthorn-log-writer"),
            self.cpu.values().sum::<f64>()
        )
    }
}

/// Waits until everything accepted has arrived, or nothing has for so long; returns whether it has.
pub(crate) async fn arrived(tally: &Tally, standstill: Duration) -> bool {
    let mut last = (tally.outstanding(), Instant::now());
    while last.0 > 0 && last.1.elapsed() < standstill {
        tokio::time::sleep(LOOK_EVERY).await;
        let outstanding = tally.outstanding();
        if outstanding != last.0 {
            last = (outstanding, Instant::now());
        }
    }
    last.0 == 0
}

/// Says what of a tally's events was lost or changed.
pub(crate) fn losses(what: &str, tally: &Tally) -> Vec<String> {
    let totals = tally.totals();
    let counts = [
        (totals.lost, "lost"),
        (totals.malformed, "changed on their way"),
    ];
    let faults = counts.into_iter().filter(|(count, _)| *count > 0);
    faults
        .map(|(count, how)| format!("{count} events of {what} were {how}"))
        .collect()
}

/// Says so when events of a tally came more than once, where nothing is restarted.
pub(crate) fn repeats(what: &str, tally: &Tally) -> Option<String> {
    let count = tally.totals().duplicates;
    (count > 0).then(|| format!("{count} events of {what} were repeated"))
}

/// Says so when the p99 of a phase is more than `limit` times that of another.
pub(crate) fn slowed(what: &str, phase: Times, alone: Times, limit: f64) -> Option<String> {
    let found = phase.p99_ratio(alone);
    (found > limit || phase.events == 0 || alone.events == 0)
        .then(|| format!("p99 {what} is {found:.2} times that alone, more than {limit}"))
}

/// Returns seconds as a number for reports.
pub(crate) fn seconds(duration: Duration) -> f64 {
    ratio(
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        1000.0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_ok_or_what_failed() {
        let mut finding = Finding {
            name: "recovery",
            lines: vec!["drained in 3 s".to_owned()],
            figures: json!({}),
            faults: Vec::new(),
        };
        assert_eq!(finding.table(), "\nrecovery\n  drained in 3 s\n  ok\n");

        finding.faults.push("3 events were lost".to_owned());
        assert!(finding.table().ends_with("FAILED: 3 events were lost\n"));
    }

    #[test]
    fn a_phase_is_slowed_by_its_p99_or_when_nothing_was_measured() {
        let times = |p99_ms| Times {
            events: 10,
            p99_ms,
            ..Times::default()
        };

        assert_eq!(slowed("x", times(15.0), times(10.0), 1.5), None);
        assert!(slowed("x", times(16.0), times(10.0), 1.5).is_some());
        assert!(slowed("x", Times::default(), times(10.0), 1.5).is_some());
    }
}

//! One measurement from a fresh installation to the last delivery.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::json;
use test_support::{BrokerClient, Receiver};

use super::{
    installation::{Installation, StoreKind},
    ratio,
    sender::{Sender, Stop},
    tally::{MAX_ENDPOINTS, Tally, Totals},
    usage::{PeakMemory, cpu_s},
};
use crate::Organisation;

/// Name of every event that is sent.
const EVENT_NAME: &str = "load-test";

/// Connections are opened and caches filled before counting starts.
const WARM_UP: Duration = Duration::from_secs(2);
/// How often it is checked whether everything has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the installation may take for what it has accepted, and with how long a standstill.
const DRAIN_BOUND: Duration = Duration::from_secs(180);
const STANDSTILL_BOUND: Duration = Duration::from_secs(40);

/// What decides how many events are sent.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// As many as are delivered, with at most so many deliveries on their way.
    Max {
        /// Deliveries on their way.
        outstanding: u64,
    },
    /// So many events a second, whatever happens.
    Rate(f64),
}

/// What to measure.
#[derive(Clone, Debug, Serialize)]
pub struct Scenario {
    /// What it is called in the report.
    pub name: String,
    /// How fast.
    pub pace: Pace,
    /// Kept-alive connections of the producer.
    pub connections: u32,
    /// Events in one request.
    pub batch: u64,
    /// Endpoints that get each event, at most 64.
    pub endpoints: u32,
    /// Size of an event, in bytes.
    pub payload_bytes: usize,
    /// How long events are sent, in seconds, after two seconds of warm-up.
    pub duration_s: u64,
    /// Which store.
    pub store: StoreKind,
}

/// What was measured. Times are in milliseconds, memory is in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// What was asked for.
    pub scenario: Scenario,
    /// Events answered with 202, and not.
    pub accepted: u64,
    /// Events answered with 503.
    pub refused: u64,
    /// First arrivals at the receiver.
    pub delivered: u64,
    /// Further arrivals of the same event at the same endpoint.
    pub duplicates: u64,
    /// Arrivals that were not what had been sent.
    pub malformed: u64,
    /// Deliveries of accepted events that never arrived.
    pub lost: u64,
    /// Over the time after the warm-up.
    pub accepted_per_s: f64,
    /// Over the time after the warm-up.
    pub delivered_per_s: f64,
    /// From when an event was due to be sent to its arrival: p50, p90, p99, max.
    pub delivery_ms: [f64; 4],
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

/// Measures one scenario on a fresh installation.
///
/// # Errors
/// Fails when the scenario makes no sense, or events are refused for another reason than load.
///
/// # Panics
/// Panics when the installation does not start.
pub async fn run(scenario: &Scenario) -> anyhow::Result<Outcome> {
    anyhow::ensure!(
        (1..=MAX_ENDPOINTS).contains(&scenario.endpoints),
        "1 to 64 endpoints"
    );
    anyhow::ensure!(
        (1..=1_000).contains(&scenario.batch),
        "1 to 1,000 events in a batch"
    );
    anyhow::ensure!(scenario.connections > 0, "at least one connection");
    let tally = Arc::new(Tally::new(EVENT_NAME, scenario.endpoints));
    let installation = Installation::start(scenario.store).await;
    let receiver = receiver(&tally);
    register(&installation.bench, &receiver, scenario.endpoints).await;
    let sender = Sender {
        connections: scenario.connections,
        batch: scenario.batch,
        ..installation.sender(&tally, scenario.payload_bytes)?
    };

    let before = cpu_s(&installation.groups);
    let memory = PeakMemory::watch(&installation.groups);
    let rates = send(scenario, &sender).await?;
    let sent = Instant::now();
    drain(&tally, &installation.broker).await;
    let drain_s = sent.elapsed().as_secs_f64();

    let mut used = cpu_s(&installation.groups);
    for (name, cpu) in &mut used {
        *cpu -= before.get(name).copied().unwrap_or_default();
    }
    Ok(outcome(
        scenario,
        &tally.totals(),
        &Measured {
            rates,
            drain_s,
            used,
            peak: memory.finish(),
        },
    ))
}

/// Events and deliveries a second.
#[derive(Clone, Copy, Debug)]
struct Rates {
    accepted: f64,
    delivered: f64,
}

#[derive(Debug)]
struct Measured {
    rates: Rates,
    drain_s: f64,
    used: BTreeMap<&'static str, f64>,
    peak: BTreeMap<&'static str, u64>,
}

fn receiver(tally: &Arc<Tally>) -> Receiver {
    let tally = Arc::clone(tally);
    Receiver::observing(move |parts, body| tally.arrived(parts.uri.path(), body))
}

async fn register(bench: &Organisation, receiver: &Receiver, endpoints: u32) {
    for endpoint in 0..endpoints {
        let url = receiver.url(&format!("/{endpoint}"));
        bench.register(&url, &[EVENT_NAME], json!({})).await;
    }
}

/// Sends for the warm-up and the duration; answers the rates after the warm-up.
async fn send(scenario: &Scenario, sender: &Sender) -> anyhow::Result<Rates> {
    let tally = &sender.tally;
    let start = Instant::now();
    let end = start + WARM_UP + Duration::from_secs(scenario.duration_s);
    let stop = Stop::at(end);
    let sending = async {
        match scenario.pace {
            Pace::Max { outstanding } => sender.as_fast_as_possible(&stop, outstanding).await,
            Pace::Rate(events) => {
                sender
                    .at_rate(&stop, events / ratio(scenario.batch, 1.0))
                    .await
            }
        }
    };
    let watching = async {
        tokio::time::sleep(WARM_UP).await;
        tally.forget_latencies();
        let first = (
            Instant::now(),
            tally.accepted_count(),
            tally.delivered_count(),
        );
        tokio::time::sleep(end.saturating_duration_since(Instant::now())).await;
        let seconds = first.0.elapsed().as_secs_f64();
        Rates {
            accepted: ratio(tally.accepted_count() - first.1, seconds),
            delivered: ratio(tally.delivered_count() - first.2, seconds),
        }
    };
    let (sent, rates) = tokio::join!(sending, watching);
    sent.map(|()| rates)
}

/// Waits until everything accepted has arrived and is recorded, or nothing moves any more.
async fn drain(tally: &Tally, broker: &BrokerClient) {
    let started = Instant::now();
    let mut moved = Instant::now();
    let mut last = None;
    while started.elapsed() < DRAIN_BOUND && moved.elapsed() < STANDSTILL_BOUND {
        let left = (
            tally.outstanding(),
            broker.count("posthorn_ATTEMPTS").await,
            broker.unsettled("posthorn_EVENTS", "event-archive").await,
        );
        if left == (0, Some(0), Some(0)) {
            break;
        }
        if last != Some(left) {
            last = Some(left);
            moved = Instant::now();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn outcome(scenario: &Scenario, totals: &Totals, measured: &Measured) -> Outcome {
    let per_1000 = |cpu: f64| cpu * ratio(1000, ratio(totals.delivered.max(1), 1.0));
    let cpu_s_per_1000: BTreeMap<&'static str, f64> = measured
        .used
        .iter()
        .map(|(name, cpu)| (*name, per_1000(*cpu)))
        .collect();
    let percentiles = |histogram: &super::histogram::Histogram| {
        let [p50, p90, p99] = [500, 900, 990].map(|rank| histogram.per_mille_ms(rank));
        [p50, p90, p99, histogram.max_ms()]
    };
    Outcome {
        scenario: scenario.clone(),
        accepted: totals.accepted,
        refused: totals.refused,
        delivered: totals.delivered,
        duplicates: totals.duplicates,
        malformed: totals.malformed,
        lost: totals.lost,
        accepted_per_s: measured.rates.accepted,
        delivered_per_s: measured.rates.delivered,
        delivery_ms: percentiles(&totals.delivery),
        acceptance_ms: percentiles(&totals.acceptance),
        drain_s: measured.drain_s,
        cpu_s_per_1000_total: cpu_s_per_1000.values().sum(),
        cpu_s_per_1000,
        peak_bytes_total: measured.peak.values().sum(),
        peak_bytes: measured.peak.clone(),
    }
}

//! Measures a whole installation: throughput, latency, processor time and memory of every process.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use e2e::load::{
    Finding, Isolation, Outcome, Pace, Scenario, Settings, StoreKind, run, table, to_json,
};
use serde_json::Value;

/// Measures deliveries through a broker, the five services and a store that it starts itself.
///
/// Without --rate or --max it runs the standard set: one endpoint and ten at the maximum, one endpoint
/// with batches, and latencies at 100 and 500 events a second.
///
/// With --scenario it shows instead that no endpoint suffers from another one, and ends with 1 if one does.
#[derive(Debug, Parser)]
#[command(name = "posthorn-bench", version)]
struct Arguments {
    /// Measure isolation instead; may be given several times
    #[arg(long, value_enum, value_name = "NAME", conflicts_with_all = ["max", "batch", "connections", "endpoints"])]
    scenario: Vec<IsolationArgument>,
    /// With --scenario: how many jobs pile up [default: neighbours 20,000 for each bad endpoint, recovery
    /// 50,000, waiting 1,000,000]
    #[arg(long, value_name = "N", requires = "scenario", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    jobs: Option<u64>,
    /// Send so many events a second, whatever happens [with --scenario: to the healthy endpoint, default 200]
    #[arg(long, value_name = "N", conflicts_with = "max")]
    rate: Option<f64>,
    /// Send as many events as are delivered
    #[arg(long)]
    max: bool,
    /// Kept-alive connections of the producer
    #[arg(long, value_name = "N", default_value_t = 32)]
    connections: u32,
    /// Events in one request, 1 to 1,000
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: u64,
    /// Endpoints that get each event, 1 to 64
    #[arg(long, value_name = "K", default_value_t = 1)]
    endpoints: u32,
    /// Size of an event
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    payload: usize,
    /// How long to send after the warm-up of two seconds; with --scenario: how long each phase is measured
    /// [default: 20, with --scenario 30]
    #[arg(long, value_name = "S")]
    duration: Option<u64>,
    /// With --max: pause while so many deliveries are on their way
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    outstanding: u64,
    /// The attempt store
    #[arg(long, value_enum, default_value_t = StoreArgument::Sqlite)]
    store: StoreArgument,
    /// Write the figures as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum IsolationArgument {
    /// A healthy endpoint beside one that hangs, one that fails and one that is slow, with long queues
    Neighbours,
    /// Fresh events beside a million retries that wait, and how these drain
    Waiting,
    /// An endpoint that comes back to a long queue
    Recovery,
    /// Limits and throughput with 1, 2 and 4 replicas, and while replicas join, leave and are killed
    Replicas,
}

impl From<IsolationArgument> for Isolation {
    fn from(argument: IsolationArgument) -> Self {
        match argument {
            IsolationArgument::Neighbours => Self::Neighbours,
            IsolationArgument::Waiting => Self::Waiting,
            IsolationArgument::Recovery => Self::Recovery,
            IsolationArgument::Replicas => Self::Replicas,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StoreArgument {
    Sqlite,
    Postgres,
}

impl From<StoreArgument> for StoreKind {
    fn from(argument: StoreArgument) -> Self {
        match argument {
            StoreArgument::Sqlite => Self::Sqlite,
            StoreArgument::Postgres => Self::Postgres,
        }
    }
}

// One thread for the sender; the receiver has its own. More would take processor time from what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.scenario.is_empty() {
        measure_speed(&arguments).await
    } else {
        measure_isolation(&arguments).await
    }
}

async fn measure_speed(arguments: &Arguments) -> anyhow::Result<()> {
    let mut outcomes = Vec::new();
    for scenario in scenarios(arguments) {
        let outcome = run(&scenario)
            .await
            .with_context(|| format!("measure {}", scenario.name))?;
        show(&table(std::slice::from_ref(&outcome)));
        outcomes.push(outcome);
    }
    write(arguments, &to_json(&outcomes))?;
    let gone = |outcome: &Outcome| outcome.lost + outcome.malformed;
    let lost: u64 = outcomes.iter().map(gone).sum();
    anyhow::ensure!(lost == 0, "{lost} deliveries were lost or changed");
    Ok(())
}

async fn measure_isolation(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = Settings {
        jobs: arguments.jobs,
        rate: arguments.rate.unwrap_or(200.0),
        duration_s: arguments.duration.unwrap_or(30),
        payload_bytes: arguments.payload,
        store: arguments.store.into(),
    };
    let mut findings = Vec::new();
    for scenario in &arguments.scenario {
        let isolation = Isolation::from(*scenario);
        let finding = isolation
            .measure(&settings)
            .await
            .with_context(|| format!("measure {isolation:?}"))?;
        show(&finding.table());
        findings.push(finding);
    }
    write(arguments, &findings.iter().map(Finding::to_json).collect())?;
    let failed = findings.iter().filter(|finding| !finding.faults.is_empty());
    let failed: Vec<&str> = failed.map(|finding| finding.name).collect();
    anyhow::ensure!(failed.is_empty(), "not as promised: {}", failed.join(", "));
    Ok(())
}

fn write(arguments: &Arguments, report: &Value) -> anyhow::Result<()> {
    let Some(file) = &arguments.json else {
        return Ok(());
    };
    std::fs::write(file, format!("{report:#}\n"))
        .with_context(|| format!("write {}", file.display()))
}

#[expect(clippy::print_stdout, reason = "the report is what the tool is for")]
fn show(report: &str) {
    println!("{report}");
}

fn scenarios(arguments: &Arguments) -> Vec<Scenario> {
    let max = Pace::Max {
        outstanding: arguments.outstanding,
    };
    let one = |name: &str, pace: Pace| Scenario {
        name: name.to_owned(),
        pace,
        connections: arguments.connections,
        batch: arguments.batch,
        endpoints: arguments.endpoints,
        payload_bytes: arguments.payload,
        duration_s: arguments.duration.unwrap_or(20),
        store: arguments.store.into(),
    };
    if let Some(rate) = arguments.rate {
        return vec![one(&format!("{rate} events a second"), Pace::Rate(rate))];
    }
    if arguments.max {
        return vec![one("maximum", max)];
    }
    vec![
        one("one endpoint, maximum", max),
        Scenario {
            batch: 50,
            ..one("one endpoint, maximum, batches of 50", max)
        },
        Scenario {
            endpoints: 10,
            ..one("ten endpoints for each event, maximum", max)
        },
        one("100 events a second", Pace::Rate(100.0)),
        one("500 events a second", Pace::Rate(500.0)),
    ]
}

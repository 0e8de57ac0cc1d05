//! Measures a whole installation: throughput, latency, processor time and memory of every process.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use e2e::load::{Outcome, Pace, Scenario, StoreKind, run, table, to_json};

/// Measures deliveries through a broker, the five services and a store that it starts itself.
///
/// Without --rate or --max it runs the standard set: one endpoint and ten at the maximum, one endpoint
/// with batches, and latencies at 100 and 500 events a second.
#[derive(Debug, Parser)]
#[command(name = "posthorn-bench", version)]
struct Arguments {
    /// Send so many events a second, whatever happens
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
    /// How long to send after the warm-up of two seconds
    #[arg(long, value_name = "S", default_value_t = 20)]
    duration: u64,
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
    let mut outcomes = Vec::new();
    for scenario in scenarios(&arguments) {
        let outcome = run(&scenario)
            .await
            .with_context(|| format!("measure {}", scenario.name))?;
        show(&outcome);
        outcomes.push(outcome);
    }
    if let Some(file) = &arguments.json {
        let text = format!("{:#}\n", to_json(&outcomes));
        std::fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    }
    let lost: u64 = outcomes
        .iter()
        .map(|outcome| outcome.lost + outcome.malformed)
        .sum();
    anyhow::ensure!(lost == 0, "{lost} deliveries were lost or changed");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report is what the tool is for")]
fn show(outcome: &Outcome) {
    println!("{}", table(std::slice::from_ref(outcome)));
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
        duration_s: arguments.duration,
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

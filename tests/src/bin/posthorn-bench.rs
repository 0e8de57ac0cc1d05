//! Measures a whole installation: throughput, latency, processor time and memory of every process.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use e2e::load::{Curve, Finding, Named, Pace, Scenario, Settings, Soak, StoreKind, finding, run};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

/// How long a point of a curve is measured with --quick, in seconds.
const QUICK_S: f64 = 5.0;
const USUAL_S: f64 = 20.0;

/// Measures deliveries through a broker, the five services and a store that it starts itself.
///
/// Each scenario runs on an installation of its own. Without --scenario, --rate or --max it runs those that take less than a
/// minute or two each. It ends with 1 if something was lost, repeated or changed, or is not as a scenario promises.
#[derive(Debug, Parser)]
#[command(
    name = "posthorn-bench",
    version,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    scenarios: ScenarioArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure deliveries a second and CPU per delivery as one thing grows
    Curves(CurveArguments),
    /// Send evenly for a long time, and end with 1 if memory rises
    Soak(SoakArguments),
}

#[derive(Debug, Args)]
struct ScenarioArguments {
    /// Measure this scenario; may be given several times
    #[arg(long, value_enum, value_name = "NAME", conflicts_with_all = ["max", "batch", "connections", "endpoints"])]
    scenario: Vec<Named>,
    /// How many jobs pile up in a scenario [default: neighbours and hanging 20,000 for each bad endpoint,
    /// recovery 50,000, waiting 1,000,000]
    #[arg(long, value_name = "N", conflicts_with = "max", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    jobs: Option<u64>,
    /// How many configs there are in configs-100000 and idle, if not 100,000 and 10,000
    #[arg(long, value_name = "N", conflicts_with = "max", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    configs: Option<u64>,
    /// Send so many events a second, whatever happens [with --scenario: to the healthy endpoint of neighbours, hanging
    /// and waiting, default 200]
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
    /// Endpoints that get each event, 1 to 1,000
    #[arg(long, value_name = "K", default_value_t = 1)]
    endpoints: u32,
    /// With --max: pause while so many deliveries are on their way
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    outstanding: u64,
    /// Size of an event, where the scenario has none of its own
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    payload: usize,
    /// How long to send after the warm-up of two seconds, or how long each phase is measured [default: 20; 30 of
    /// neighbours, hanging, waiting and replicas]
    #[arg(long, value_name = "S")]
    duration: Option<f64>,
    #[command(flatten)]
    common: CommonArguments,
}

#[derive(Debug, Args)]
struct CurveArguments {
    /// Measure this curve; may be given several times [default: all]
    #[arg(long, value_enum, value_name = "NAME")]
    curve: Vec<Curve>,
    /// Measure each point for five seconds instead of twenty
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    common: CommonArguments,
}

#[derive(Debug, Args)]
struct SoakArguments {
    /// For how long
    #[arg(long, value_name = "N", default_value_t = 60)]
    minutes: u64,
    /// Events a second [default: half of the maximum, which is looked for first]
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Size of an event
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    payload: usize,
    #[command(flatten)]
    common: CommonArguments,
}

#[derive(Debug, Args)]
struct CommonArguments {
    /// The attempt store
    #[arg(long, value_enum, default_value_t = StoreArgument::Sqlite)]
    store: StoreArgument,
    /// Write the figures as JSON too: an array of {scenario, figures, faults}
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
    let measuring = async {
        match &arguments.command {
            None => measure_scenarios(&arguments.scenarios).await,
            Some(Command::Curves(arguments)) => measure_curves(arguments).await,
            Some(Command::Soak(arguments)) => soak(arguments).await,
        }
    };
    // What is being measured must be dropped: that ends its processes and removes its files.
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        measured = measuring => measured,
        _ = terminate.recv() => anyhow::bail!("terminated"),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            anyhow::bail!("interrupted")
        }
    }
}

async fn measure_scenarios(arguments: &ScenarioArguments) -> anyhow::Result<()> {
    let mut findings = Vec::new();
    if arguments.max || (arguments.rate.is_some() && arguments.scenario.is_empty()) {
        let outcome = run(&own_scenario(arguments)).await?;
        findings.push(finding("own", &outcome));
        return report(&arguments.common, &findings);
    }
    let scenarios = match arguments.scenario.as_slice() {
        [] => &Named::USUAL,
        named => named,
    };
    for scenario in scenarios {
        let settings = settings(arguments, *scenario);
        let finding = scenario
            .measure(&settings)
            .await
            .with_context(|| format!("measure {}", scenario.name()))?;
        show(&finding.table());
        findings.push(finding);
        // As soon as it is there: the next one may fail.
        write(&arguments.common, &findings)?;
    }
    verdict(&findings)
}

async fn measure_curves(arguments: &CurveArguments) -> anyhow::Result<()> {
    let usual = Scenario {
        duration_s: if arguments.quick { QUICK_S } else { USUAL_S },
        store: arguments.common.store.into(),
        ..Scenario::default()
    };
    let curves = match arguments.curve.as_slice() {
        [] => &Curve::ALL,
        curves => curves,
    };
    let mut findings = Vec::new();
    for curve in curves {
        let finding = curve
            .measure(&usual, show)
            .await
            .with_context(|| format!("measure {curve:?}"))?;
        show(&finding.table());
        findings.push(finding);
        write(&arguments.common, &findings)?;
    }
    verdict(&findings)
}

async fn soak(arguments: &SoakArguments) -> anyhow::Result<()> {
    let soak = Soak {
        minutes: arguments.minutes,
        rate: arguments.rate,
        payload_bytes: arguments.payload,
        store: arguments.common.store.into(),
    };
    report(&arguments.common, &[soak.measure(show).await?])
}

fn settings(arguments: &ScenarioArguments, scenario: Named) -> Settings {
    Settings {
        jobs: arguments.jobs,
        configs: arguments.configs,
        rate: arguments.rate.unwrap_or(200.0),
        duration_s: arguments.duration.unwrap_or(scenario.duration_s()),
        payload_bytes: arguments.payload,
        store: arguments.common.store.into(),
    }
}

fn own_scenario(arguments: &ScenarioArguments) -> Scenario {
    let (name, pace) = match arguments.rate {
        Some(rate) => (format!("{rate} events a second"), Pace::Rate(rate)),
        None => {
            let outstanding = arguments.outstanding;
            ("maximum".to_owned(), Pace::Max { outstanding })
        }
    };
    Scenario {
        name,
        pace,
        connections: arguments.connections,
        batch: arguments.batch,
        endpoints: arguments.endpoints,
        payload_bytes: arguments.payload,
        duration_s: arguments.duration.unwrap_or(USUAL_S),
        store: arguments.common.store.into(),
        ..Scenario::default()
    }
}

fn report(arguments: &CommonArguments, findings: &[Finding]) -> anyhow::Result<()> {
    for finding in findings {
        show(&finding.table());
    }
    write(arguments, findings)?;
    verdict(findings)
}

fn write(arguments: &CommonArguments, findings: &[Finding]) -> anyhow::Result<()> {
    let Some(file) = &arguments.json else {
        return Ok(());
    };
    let report: Value = findings.iter().map(Finding::to_json).collect();
    std::fs::write(file, format!("{report:#}\n"))
        .with_context(|| format!("write {}", file.display()))
}

fn verdict(findings: &[Finding]) -> anyhow::Result<()> {
    let failed = findings.iter().filter(|finding| !finding.faults.is_empty());
    let failed: Vec<&str> = failed.map(|finding| finding.name).collect();
    anyhow::ensure!(failed.is_empty(), "not as promised: {}", failed.join(", "));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report is what the tool is for")]
fn show(report: &str) {
    println!("{report}");
}

//! A healthy endpoint alone, then beside bad ones, each with a queue of its own.
//!
//! The phases follow one another: queues can't be taken away again without work of its own, so they do not
//! alternate. Each phase is reported as a whole and in halves. What else the machine does only adds to a
//! half: noise in the first phase would hide harm in the second, so the quieter halves are compared too. Harm
//! that comes and goes may spare a half, so the phases as a whole must hold as well.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    finding::{Finding, Phase, Settings, Times, losses, repeats, slowed},
    installation::Installation,
    ratio,
    sender::{Sender, Stop},
    site::{Conduct, Site, Sites},
};

const DEFAULT_JOBS: u64 = 20_000;
const WARM_UP: Duration = Duration::from_secs(2);
/// One that hangs, one that fails, and one that takes five seconds to answer.
pub(crate) const ALL: [(&str, Conduct); 3] = [
    HANGING,
    ("failing", Conduct::FAILING),
    ("slow", Conduct::slow(Duration::from_secs(5))),
];
pub(crate) const HANGING: (&str, Conduct) = ("hanging", Conduct::Hangs);
/// How long the hanging endpoint is waited for.
const TIMEOUT_MS: u64 = 10_000;
/// How long all queues may take to be taken.
const TAKE_BOUND: Duration = Duration::from_secs(900);
/// How many times its p99 alone the healthy endpoint's may be.
const RATIO_LIMIT: f64 = 1.5;

/// What a bad endpoint got.
#[derive(Debug, Serialize)]
struct Neighbour {
    name: &'static str,
    requests: u64,
    most_at_once: u32,
    jobs_waiting: u64,
}

struct Phases {
    alone: [Phase; 2],
    flood: Phase,
    beside: [Phase; 2],
}

/// A bad endpoint under its name.
type Bad = (&'static str, Arc<Site>);

/// Measures the healthy endpoint's latencies alone and beside these.
///
/// # Errors
/// Events are refused, or the queues are not taken.
pub(crate) async fn run(
    name: &'static str,
    bad: &[(&'static str, Conduct)],
    settings: &Settings,
) -> anyhow::Result<Finding> {
    let jobs = settings.jobs.unwrap_or(DEFAULT_JOBS);
    let healthy = Site::new("healthy", Conduct::HEALTHY);
    let bad = bad.iter();
    let bad: Vec<Bad> = bad
        .map(|(name, conduct)| (*name, Site::new(name, *conduct)))
        .collect();
    let installation = Installation::start(settings.store).await;
    let mut all = vec![Arc::clone(&healthy)];
    all.extend(bad.iter().map(|(_, site)| Arc::clone(site)));
    let sites = Sites::serve(&all);
    register(&installation, &sites, &bad).await;

    let fresh = installation.sender(&healthy.tally, settings.payload_bytes)?;
    fresh.at_rate(&Stop::after(WARM_UP), settings.rate).await?;
    let alone = halves(&installation, &fresh, settings).await?;
    let stored_before = installation.retries_stored().await?;
    let flood = flooded(&installation, (&fresh, settings), &bad, jobs).await?;
    let beside = halves(&installation, &fresh, settings).await?;
    let stored = installation.retries_stored().await? - stored_before;

    let phases = Phases {
        alone,
        flood,
        beside,
    };
    let neighbours: Vec<_> = bad
        .iter()
        .map(|(name, site)| neighbour(name, site))
        .collect();
    let parkings = installation.parkings().await;
    let mut finding = finding(name, &phases, &neighbours);
    let waiting = neighbours.iter().map(|bad| bad.jobs_waiting).sum::<u64>();
    let per_waiting = ratio(stored, ratio(waiting, 1.0));
    let per_parking = ratio(stored, ratio(parkings.values().sum(), 1.0));
    finding.lines.push(format!(
        "messages on the retry lane {stored}: {per_waiting:.2} for each waiting job, {per_parking:.2} for \
         each parking; parkings {parkings:?}"
    ));
    finding.figures["retry_messages_per_parking"] = json!(per_parking);
    finding.figures["retry_messages_per_waiting_job"] = json!(per_waiting);
    finding.figures["parkings"] = json!(parkings);
    finding
        .faults
        .extend(losses("the healthy endpoint", &healthy.tally));
    let repeats = repeats("the healthy endpoint", &healthy.tally);
    finding.faults.extend(repeats);
    Ok(finding)
}

async fn register(installation: &Installation, sites: &Sites, bad: &[Bad]) {
    let bench = &installation.bench;
    bench.register(&sites.url(0), &["healthy"], json!({})).await;
    for (at, (name, _)) in bad.iter().enumerate() {
        let more = json!({"timeoutMs": TIMEOUT_MS});
        bench.register(&sites.url(at + 1), &[name], more).await;
    }
}

/// Measures for the duration, as two halves.
async fn halves(
    installation: &Installation,
    fresh: &Sender,
    settings: &Settings,
) -> anyhow::Result<[Phase; 2]> {
    let half = Duration::from_secs_f64(settings.duration_s).div_f64(2.0);
    let groups = &installation.groups;
    Ok([
        Phase::measure(fresh, &Stop::after(half), settings.rate, groups).await?,
        Phase::measure(fresh, &Stop::after(half), settings.rate, groups).await?,
    ])
}

/// Queues the jobs of the bad endpoints, and measures until all of them have been looked at.
async fn flooded(
    installation: &Installation,
    (fresh, settings): (&Sender, &Settings),
    bad: &[Bad],
    jobs: u64,
) -> anyhow::Result<Phase> {
    let stop = Stop::default();
    let groups = &installation.groups;
    let measuring = Phase::measure(fresh, &stop, settings.rate, groups);
    let queueing = async {
        let queued = queue(installation, settings, bad, jobs).await;
        stop.ask();
        queued
    };
    let (phase, queued) = tokio::join!(measuring, queueing);
    queued?;
    phase
}

async fn queue(
    installation: &Installation,
    settings: &Settings,
    bad: &[Bad],
    jobs: u64,
) -> anyhow::Result<()> {
    let mut senders = JoinSet::new();
    for (_, site) in bad {
        let sender = Sender {
            connections: 1,
            batch: 100.min(jobs.max(1)),
            ..installation.sender(&site.tally, settings.payload_bytes)?
        };
        senders.spawn(async move { sender.exactly(jobs).await });
    }
    while let Some(ended) = senders.join_next().await {
        ended.context("run a sender")??;
    }
    let under_way = || bad.iter().map(|(_, site)| site.under_way()).sum();
    installation.taken(under_way, TAKE_BOUND).await
}

fn neighbour(name: &'static str, site: &Site) -> Neighbour {
    let timeline = site.timeline();
    Neighbour {
        name,
        requests: timeline.requests(),
        most_at_once: timeline.most_at_once(site.since(Duration::ZERO)),
        jobs_waiting: site.tally.outstanding(),
    }
}

fn finding(name: &'static str, phases: &Phases, neighbours: &[Neighbour]) -> Finding {
    let Phases {
        alone: [first_alone, second_alone],
        flood,
        beside: [first_beside, second_beside],
    } = phases;
    let (alone, beside) = (Phase::joined(&phases.alone), Phase::joined(&phases.beside));
    let [quiet_alone, quiet_beside] = [&phases.alone, &phases.beside].map(quieter);
    let found = beside.times.p99_ratio(alone.times);
    let of_quieter = quiet_beside.p99_ratio(quiet_alone);
    let mut lines = vec![
        alone.times.line("alone"),
        first_alone.times.line("  first half"),
        second_alone.times.line("  second half"),
        flood.times.line("while the queues are being taken"),
        beside.times.line("beside the queues"),
        first_beside.times.line("  first half"),
        second_beside.times.line("  second half"),
        format!(
            "p99 beside the queues is {found:.2} times that alone, {of_quieter:.2} times by the quieter halves"
        ),
        alone.cpu_line("CPU s/s alone"),
        flood.cpu_line("CPU s/s while being taken"),
        beside.cpu_line("CPU s/s beside the queues"),
        format!("the queues were taken in {:.1} s", flood.seconds),
    ];
    lines.extend(neighbours.iter().map(Neighbour::line));
    Finding {
        name,
        figures: json!({
            "alone": alone, "alone_halves": phases.alone, "flood": flood,
            "beside": beside, "beside_halves": phases.beside,
            "p99_ratio": found, "p99_ratio_quieter_halves": of_quieter, "neighbours": neighbours,
        }),
        lines,
        faults: [
            slowed("beside the queues", beside.times, alone.times, RATIO_LIMIT),
            slowed(
                "in the quieter half",
                quiet_beside,
                quiet_alone,
                RATIO_LIMIT,
            ),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

/// Returns the times of the half with the lower p99.
fn quieter([first, second]: &[Phase; 2]) -> Times {
    if first.times.p99_ms <= second.times.p99_ms {
        first.times
    } else {
        second.times
    }
}

impl Neighbour {
    fn line(&self) -> String {
        let Self {
            name,
            requests,
            most_at_once,
            jobs_waiting,
        } = self;
        format!(
            "{name:<10} requests {requests:>7}   most at once {most_at_once:>5}   jobs waiting {jobs_waiting:>7}"
        )
    }
}

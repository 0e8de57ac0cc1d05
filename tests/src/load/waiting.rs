//! Many retries that wait, beside fresh events: what they cost while they wait, and how they drain.

mod put;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::json;

use self::put::put;
use super::{
    finding::{Finding, Phase, Settings, Times, arrived, losses, repeats, seconds, slowed},
    installation::Installation,
    ratio,
    sender::{Sender, Stop},
    site::{Conduct, Site, Sites},
    timeline::Span,
};
use crate::process_table::share_bytes;

const DEFAULT_JOBS: u64 = 1_000_000;
const WARM_UP: Duration = Duration::from_secs(2);
/// How long the endpoint of the waiting jobs takes to answer: long enough to see how many it gets at once.
const ANSWER: Duration = Duration::from_millis(10);
/// At least so many jobs a second are taken to be put into their wait; what is left of the time is waited.
const PUT_PER_S: u64 = 5_000;
/// What is left between the last measurement and the due time.
const MARGIN: Duration = Duration::from_secs(70);
/// How long nothing may arrive before what is left counts as lost: above the longest parking.
const STANDSTILL: Duration = Duration::from_secs(660);
/// How many times its p99 before that of fresh events may be.
const RATIO_LIMIT: f64 = 1.5;
const MIB: f64 = 1024.0 * 1024.0;

/// What the broker has and uses.
#[derive(Debug, Clone, Copy)]
struct Figures {
    put_s: f64,
    /// Memory of the broker before, with all jobs in their wait, and when it has forgotten their ids.
    bytes_before: u64,
    bytes_with: u64,
    bytes_when_due: u64,
}

struct Phases {
    before: Phase,
    beside: Phase,
    draining: Phase,
}

/// Measures fresh events before, beside and after many waiting retries.
///
/// # Errors
/// The broker is too old for schedules, or events or jobs are refused.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Finding> {
    let jobs = settings.jobs.unwrap_or(DEFAULT_JOBS);
    let fresh = Site::new("fresh", Conduct::HEALTHY);
    let late = Site::new("late", Conduct::slow(ANSWER));
    let mut installation = Installation::start(settings.store).await;
    let sites = Sites::serve(&[Arc::clone(&fresh), Arc::clone(&late)]);
    let bench = &installation.bench;
    bench.register(&sites.url(0), &["fresh"], json!({})).await;
    let config = bench.register(&sites.url(1), &["late"], json!({})).await;
    let sender = installation.sender(&fresh.tally, settings.payload_bytes)?;
    let broker = installation.stack.broker().pid();

    sender.at_rate(&Stop::after(WARM_UP), settings.rate).await?;
    let duration = Duration::from_secs_f64(settings.duration_s);
    let groups = &installation.groups;
    let before = Phase::measure(&sender, &Stop::after(duration), settings.rate, groups).await?;
    let bytes_before = share_bytes(broker);
    let due = Instant::now() + Duration::from_secs(jobs / PUT_PER_S) + duration + MARGIN;
    let began = Instant::now();
    put(&installation, settings, &late, (&config, jobs, due)).await?;
    let put_s = began.elapsed().as_secs_f64();
    let beside = Phase::measure(&sender, &Stop::after(duration), settings.rate, groups).await?;
    let bytes_with = share_bytes(broker);
    let until_due = due.saturating_duration_since(Instant::now());
    anyhow::ensure!(
        until_due > WARM_UP,
        "jobs were due before they were measured"
    );
    tokio::time::sleep(until_due - WARM_UP).await;
    let bytes_when_due = share_bytes(broker);
    let draining = drained(&installation, (&sender, settings), &late, due).await?;

    let figures = Figures {
        put_s,
        bytes_before,
        bytes_with,
        bytes_when_due,
    };
    let phases = Phases {
        before,
        beside,
        draining,
    };
    let mut finding = finding(&phases, &late, figures, due);
    finding.faults.extend(losses("fresh events", &fresh.tally));
    finding.faults.extend(losses("waiting jobs", &late.tally));
    finding.faults.extend(repeats("fresh events", &fresh.tally));
    Ok(finding)
}

/// Measures fresh events from when the jobs are due until the last of them has arrived.
async fn drained(
    installation: &Installation,
    (sender, settings): (&Sender, &Settings),
    late: &Site,
    due: Instant,
) -> anyhow::Result<Phase> {
    sender.at_rate(&Stop::at(due), settings.rate).await?;
    let stop = Stop::default();
    let groups = &installation.groups;
    let measuring = Phase::measure(sender, &stop, settings.rate, groups);
    let draining = async {
        arrived(&late.tally, STANDSTILL).await;
        stop.ask();
    };
    let (phase, ()) = tokio::join!(measuring, draining);
    phase
}

fn finding(phases: &Phases, late: &Site, figures: Figures, due: Instant) -> Finding {
    let Phases {
        before,
        beside,
        draining,
    } = phases;
    let drain = Drain::of(late, due);
    let found = beside.times.p99_ratio(before.times);
    let mib = |bytes| ratio(bytes, MIB);
    let jobs = late.tally.accepted_count();
    let faults = slowed(
        "with the jobs waiting",
        beside.times,
        before.times,
        RATIO_LIMIT,
    );
    Finding {
        name: "waiting",
        lines: vec![
            format!(
                "{jobs} jobs were put into their wait in {:.0} s",
                figures.put_s
            ),
            before.times.line("fresh events before"),
            beside.times.line("fresh events with the jobs waiting"),
            draining.times.line("fresh events while they drain"),
            format!("p99 with the jobs waiting is {found:.2} times that before"),
            before.cpu_line("CPU s/s before"),
            beside.cpu_line("CPU s/s with the jobs waiting"),
            draining.cpu_line("CPU s/s while they drain"),
            format!(
                "broker memory before {:.0} MiB, with the jobs waiting {:.0} MiB, when they are due {:.0} MiB",
                mib(figures.bytes_before),
                mib(figures.bytes_with),
                mib(figures.bytes_when_due)
            ),
            drain.line(),
        ],
        figures: json!({
            "jobs": jobs, "put_s": figures.put_s,
            "before": before, "waiting": beside, "draining": draining, "p99_ratio": found,
            "broker_bytes_before": figures.bytes_before, "broker_bytes_waiting": figures.bytes_with,
            "broker_bytes_when_due": figures.bytes_when_due,
            "drain": drain,
        }),
        faults: faults.into_iter().collect(),
    }
}

/// How what waited came, once it was due.
#[derive(Debug, Serialize)]
struct Drain {
    first_after_s: f64,
    drain_s: f64,
    per_s: f64,
    most_at_once: u32,
    duplicates: u64,
    /// From the due time to the arrival.
    late: Times,
}

impl Drain {
    fn of(site: &Site, due: Instant) -> Self {
        let timeline = site.timeline();
        let due = site.moment(due);
        // A slot begins up to a tenth of a second before what came in it.
        let first = timeline.first_since(Duration::ZERO).unwrap_or(due).max(due);
        let last = timeline.last().unwrap_or(due).max(due);
        let span = Span {
            from: Duration::ZERO,
            to: last + Duration::from_secs(1),
        };
        let totals = site.tally.totals();
        let drain_s = seconds(last.saturating_sub(due));
        Self {
            first_after_s: seconds(first.saturating_sub(due)),
            drain_s,
            per_s: ratio(totals.delivered, drain_s),
            most_at_once: timeline.most_at_once(span),
            duplicates: totals.duplicates,
            late: Times::of(&totals.delivery),
        }
    }

    fn line(&self) -> String {
        let Self {
            first_after_s,
            drain_s,
            per_s,
            most_at_once,
            duplicates,
            late,
        } = self;
        format!(
            "when due: first after {first_after_s:.1} s, all after {drain_s:.1} s, {per_s:.0}/s, \
             most at once {most_at_once}, duplicates {duplicates}, median lateness {:.1} s",
            late.p50_ms / 1000.0
        )
    }
}

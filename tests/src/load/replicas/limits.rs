//! Four endpoints with limits and more events than these let through: what the receivers see with one, two
//! and four replicas of delivery, and while replicas join and are killed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::{Value, json};

use super::REPLICAS;
use crate::{
    Replica, Service,
    load::{
        finding::{Finding, Settings, arrived, losses, seconds},
        installation::Installation,
        ratio,
        sender::Stop,
        site::{Conduct, Site, Sites},
        timeline::{Span, Timeline},
    },
};

/// How long the receivers of endpoints with a limit of requests at once take to answer.
const ANSWER: Duration = Duration::from_millis(100);
/// How long a change of replicas may take to be in force everywhere.
const SETTLE: Duration = Duration::from_secs(10);
/// How long is watched after replicas have joined, and after others were killed: their jobs come back when
/// the broker has missed their acknowledgements for 30 s.
const AFTER_JOIN: Duration = Duration::from_secs(20);
const AFTER_KILL: Duration = Duration::from_secs(45);
/// The window over which rates are reported.
const WINDOW: Duration = Duration::from_secs(5);
/// What slots of a tenth of a second and the network may add to a rate.
const GRAIN: f64 = 1.03;
/// How long nothing may arrive before what is left counts as lost, and how long all of it may take: the events
/// sent beyond the limits are what these let through in less than a minute.
const STANDSTILL: Duration = Duration::from_secs(120);
const DRAIN_BOUND: Duration = Duration::from_secs(300);

/// An endpoint's limit.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// Requests per second.
    Rate(f64),
    /// Requests at once.
    AtOnce(u32),
}

/// An endpoint with a limit, and how many events a second it is sent: more than may go through.
struct Limited {
    name: &'static str,
    limit: Limit,
    events_per_s: f64,
}

const LIMITED: [Limited; 4] = [
    Limited {
        name: "rate-100",
        limit: Limit::Rate(100.0),
        events_per_s: 115.0,
    },
    Limited {
        name: "rate-2",
        limit: Limit::Rate(2.0),
        events_per_s: 2.3,
    },
    Limited {
        name: "at-once-8",
        limit: Limit::AtOnce(8),
        events_per_s: 85.0,
    },
    Limited {
        name: "at-once-2",
        limit: Limit::AtOnce(2),
        events_per_s: 22.0,
    },
];

impl Limited {
    fn config(&self) -> Value {
        match self.limit {
            Limit::Rate(rate) => json!({"rateLimit": rate}),
            Limit::AtOnce(most) => json!({"maxInFlight": most}),
        }
    }

    fn conduct(&self) -> Conduct {
        match self.limit {
            Limit::Rate(_) => Conduct::HEALTHY,
            Limit::AtOnce(_) => Conduct::slow(ANSWER),
        }
    }
}

/// What a receiver saw in a span of time.
#[derive(Clone, Copy, Debug, Serialize)]
struct Seen {
    requests_per_s: f64,
    busiest_second: u64,
    busiest_5s_per_s: f64,
    most_at_once: u32,
    /// How long the limit was exceeded: over the last five seconds, or at once.
    over_s: f64,
}

impl Seen {
    fn of(timeline: &Timeline, limit: Limit, span: Span) -> Self {
        let all = timeline.busiest(span.to.saturating_sub(span.from), span);
        let over = match limit {
            Limit::Rate(rate) => timeline.time_over_rate(most_in_window(rate), WINDOW, span),
            Limit::AtOnce(most) => timeline.time_above(most, span),
        };
        Self {
            requests_per_s: ratio(all, seconds(span.to.saturating_sub(span.from))),
            busiest_second: timeline.busiest(Duration::from_secs(1), span),
            busiest_5s_per_s: ratio(timeline.busiest(WINDOW, span), WINDOW.as_secs_f64()),
            most_at_once: timeline.most_at_once(span),
            over_s: seconds(over),
        }
    }

    fn line(&self, what: &str, name: &str) -> String {
        let Self {
            requests_per_s,
            busiest_second,
            busiest_5s_per_s,
            most_at_once,
            over_s,
        } = self;
        format!(
            "{what:<24} {name:<10} {requests_per_s:>7.1}/s   busiest 1 s {busiest_second:>4}   \
             busiest 5 s {busiest_5s_per_s:>6.1}/s   most at once {most_at_once:>3}   over {over_s:.1} s"
        )
    }
}

/// A rate and the second's worth that may come as a burst, over a window.
fn most_in_window(rate: f64) -> f64 {
    (rate * WINDOW.as_secs_f64() + rate.max(1.0)) * GRAIN
}

/// A part of the run, and whether the limits must hold in it.
struct Stage {
    what: String,
    span: Span,
    must_hold: bool,
}

/// Measures what the receivers see.
///
/// # Errors
/// Events are refused.
pub(super) async fn run(settings: &Settings) -> anyhow::Result<Finding> {
    let sites = LIMITED.map(|limited| Site::new(limited.name, limited.conduct()));
    let mut installation = Installation::start(settings.store).await;
    let served = Sites::serve(&sites);
    for (at, limited) in LIMITED.iter().enumerate() {
        let bench = &installation.bench;
        let config = limited.config();
        bench
            .register(&served.url(at), &[limited.name], config)
            .await;
    }
    let mut senders = Vec::new();
    for site in &sites {
        senders.push(installation.sender(&site.tally, settings.payload_bytes)?);
    }

    let stop = Stop::default();
    let [a, b, c, d] = LIMITED.map(|limited| limited.events_per_s);
    let sending = async {
        tokio::try_join!(
            senders[0].at_rate(&stop, a),
            senders[1].at_rate(&stop, b),
            senders[2].at_rate(&stop, c),
            senders[3].at_rate(&stop, d),
        )
    };
    let staging = async {
        let stages = stages(&mut installation, settings, &sites[0]).await;
        stop.ask();
        stages
    };
    let (sent, stages) = tokio::join!(sending, staging);
    sent?;
    let began = Instant::now();
    let draining = async {
        for site in &sites {
            arrived(&site.tally, STANDSTILL).await;
        }
    };
    let drained = tokio::time::timeout(DRAIN_BOUND, draining).await.is_ok();
    let mut finding = finding(&sites, &stages);
    let drain_s = began.elapsed().as_secs_f64();
    finding.lines.push(format!(
        "what was sent beyond the limits {} within {drain_s:.1} s",
        if drained { "arrived" } else { "did not arrive" }
    ));
    finding.figures["drain_s"] = json!(drain_s);
    for (limited, site) in LIMITED.iter().zip(&sites) {
        finding.faults.extend(match site.tally.outstanding() {
            left if left > 0 && !drained => {
                vec![format!(
                    "{left} events of {} wait after {drain_s:.0} s",
                    limited.name
                )]
            }
            _ => losses(limited.name, &site.tally),
        });
    }
    Ok(finding)
}

/// Goes through all numbers of replicas, then lets three join at once and kills two of them.
async fn stages(installation: &mut Installation, settings: &Settings, clock: &Site) -> Vec<Stage> {
    let duration = Duration::from_secs_f64(settings.duration_s);
    let mut stages = Vec::new();
    let mut added = Vec::new();
    for replicas in REPLICAS {
        grow(installation, &mut added, replicas).await;
        tokio::time::sleep(SETTLE).await;
        let what = format!("{replicas} of delivery");
        stages.push(stage(what, clock, duration, true).await);
    }
    for replica in added.drain(..) {
        installation.leave(replica).await;
    }
    tokio::time::sleep(SETTLE).await;
    let from = clock.now();
    grow(installation, &mut added, 4).await;
    tokio::time::sleep(AFTER_JOIN).await;
    stages.push(Stage {
        what: "3 join 1".to_owned(),
        span: clock.since(from),
        must_hold: false,
    });
    for replica in added.drain(..).take(2) {
        installation.stack.replica(replica).kill();
    }
    stages.push(stage("2 of 4 are killed".to_owned(), clock, AFTER_KILL, false).await);
    stages
}

async fn stage(what: String, clock: &Site, duration: Duration, must_hold: bool) -> Stage {
    let from = clock.now();
    tokio::time::sleep(duration).await;
    Stage {
        what,
        span: clock.since(from),
        must_hold,
    }
}

async fn grow(installation: &mut Installation, added: &mut Vec<Replica>, replicas: usize) {
    while added.len() + 1 < replicas {
        added.push(installation.stack.add_replica(Service::Delivery).await);
    }
}

fn finding(sites: &[Arc<Site>; 4], stages: &[Stage]) -> Finding {
    let mut finding = Finding {
        name: "limits",
        lines: Vec::new(),
        figures: json!({"stages": []}),
        faults: Vec::new(),
    };
    let mut figures = Vec::new();
    for stage in stages {
        for (limited, site) in LIMITED.iter().zip(sites) {
            let seen = Seen::of(&site.timeline(), limited.limit, stage.span);
            finding.lines.push(seen.line(&stage.what, limited.name));
            figures.push(json!({"stage": stage.what, "endpoint": limited.name, "seen": seen}));
            if stage.must_hold && seen.over_s > 0.0 {
                finding.faults.push(format!(
                    "{} exceeds its limit with {} for {:.1} s",
                    limited.name, stage.what, seen.over_s
                ));
            }
        }
    }
    for (limited, site) in LIMITED.iter().zip(sites) {
        let totals = site.tally.totals();
        finding.lines.push(format!(
            "{:<10} delivered {} of {}, duplicates {}",
            limited.name, totals.delivered, totals.accepted, totals.duplicates
        ));
    }
    finding.figures["stages"] = json!(figures);
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_may_be_exceeded_by_a_second_s_worth_at_once_and_no_more() {
        let check = |burst: u64, over: bool| {
            let mut timeline = Timeline::default();
            let evenly = (0..100).map(|n| n * 100);
            let mut times: Vec<u64> = evenly.chain((0..burst).map(|_| 5_000)).collect();
            times.sort_unstable();
            for at in times.into_iter().map(Duration::from_millis) {
                timeline.arrived(at);
                timeline.left(at);
            }
            let span = Span {
                from: Duration::ZERO,
                to: Duration::from_secs(10),
            };

            let seen = Seen::of(&timeline, Limit::Rate(10.0), span);

            assert_eq!(seen.over_s > 0.0, over, "{burst}: {seen:?}");
        };
        check(0, false);
        check(10, false);
        check(13, true);
    }
}

//! How many deliveries a second an endpoint without limits gets with one, two and four replicas of delivery
//! and of fan-out, and that none is lost when they join and leave.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::json;

use super::REPLICAS;
use crate::{
    Service,
    load::{
        finding::{Finding, Settings, arrived, losses},
        installation::Installation,
        ratio,
        sender::{Sender, Stop},
        site::{Conduct, Site, Sites},
        tally::Tally,
    },
};

/// How long a change of replicas may take to be in force everywhere.
const SETTLE: Duration = Duration::from_secs(5);
/// Deliveries that may be on their way.
const OUTSTANDING: u64 = 2_000;
/// How long nothing may arrive before what is left counts as lost: above the broker's wait for an ack.
const STANDSTILL: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize)]
struct Stage {
    service: &'static str,
    replicas: usize,
    deliveries_per_s: f64,
}

/// Measures the deliveries a second.
///
/// # Errors
/// Events are refused.
pub(super) async fn run(settings: &Settings) -> anyhow::Result<Finding> {
    let site = Site::new("unlimited", Conduct::HEALTHY);
    let mut installation = Installation::start(settings.store).await;
    let sites = Sites::serve(&[Arc::clone(&site)]);
    let bench = &installation.bench;
    bench
        .register(&sites.url(0), &["unlimited"], json!({}))
        .await;
    let sender = Sender {
        connections: 32,
        ..installation.sender(&site.tally, settings.payload_bytes)?
    };

    let stop = Stop::default();
    let staging = async {
        let duration = Duration::from_secs_f64(settings.duration_s);
        let mut found = Vec::new();
        for service in [Service::Delivery, Service::FanOut] {
            found.extend(stages(&mut installation, service, &site.tally, duration).await);
        }
        stop.ask();
        found
    };
    let sending = sender.as_fast_as_possible(&stop, OUTSTANDING);
    let (sent, stages) = tokio::join!(sending, staging);
    sent?;
    arrived(&site.tally, STANDSTILL).await;

    let totals = site.tally.totals();
    let mut lines: Vec<String> = stages.iter().map(Stage::line).collect();
    lines.push(format!(
        "unlimited  delivered {} of {}, refused {}, duplicates {}",
        totals.delivered, totals.accepted, totals.refused, totals.duplicates
    ));
    Ok(Finding {
        name: "throughput",
        lines,
        figures: json!(stages),
        faults: losses("the unlimited endpoint", &site.tally),
    })
}

/// Measures with each number of replicas while events flow; those that were added leave at the end.
async fn stages(
    installation: &mut Installation,
    service: Service,
    tally: &Tally,
    duration: Duration,
) -> Vec<Stage> {
    let mut added = Vec::new();
    let mut stages = Vec::new();
    for replicas in REPLICAS {
        while added.len() + 1 < replicas {
            added.push(installation.stack.add_replica(service).await);
        }
        tokio::time::sleep(SETTLE).await;
        let (before, began) = (tally.delivered_count(), Instant::now());
        tokio::time::sleep(duration).await;
        let delivered = tally.delivered_count() - before;
        stages.push(Stage {
            service: service.binary(),
            replicas,
            deliveries_per_s: ratio(delivered, began.elapsed().as_secs_f64()),
        });
    }
    for replica in added {
        installation.leave(replica).await;
    }
    stages
}

impl Stage {
    fn line(&self) -> String {
        let Self {
            service,
            replicas,
            deliveries_per_s,
        } = self;
        format!("{replicas} of {service:<18} {deliveries_per_s:>8.0} deliveries/s")
    }
}

//! One measurement of speed, from a fresh installation to the last delivery.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use test_support::{BrokerClient, Receiver};

use super::{
    endpoints::register,
    finding::arrived,
    installation::Installation,
    outcome::{Measured, Outcome, Rates},
    ratio,
    scenario::{Pace, Scenario},
    sender::{Sender, Stop},
    tally::Tally,
    usage::{PeakMemory, cpu_s},
};

/// Name of every event that is sent, or what their names begin with.
const EVENT_NAME: &str = "load-test";

/// Connections are opened and caches filled before counting starts, for as long as is then counted at most.
const WARM_UP: Duration = Duration::from_secs(2);
/// How often it is checked whether everything has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the installation may take for what it has accepted, and with how long a standstill.
const DRAIN_BOUND: Duration = Duration::from_secs(900);
const STANDSTILL_BOUND: Duration = Duration::from_secs(40);
/// How long events may take to become jobs.
const BACKLOG_BOUND: Duration = Duration::from_secs(600);

/// Measures one scenario on a fresh installation.
///
/// # Errors
/// Fails when the scenario makes no sense, or events are refused for another reason than load.
///
/// # Panics
/// Panics when the installation does not start.
pub async fn run(scenario: &Scenario) -> anyhow::Result<Outcome> {
    scenario.check()?;
    let tally = Tally::new(EVENT_NAME, scenario.endpoints)
        .spread_over(scenario.names)
        .failing_one_in(scenario.fails_one_in);
    let tally = Arc::new(tally);
    let mut installation = Installation::start(scenario.store).await;
    if let Some(replicas) = scenario.replicas {
        installation.replicate(replicas).await;
    }
    let receiver = receiver(&tally);
    register(&installation, &receiver, scenario, &tally).await;
    let sender = Sender {
        connections: scenario.connections,
        batch: scenario.request_events(),
        ..installation.sender(&tally, scenario.payload_bytes)?
    };
    let measured = measure(scenario, &mut installation, &sender).await?;
    Ok(Outcome::of(scenario, &tally.totals(), measured))
}

async fn measure(
    scenario: &Scenario,
    installation: &mut Installation,
    sender: &Sender,
) -> anyhow::Result<Measured> {
    let before = cpu_s(&installation.groups);
    let memory = PeakMemory::watch(&installation.groups);
    let rates = match scenario.pace {
        Pace::Max { .. } | Pace::Rate(_) => send(scenario, sender).await?,
        Pace::Backlog { events } => work_off(installation, sender, events).await?,
    };
    let sent = Instant::now();
    drain(&sender.tally, &installation.broker).await;
    let drain_s = sent.elapsed().as_secs_f64();

    let mut used = cpu_s(&installation.groups);
    for (name, cpu) in &mut used {
        *cpu -= before.get(name).copied().unwrap_or_default();
    }
    Ok(Measured {
        rates,
        drain_s,
        used,
        peak: memory.finish(&installation.groups),
    })
}

pub(crate) fn receiver(tally: &Arc<Tally>) -> Receiver {
    let tally = Arc::clone(tally);
    Receiver::observing(move |parts, body| tally.arrived(parts.uri.path(), body))
}

/// Sends for the warm-up and the duration; answers the rates after the warm-up.
async fn send(scenario: &Scenario, sender: &Sender) -> anyhow::Result<Rates> {
    let tally = &sender.tally;
    let duration = Duration::from_secs_f64(scenario.duration_s);
    let warm_up = WARM_UP.min(duration);
    let end = Instant::now() + warm_up + duration;
    let stop = Stop::at(end);
    let sending = async {
        match scenario.pace {
            Pace::Max { outstanding } => sender.as_fast_as_possible(&stop, outstanding).await,
            Pace::Rate(events) => {
                sender
                    .at_rate(&stop, events / ratio(scenario.batch, 1.0))
                    .await
            }
            Pace::Backlog { .. } => Ok(()),
        }
    };
    let watching = async {
        tokio::time::sleep(warm_up).await;
        tally.forget_latencies();
        let counting = Counting::begin(tally);
        tokio::time::sleep(end.saturating_duration_since(Instant::now())).await;
        counting.end(tally)
    };
    let (sent, rates) = tokio::join!(sending, watching);
    sent.map(|()| rates)
}

/// Sends events while delivery is stopped, and lets it work off their jobs; answers the rate of sending and
/// that of working off.
async fn work_off(
    installation: &mut Installation,
    sender: &Sender,
    events: u64,
) -> anyhow::Result<Rates> {
    let tally = &sender.tally;
    installation.stop_delivery().await;
    let sending = Counting::begin(tally);
    sender.exactly(events).await?;
    let sent = sending.end(tally);
    installation.fanned_out(BACKLOG_BOUND).await?;
    tally.forget_latencies();
    installation.start_delivery().await;
    let working = Counting::begin(tally);
    arrived(tally, STANDSTILL_BOUND).await;
    Ok(Rates {
        accepted: sent.accepted,
        ..working.end(tally)
    })
}

/// Counts from a moment on.
struct Counting {
    began: Instant,
    accepted: u64,
    delivered: u64,
}

impl Counting {
    fn begin(tally: &Tally) -> Self {
        Self {
            began: Instant::now(),
            accepted: tally.accepted_count(),
            delivered: tally.delivered_count(),
        }
    }

    fn end(&self, tally: &Tally) -> Rates {
        let seconds = self.began.elapsed().as_secs_f64();
        Rates {
            accepted: ratio(tally.accepted_count() - self.accepted, seconds),
            delivered: ratio(tally.delivered_count() - self.delivered, seconds),
        }
    }
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

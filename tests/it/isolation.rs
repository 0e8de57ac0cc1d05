//! What one endpoint does is nothing to another: queues, limits, breakers and the ladder, at small scale.

mod breaking;
mod ladder;
mod limits;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use e2e::{Organisation, Stack};
use serde_json::{Value, json};
use test_support::{Answer, BrokerClient, Received, Receiver, eventually};

use crate::BOUND;

/// Events of one measurement, and how far apart they are sent.
const EVENTS: usize = 100;
const APART: Duration = Duration::from_millis(20);
/// Jobs that are queued for each bad endpoint.
const QUEUED: usize = 500;
/// A machine that is busy with something else slows one round, not each of so many.
const ROUNDS: usize = 5;

#[tokio::test]
async fn a_healthy_endpoint_notices_nothing_of_a_hanging_and_a_failing_one() {
    let stack = Stack::start_alone().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(|request| match request.path.as_str() {
        "/hanging" => Answer::ok().after(Duration::from_secs(60)),
        "/failing" => Answer::status(500),
        _ => Answer::ok(),
    });
    for name in ["healthy", "hanging", "failing"] {
        let url = receiver.url(&format!("/{name}"));
        acme.register(&url, &[name], json!({"timeoutMs": 2_000}))
            .await;
    }
    // Connections are opened and caches filled before anything is measured.
    p99(&acme, &receiver, "warm").await;
    let alone = p99(&acme, &receiver, "alone").await;

    for name in ["hanging", "failing"] {
        acme.send(&events(name, name, QUEUED)).await;
    }
    wait_until_taken(&stack.broker_client().await).await;

    let limit = alone.mul_f64(1.5).max(alone + Duration::from_millis(15));
    let mut beside = Vec::new();
    for round in 0..ROUNDS {
        beside.push(p99(&acme, &receiver, &format!("beside-{round}")).await);
        if beside[round] <= limit {
            return;
        }
    }
    panic!("p99 alone {alone:?}, beside the queues {beside:?}");
}

/// Sends events to the healthy endpoint at a steady rate and returns the 99th percentile of the times from
/// sending to arrival.
async fn p99(acme: &Organisation, receiver: &Receiver, round: &str) -> Duration {
    let mut sent = HashMap::new();
    let start = tokio::time::Instant::now();
    for n in 0..u32::try_from(EVENTS).unwrap() {
        tokio::time::sleep_until(start + n * APART).await;
        let id = format!("{round}-{n}");
        sent.insert(id.clone(), Instant::now());
        acme.send(&event(&id, "healthy")).await;
    }
    let mut took = eventually("all of them arrive", BOUND, async || {
        let arrived = receiver.requests_to("/healthy");
        let took = arrived
            .iter()
            .filter_map(|request| Some(request.at - *sent.get(request.event_id())?));
        let took: Vec<Duration> = took.collect();
        if took.len() == EVENTS {
            Ok(took)
        } else {
            Err(took.len())
        }
    })
    .await;
    took.sort_unstable();
    took[EVENTS * 99 / 100 - 1]
}

/// Waits until every job was looked at: what `JOBS` still holds is under way.
async fn wait_until_taken(broker: &BrokerClient) {
    eventually("the queues are taken", BOUND, async || {
        match broker.count("posthorn_JOBS").await {
            Some(jobs) if jobs < 50 => Ok(()),
            jobs => Err(format!("{jobs:?} in JOBS")),
        }
    })
    .await;
}

async fn wait_until_nothing_is_left(broker: &BrokerClient) {
    eventually("nothing is left to do", BOUND, async || {
        let left = [
            broker.count("posthorn_JOBS").await,
            broker.count("posthorn_RETRIES").await,
        ];
        if left == [Some(0); 2] {
            Ok(())
        } else {
            Err(format!("{left:?} in JOBS and RETRIES"))
        }
    })
    .await;
}

/// Returns the signals so far, in their order.
async fn signals(broker: &BrokerClient) -> Vec<String> {
    let signals = broker.messages("posthorn_SIGNALS").await;
    let kind = |subject: &str| subject.rsplit('.').next().unwrap_or_default().to_owned();
    signals.iter().map(|signal| kind(&signal.subject)).collect()
}

/// Returns the reasons of all dead letters.
async fn reasons(broker: &BrokerClient) -> Vec<String> {
    let letters = broker.messages("posthorn_DEAD").await;
    let reason = letters.iter().filter_map(|it| it.header("posthorn-reason"));
    reason.map(str::to_owned).collect()
}

/// Returns the most requests that came within any time as long as `window`.
fn busiest(requests: &[Received], window: Duration) -> usize {
    let within = |first: usize| {
        let end = requests[first].at + window;
        requests[first..]
            .iter()
            .take_while(|request| request.at < end)
            .count()
    };
    (0..requests.len()).map(within).max().unwrap_or(0)
}

fn event(id: &str, name: &str) -> Value {
    json!({"id": id, "eventSubCategory": name, "payload": {}})
}

fn events(prefix: &str, name: &str, count: usize) -> Value {
    let all = (0..count).map(|n| event(&format!("{prefix}-{n}"), name));
    Value::from(all.collect::<Vec<_>>())
}

//! A breaker: it opens after ten failures, lets one probe through, and closes little by little.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use e2e::{Organisation, Stack};
use serde_json::json;
use test_support::{Answer, Received, Receiver, eventually};

use super::{events, wait_until_nothing_is_left};
use crate::BOUND;

/// How long the probe takes: what else is allowed shows meanwhile.
const PROBE: Duration = Duration::from_millis(500);
/// How long the endpoint takes to fail.
const FAILURE: Duration = Duration::from_millis(50);
const FIRST_JOBS: usize = 100;
/// The most requests at once that an endpoint begins with.
const FIRST_WINDOW: usize = 16;
/// What is sent from shortly before the probe on, 160 a second: more than the endpoint gets at first.
const SENT_AFTER: Duration = Duration::from_secs(4);
const BATCH: usize = 4;
const BATCHES: usize = 200;
const BATCHES_APART: Duration = Duration::from_millis(25);

#[tokio::test]
async fn a_breaker_opens_probes_and_closes_little_by_little() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let broker = stack.broker_client().await;
    let healed_requests = Arc::new(AtomicU32::new(0));
    let receiver = Receiver::start(failing_until_healed(&healed_requests));
    acme.register(&receiver.url("/"), &["*"], json!({"timeoutMs": 1_000}))
        .await;

    acme.send(&events("first", "reward-claim", FIRST_JOBS))
        .await;
    eventually("the breaker opens", BOUND, async || {
        match broker.count("KV_posthorn_health").await {
            Some(1..) => Ok(()),
            other => Err(format!("{other:?} entries in the health bucket")),
        }
    })
    .await;
    let opened = Instant::now();
    // Those that were under way when it opened have failed too, before anything is taken.
    wait_until_quiet(&receiver).await;
    let before = receiver.requests();
    healed_requests.store(1, Ordering::Relaxed);
    send_steadily(&acme).await;
    let all = FIRST_JOBS + BATCH * BATCHES;
    let requests = wait_for_events(&receiver, all).await;

    wait_until_nothing_is_left(&broker).await;
    // Whoever fails makes room for the next at once, so a second window may begin before the first counts.
    assert!(
        (10..=3 * FIRST_WINDOW).contains(&before.len()),
        "{} requests opened the breaker",
        before.len()
    );
    // Those that were under way when it opened have been answered within a moment.
    let moment = opened + Duration::from_secs(2);
    let later: Vec<&Received> = requests.iter().filter(|it| it.at > moment).collect();
    let probe = later[0].at;
    assert!(
        probe - opened > Duration::from_secs(4),
        "{:?}",
        probe - opened
    );
    assert!(
        later[1].at - probe > PROBE.mul_f64(0.9),
        "two probes at once"
    );
    let per_second: Vec<usize> = (0..3)
        .map(|second| {
            let from = later[1].at + Duration::from_secs(second);
            let to = from + Duration::from_secs(1);
            later
                .iter()
                .filter(|it| (from..to).contains(&it.at))
                .count()
        })
        .collect();
    // Ten a second at first, twice as many each second.
    assert!(
        per_second[0] <= 20 && per_second[1] <= 40 && per_second[2] <= 80,
        "{per_second:?}"
    );
    assert!(per_second.is_sorted(), "{per_second:?}");
}

/// Fails until `healed` is not zero; then the first request takes long, and all are taken.
fn failing_until_healed(healed: &Arc<AtomicU32>) -> impl Fn(&Received) -> Answer + use<> {
    let healed = Arc::clone(healed);
    move |_| {
        if healed.load(Ordering::Relaxed) == 0 {
            return Answer::status(500).after(FAILURE);
        }
        match healed.fetch_add(1, Ordering::Relaxed) {
            1 => Answer::ok().after(PROBE),
            _ => Answer::ok(),
        }
    }
}

async fn wait_until_quiet(receiver: &Receiver) {
    eventually("no request is under way", BOUND, async || {
        let quiet_for = receiver.requests().last().map(|it| it.at.elapsed());
        match quiet_for {
            Some(quiet_for) if quiet_for > 4 * FAILURE => Ok(()),
            other => Err(format!("the last one came {other:?} ago")),
        }
    })
    .await;
}

async fn send_steadily(acme: &Organisation) {
    let start = tokio::time::Instant::now() + SENT_AFTER;
    for batch in 0..u32::try_from(BATCHES).unwrap() {
        tokio::time::sleep_until(start + batch * BATCHES_APART).await;
        let prefix = format!("batch-{batch}");
        acme.send(&events(&prefix, "reward-claim", BATCH)).await;
    }
}

/// Waits until so many events have arrived, and returns all requests.
async fn wait_for_events(receiver: &Receiver, count: usize) -> Vec<Received> {
    eventually(&format!("{count} events arrive"), BOUND, async || {
        let requests = receiver.requests();
        let events: HashSet<&str> = requests.iter().map(Received::event_id).collect();
        if events.len() == count {
            Ok(())
        } else {
            Err(events.len())
        }
    })
    .await;
    receiver.requests()
}

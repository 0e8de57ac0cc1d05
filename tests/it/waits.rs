//! A wait outlives whoever keeps it, is kept to its end, and ends in one attempt.

use std::time::Duration;

use e2e::{Organisation, Service, Stack};
use serde_json::{Value, json};
use test_support::{Answer, BrokerClient, Received, Receiver, eventually};

use crate::BOUND;

/// Longer than what a delayed NAK is used for, so the broker keeps it as a schedule.
const LONG: Duration = Duration::from_secs(63);
/// A wait by delayed NAK.
const SHORT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn short_and_long_waits_survive_a_kill_of_broker_and_delivery() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let (short, long) = (endpoint(&acme, SHORT).await, endpoint(&acme, LONG).await);
    let broker = stack.broker_client().await;

    acme.send(&json!([event("evt-1"), event("evt-2")])).await;
    for receiver in [&short, &long] {
        receiver.wait_for(2, BOUND).await;
    }
    all_wait(&broker, 4).await;
    stack.broker().kill();
    stack.service(Service::Delivery).kill();
    stack.broker().restart();
    stack.service(Service::Delivery).restart();
    stack.wait_ready().await;

    let requests = short.wait_for(4, SHORT + BOUND).await;
    assert_waited(&requests, SHORT);
    let requests = long.wait_for(4, LONG + BOUND).await;
    assert_waited(&requests, LONG);
    let broker = stack.broker_client().await;
    nothing_is_left(&broker).await;
    assert_eq!((short.count(), long.count()), (4, 4));
}

/// An endpoint whose receiver refuses each event once, and wants the retry after that wait.
async fn endpoint(acme: &Organisation, wait: Duration) -> Receiver {
    let receiver = Receiver::start(|request: &Received| {
        if request.attempt() == 1 {
            Answer::status(500)
        } else {
            Answer::ok()
        }
    });
    let delay = u64::try_from(wait.as_millis()).unwrap();
    let policy = json!({"retryPolicy": {"preset": "custom", "delay": {"fixed": delay}}});
    acme.register(&receiver.url("/hook"), &["*"], policy).await;
    receiver
}

fn assert_waited(requests: &[Received], wait: Duration) {
    for id in ["evt-1", "evt-2"] {
        let of_event: Vec<&Received> = requests
            .iter()
            .filter(|request| request.event_id() == id)
            .collect();
        let attempts: Vec<u32> = of_event.iter().map(|request| request.attempt()).collect();
        assert_eq!(attempts, [1, 2], "{id}");
        let waited = of_event[1].at - of_event[0].at;
        assert!(waited >= wait, "{id} after {waited:?} of {wait:?}");
    }
}

async fn all_wait(broker: &BrokerClient, jobs: u64) {
    eventually("all jobs wait", BOUND, async || {
        match broker.count("posthorn_RETRIES").await {
            Some(count) if count == jobs => Ok(()),
            count => Err(format!("{count:?} in RETRIES")),
        }
    })
    .await;
}

async fn nothing_is_left(broker: &BrokerClient) {
    eventually("nothing waits", BOUND, async || {
        match (
            broker.count("posthorn_JOBS").await,
            broker.count("posthorn_RETRIES").await,
        ) {
            (Some(0), Some(0)) => Ok(()),
            other => Err(format!("{other:?} in JOBS and RETRIES")),
        }
    })
    .await;
}

fn event(id: &str) -> Value {
    json!({"id": id, "eventSubCategory": "reward-claim", "payload": {}})
}

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

    short.wait_for(4, SHORT + BOUND).await;
    long.wait_for(4, LONG + BOUND).await;
    let broker = stack.broker_client().await;
    nothing_is_left(&broker).await;
    assert_waited(&short.requests(), SHORT);
    assert_waited(&long.requests(), LONG);
    assert_eq!(broker.count("posthorn_DEAD").await, Some(0));
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

/// Every retry came its wait after an attempt before it. A broker that is killed may forget acks, so
/// fan-out may have made a job twice, which shows as a second first attempt.
fn assert_waited(requests: &[Received], wait: Duration) {
    for id in ["evt-1", "evt-2"] {
        let at = |attempt: u32| {
            let of_event = requests.iter().filter(move |it| it.event_id() == id);
            let mut times: Vec<_> = of_event
                .filter(|it| it.attempt() == attempt)
                .map(|it| it.at)
                .collect();
            times.sort_unstable();
            times
        };
        let (first, second) = (at(1), at(2));
        assert!(!second.is_empty(), "{id} was not retried");
        assert!(second.len() <= first.len(), "{id}: {first:?} {second:?}");
        for (before, after) in first.iter().zip(&second) {
            let waited = *after - *before;
            assert!(waited >= wait, "{id} after {waited:?} of {wait:?}");
        }
        assert!(at(3).is_empty(), "{id} was attempted a third time");
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
    eventually("nothing waits", LONG + BOUND, async || {
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

//! An endpoint's own limits: requests a second, and requests at once over several replicas.

use std::{collections::HashSet, time::Duration};

use e2e::{Service, Stack};
use serde_json::json;
use test_support::{Answer, BrokerClient, Receiver, eventually, script};

use super::{busiest, events, wait_until_nothing_is_left};
use crate::BOUND;

#[tokio::test]
async fn a_rate_limit_holds_and_each_job_is_parked_about_once() {
    const RATE: usize = 20;
    const JOBS: usize = 200;
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    acme.register(&receiver.url("/"), &["*"], json!({"rateLimit": RATE}))
        .await;
    let broker = stack.broker_client().await;

    acme.send(&events("evt", "reward-claim", JOBS)).await;

    let requests = receiver.wait_for(u64::try_from(JOBS).unwrap(), BOUND).await;
    wait_until_nothing_is_left(&broker).await;
    let ids: HashSet<&str> = requests.iter().map(|request| request.event_id()).collect();
    assert_eq!((ids.len(), requests.len()), (JOBS, JOBS));
    let window = Duration::from_secs(5);
    let most = busiest(&requests, window);
    // A second's worth may come at once. Another one comes of parkings that last up to a second too long:
    // the shortest is a second, and the broker counts in whole ones.
    assert!(most <= 5 * RATE + 2 * RATE, "{most} within 5 s");
    assert!(most >= 4 * RATE, "{most} within 5 s");
    // But for the first second's worth, and the few that waited in their places, all were parked.
    let parked = u64::try_from(JOBS - RATE - RATE / 4).unwrap();
    let stored = retries_stored(&broker).await;
    assert!(
        stored * 2 <= parked * 3,
        "{stored} messages for {parked} parked jobs"
    );
}

#[tokio::test]
async fn two_replicas_together_keep_the_limit_of_requests_at_once() {
    const ANSWER: Duration = Duration::from_millis(100);
    const JOBS: usize = 24;
    let mut stack = Stack::start().await;
    let replica = stack.add_replica(Service::Delivery).await;
    eventually("both know of each other", BOUND, async || {
        let logs = [
            stack.service(Service::Delivery).log(),
            stack.replica(replica).log(),
        ];
        let known = logs.map(|log| log.contains("\"replicas\":2"));
        if known == [true; 2] {
            Ok(())
        } else {
            Err(format!("{known:?}"))
        }
    })
    .await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok().after(ANSWER)));
    acme.register(&receiver.url("/"), &["*"], json!({"maxInFlight": 2}))
        .await;

    acme.send(&events("evt", "reward-claim", JOBS)).await;

    let requests = receiver.wait_for(u64::try_from(JOBS).unwrap(), BOUND).await;
    let ids: HashSet<&str> = requests.iter().map(|request| request.event_id()).collect();
    assert_eq!(ids.len(), JOBS);
    // None is answered earlier, so all that come within that time are under way at once.
    assert_eq!(busiest(&requests, ANSWER), 2);
}

/// Returns how many messages the retry lane has ever had.
async fn retries_stored(broker: &BrokerClient) -> u64 {
    let stream = broker.context().get_stream("posthorn_RETRIES").await;
    stream.unwrap().cached_info().state.last_sequence
}

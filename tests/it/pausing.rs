//! A paused endpoint gets nothing and loses nothing.

use std::time::Duration;

use e2e::{Service, Stack};
use serde_json::{Value, json};
use test_support::{Answer, Receiver, eventually, script};

use crate::BOUND;

#[tokio::test]
async fn what_comes_during_a_pause_is_delivered_after_it_whoever_restarts_meanwhile() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let config = acme
        .register(&receiver.url("/hook"), &["*"], json!({}))
        .await;
    let id = config["id"].as_str().unwrap();
    let path = format!("/api/v2/admin/webhooks/configs/{id}");
    let broker = stack.broker_client().await;
    acme.admin
        .post(&format!("{path}/pause"), &json!(null))
        .await
        .expect(200);

    let events: Vec<Value> = (0..50).map(|n| event(&format!("evt-{n}"))).collect();
    acme.send(&json!(events)).await;
    eventually("all jobs wait", BOUND, async || {
        match (
            broker.count("posthorn_JOBS").await,
            broker.count("posthorn_RETRIES").await,
        ) {
            (Some(0), Some(50)) => Ok(()),
            other => Err(format!("{other:?} in JOBS and RETRIES")),
        }
    })
    .await;
    stack.service(Service::Delivery).kill();
    stack.service(Service::Delivery).restart();
    stack.wait_ready().await;
    assert_eq!(receiver.count(), 0);
    acme.admin
        .post(&format!("{path}/resume"), &json!(null))
        .await
        .expect(200);

    let requests = receiver.wait_for(50, Duration::from_secs(60)).await;
    assert!(requests.iter().all(|request| request.attempt() == 1));
    assert_eq!(broker.count("posthorn_DEAD").await, Some(0));
}

fn event(id: &str) -> Value {
    json!({"id": id, "eventSubCategory": "reward-claim", "payload": {}})
}

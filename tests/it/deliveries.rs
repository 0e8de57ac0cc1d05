//! Where jobs stand, as the Admin API tells it.

use e2e::{Organisation, Stack};
use serde_json::{Value, json};
use test_support::{Answer, Receiver, eventually, script};

use crate::BOUND;

const DELIVERIES: &str = "/api/v2/admin/webhooks/deliveries";

#[tokio::test]
async fn a_job_is_followed_from_its_parking_to_its_end() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let refusing = Receiver::start(script::always(Answer::status(400)));
    let failing = Receiver::start(script::always(Answer::status(500)));
    let patient = json!({"retryPolicy": {"preset": "nudj", "delay": {"fixed": 3_600_000}}});
    let taken = register(&acme, &receiver.url("/hook"), json!({})).await;
    let refused = register(&acme, &refusing.url("/hook"), json!({})).await;
    let failed = register(&acme, &failing.url("/hook"), patient).await;
    let paused = register(&acme, &receiver.url("/paused"), json!({})).await;
    acme.admin
        .post(
            &format!("/api/v2/admin/webhooks/configs/{paused}/pause"),
            &json!(null),
        )
        .await
        .expect(200);

    acme.send(&json!({"id": "evt-1", "eventSubCategory": "reward-claim", "payload": {}}))
        .await;

    let delivered = wait_for(&acme, &taken, "delivered").await;
    assert_eq!(delivered["attempts"], 1);
    assert_eq!(delivered["responseStatus"], 200);
    assert_eq!(types(&delivered), ["attempt"]);
    let given_up = wait_for_end(&acme, &refused).await;
    assert_eq!(given_up["errorMessage"], "HTTP 400: Bad Request");
    assert_eq!(given_up["lastAttempt"], 1);
    assert_eq!(types(&given_up), ["attempt", "dead"]);
    let retrying = wait_for(&acme, &failed, "retrying").await;
    assert!(retrying["nextAttemptAt"].is_string(), "{retrying}");
    let pending = wait_for(&acme, &paused, "pending").await;
    assert_eq!(pending["attempts"], 0);
    assert_eq!(pending["reason"], "paused");
    assert_eq!(types(&pending), ["parked"]);
    for state in ["delivered", "failed", "retrying", "pending"] {
        let page = acme.admin.get(&format!("{DELIVERIES}?state={state}")).await;
        let page = page.expect(200);
        assert_eq!(page["edges"].as_array().unwrap().len(), 1, "{page}");
        assert_eq!(page["edges"][0]["state"], state);
    }
}

/// Registers an endpoint and returns its id.
async fn register(acme: &Organisation, url: &str, more: Value) -> String {
    let config = acme.register(url, &["*"], more).await;
    config["id"].as_str().unwrap().to_owned()
}

/// Waits until the endpoint's job for the event is in the state, and returns it with its timeline.
async fn wait_for(acme: &Organisation, endpoint: &str, state: &str) -> Value {
    eventually(&format!("the job is {state}"), BOUND, async || {
        let job = job(acme, endpoint).await;
        if job["state"] == state {
            Ok(job)
        } else {
            Err(job)
        }
    })
    .await
}

/// As [`wait_for`], until the dead letter is recorded too.
async fn wait_for_end(acme: &Organisation, endpoint: &str) -> Value {
    eventually("the job is given up", BOUND, async || {
        let job = job(acme, endpoint).await;
        if job["state"] == "failed" && job["reason"] == "not-retried" {
            Ok(job)
        } else {
            Err(job)
        }
    })
    .await
}

async fn job(acme: &Organisation, endpoint: &str) -> Value {
    let reply = acme
        .admin
        .get(&format!("{DELIVERIES}/evt-1:{endpoint}"))
        .await;
    serde_json::from_slice(&reply.body).unwrap_or(Value::Null)
}

fn types(job: &Value) -> Vec<&str> {
    let timeline = job["timeline"].as_array().unwrap();
    timeline
        .iter()
        .filter_map(|entry| entry["type"].as_str())
        .collect()
}

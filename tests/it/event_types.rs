//! Schemas of the catalogue: in force with the answer, over HTTP and NATS alike, and never too late.

use e2e::{Organisation, Service, Stack};
use serde_json::{Value, json};
use test_support::{Answer, Receiver, Signal, StoredMessage, eventually, script};

use crate::BOUND;

const TYPES: &str = "/api/v2/admin/webhooks/event-types";
const SUBJECT: &str = "posthorn.events.acme.quiz";

#[tokio::test]
async fn a_saved_schema_holds_for_the_very_next_event_over_http_and_nats() {
    let stack = Stack::start().await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let acme = stack.organisation("acme").await;
    let broker = stack.broker_client().await;
    let saved = acme
        .register(&receiver.url("/"), &["quiz"], json!({}))
        .await;
    let bad = r#"{"id":"bad","eventSubCategory":"quiz","payload":{"points":"private"}}"#;
    let good = r#"{"id":"good","eventSubCategory":"quiz","payload":{"points":7}}"#;
    save_schema(&acme).await;

    let refused = acme.send_bytes(bad).await;
    for body in [bad, good] {
        broker.publish(SUBJECT, &[], body).await.unwrap();
    }

    let wanted = "payload.points: must be a whole number";
    assert_eq!(refused.status.as_u16(), 400);
    assert_eq!(refused.json()["message"], wanted);
    let rejected = rejected(&stack, 1).await.remove(0);
    assert_eq!(rejected.header("posthorn-reason"), Some(wanted));
    receiver.wait_for(1, BOUND).await;
    let record = acme.wait_logs(1, "").await.remove(0);
    assert_eq!(record["eventId"], "good");
    assert_eq!(
        record["eventCategory"], "own",
        "the catalogue's, since the event has none"
    );

    // What was rejected is no event, so no replay finds it.
    let path = format!(
        "/api/v2/admin/webhooks/configs/{}/replay",
        saved["id"].as_str().unwrap()
    );
    let asked = json!({"mode": "all", "fromDate": saved["createdAt"]});
    acme.admin.post(&path, &asked).await.expect(202);
    let requests = receiver.wait_for(2, BOUND).await;
    assert!(requests.iter().all(|request| request.event_id() == "good"));
}

#[tokio::test]
async fn what_ingest_accepted_is_delivered_whatever_schema_is_saved_afterwards() {
    let mut stack = Stack::start().await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let acme = stack.organisation("acme").await;
    acme.register(&receiver.url("/"), &["quiz"], json!({}))
        .await;
    let event =
        |id: &str| json!({"id": id, "eventSubCategory": "quiz", "payload": {"points": "x"}});

    stack.service(Service::FanOut).signal(Signal::Pause);
    acme.send(&event("http")).await;
    let broker = stack.broker_client().await;
    broker
        .publish(SUBJECT, &[], event("nats").to_string())
        .await
        .unwrap();
    // Answered once the paused replica no longer counts as living.
    save_schema(&acme).await;
    stack.service(Service::FanOut).signal(Signal::Resume);

    let requests = receiver.wait_for(2, BOUND).await;
    let mut ids: Vec<_> = requests.iter().map(|request| request.event_id()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["http", "nats"]);
    assert_eq!(
        acme.send_bytes(event("late").to_string())
            .await
            .status
            .as_u16(),
        400
    );
}

/// Saves a schema and waits until that is answered as in force.
async fn save_schema(acme: &Organisation) -> Value {
    let schema = json!({"properties": {"points": {"type": "integer"}}, "required": ["points"]});
    let wanted = json!([{"name": "quiz", "category": "own", "schema": schema}]);
    eventually("the schema is in force", BOUND, async || {
        let reply = acme.admin.put(TYPES, &wanted).await;
        if reply.status.as_u16() == 503 {
            return Err(reply.to_string());
        }
        Ok(reply.expect(200))
    })
    .await
}

async fn rejected(stack: &Stack, n: usize) -> Vec<StoredMessage> {
    let broker = stack.broker_client().await;
    eventually("events are rejected", BOUND, async || {
        let messages = broker.messages("posthorn_REJECTED").await;
        if messages.len() >= n {
            Ok(messages)
        } else {
            Err(messages.len())
        }
    })
    .await
}

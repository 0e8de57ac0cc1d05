//! An organisation that wants bodies to be kept for less than its records.

use e2e::Stack;
use serde_json::{Value, json};
use test_support::{Answer, Receiver, eventually, script};

use crate::BOUND;

#[tokio::test]
async fn bodies_go_as_the_settings_say_and_records_stay() {
    let stack = Stack::start().await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let acme = stack.organisation("acme").await;
    let umbra = stack.organisation("umbra").await;
    let event = json!({"id": "evt-1", "eventSubCategory": "reward-claim", "payload": {"n": 1}});
    for organisation in [&acme, &umbra] {
        let url = receiver.url(&format!("/{}", organisation.id));
        organisation
            .register(&url, &["reward-claim"], json!({}))
            .await;
        organisation.send(&event).await;
    }
    for organisation in [&acme, &umbra] {
        organisation.wait_logs(1, "").await;
        eventually("the body is archived", BOUND, async || {
            let record = organisation.logs("").await.remove(0);
            (!record["requestBody"].is_null())
                .then_some(())
                .ok_or(record)
        })
        .await;
    }

    let settings = json!({"bodyRetentionDays": 0});
    acme.admin
        .put("/api/v2/admin/settings", &settings)
        .await
        .expect(200);

    let record = eventually("the bodies are gone", BOUND, async || {
        let record = acme.logs("").await.remove(0);
        let is_gone = record["requestBodyExpired"] == true && record["responseBodyExpired"] == true;
        is_gone.then_some(record.clone()).ok_or(record)
    })
    .await;
    assert_eq!(record["requestBody"], Value::Null);
    assert_eq!(record["responseBody"], Value::Null);
    assert_eq!(record["responseStatus"], 200);
    let id = record["id"].as_str().unwrap();
    let retry = format!("/api/v2/admin/webhooks/logs/{id}/retry");
    let refused = acme.admin.post(&retry, &json!({})).await.expect(409);
    assert_eq!(refused["message"], "the event's body is no longer kept");
    let theirs = umbra.logs("").await.remove(0);
    assert_eq!(theirs["requestBody"]["payload"]["n"], 1);
    assert!(theirs.get("responseBodyExpired").is_none());
}

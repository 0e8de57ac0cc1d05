//! `POST /api/v2/admin/events/custom`, behind the one address of `posthorn dev`.

use e2e::Dev;
use serde_json::{Value, json};
use test_support::{Answer, Receiver, Signal, script};

use crate::BOUND;

#[tokio::test]
async fn a_custom_event_is_delivered_like_any_other() {
    let data = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(script::always(Answer::ok()));
    let dev = Dev::start(data.path()).await;
    let acme = dev.organisation("acme").await;
    acme.register(&receiver.url("/hook"), &["spin.*"], json!({}))
        .await;

    let body = json!({"eventName": "spin.won", "payload": {"prize": 3}, "userId": "u-1"});
    let answer = acme
        .producer
        .post("/api/v2/admin/events/custom", &body)
        .await
        .expect(200);

    let request = receiver.wait_for(1, BOUND).await.remove(0);
    let event: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(event["id"], answer["id"]);
    assert_eq!(event["payload"], json!({"prize": 3}));
    assert_eq!(request.header("x-posthorn-event"), "spin.won");
    assert_eq!(request.header("content-type"), "application/json");
    let record = acme.wait_logs(1, "").await.remove(0);
    assert_eq!(record["requestBody"], event);
    dev.stop(Signal::Terminate).await;
}

//! `posthorn send`, `logs` and `retry`.

use serde_json::{Value, json};
use test_support::{Answer, Receiver, script};

use super::Desk;
use crate::BOUND;

#[tokio::test]
async fn an_event_is_sent_by_flags_a_file_and_standard_input_and_over_nats() {
    let desk = Desk::start().await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    desk.acme
        .register(&receiver.url("/hook"), &["*"], json!({}))
        .await;
    let posthorn = &desk.admin;
    posthorn.write(
        "two.json",
        &json!([event("evt-2"), event("evt-3")]).to_string(),
    );
    posthorn.write("payload.json", r#"{"points": 7}"#);
    let cloud = json!({"specversion": "1.0", "id": "A-1", "source": "/shop", "type": "order.paid", "data": {}})
    .to_string();

    let flags = [
        "send",
        "--json",
        "--event",
        "reward.earned",
        "--id",
        "evt-1",
    ];
    let by_flags = [&flags[..], &["--payload", "@payload.json"]].concat();
    let accepted = posthorn.run(&by_flags).await.documents();
    let again = posthorn.run(&by_flags).await.documents();
    posthorn.run(&["send", "two.json"]).await.succeeded();
    let input = event("evt-4").to_string();
    posthorn
        .run_with_input(&["send", "-"], &input)
        .await
        .succeeded();
    let cloud = posthorn
        .run_with_input(&["send", "--cloud-events", "-"], &cloud)
        .await;
    cloud.succeeded();
    let nats = posthorn.env("POSTHORN_NATS_URL", desk.dev.nats_url());
    let over_nats = [
        "send",
        "--nats",
        "--organisation",
        "acme",
        "--json",
        "--event",
        "a.b",
        "--id",
        "evt-5",
    ];
    let stored = nats.run(&over_nats).await.documents();

    assert_eq!(accepted, [json!({"id": "evt-1", "deduplicated": false})]);
    assert_eq!(again, [json!({"id": "evt-1", "deduplicated": true})]);
    assert_eq!(stored[0]["id"], "evt-5");
    assert!(stored[0]["sequence"].is_u64(), "{stored:?}");
    let received = receiver.wait_for(6, BOUND).await;
    let first = received
        .iter()
        .find(|request| request.header("webhook-id") == "evt-1");
    let body: Value = serde_json::from_slice(&first.unwrap().body).unwrap();
    assert_eq!(body["payload"], json!({"points": 7}));
}

#[tokio::test]
async fn what_ingest_refuses_is_told_with_its_field_and_a_missing_server_with_its_address() {
    let desk = Desk::start().await;
    let posthorn = &desk.admin;

    let refused = posthorn.run(&["send", "--event", "not a name"]).await;
    let unnamed = posthorn.run_with_input(&["send", "-"], "[{}]").await;
    let no_token = posthorn.env("POSTHORN_TOKEN", "").run(&["logs"]).await;
    let wrong_token = posthorn
        .env("POSTHORN_TOKEN", "pht_wrong")
        .run(&["logs"])
        .await;
    let nobody = posthorn.run(&["logs", "--url", "http://127.0.0.1:1"]).await;
    let usage = posthorn.run(&["send"]).await;
    let operator = desk.dev.operator();
    let unsaid = posthorn.env("POSTHORN_TOKEN", operator.token().unwrap());
    let unsaid = unsaid.run(&["logs"]).await;

    assert!(
        refused.failed(1).contains("eventSubCategory: must be"),
        "{refused:?}"
    );
    assert!(
        refused.errors.contains("(BAD_REQUEST, postEvents)"),
        "{refused:?}"
    );
    assert!(
        unnamed
            .failed(1)
            .contains("[0].eventSubCategory: is required"),
        "{unnamed:?}"
    );
    assert!(
        no_token.failed(78).contains("POSTHORN_TOKEN"),
        "{no_token:?}"
    );
    assert!(
        wrong_token.failed(1).contains("check POSTHORN_TOKEN"),
        "{wrong_token:?}"
    );
    assert!(!wrong_token.errors.contains("pht_wrong"), "{wrong_token:?}");
    assert!(
        nobody
            .failed(69)
            .contains("http://127.0.0.1:1/ does not answer"),
        "{nobody:?}"
    );
    usage.failed(2);
    assert!(unsaid.failed(1).contains("--organisation"), "{unsaid:?}");
}

#[tokio::test]
async fn the_log_is_shown_filtered_and_retried() {
    let desk = Desk::start().await;
    let receiver = Receiver::start(|request| match (request.event_id(), request.attempt()) {
        ("evt-1", 1) => Answer::status(400),
        _ => Answer::ok(),
    });
    desk.acme
        .register(&receiver.url("/hook"), &["*"], json!({}))
        .await;
    desk.acme.send(&event("evt-1")).await;
    desk.acme.wait_logs(1, "").await;
    desk.acme.send(&event("evt-2")).await;
    desk.acme.wait_logs(2, "").await;
    let posthorn = &desk.admin;

    let all = posthorn.run(&["logs", "--json"]).await.documents();
    let failed = posthorn
        .run(&["logs", "--json", "--failed", "--since", "1h"])
        .await
        .documents();
    let last = posthorn.run(&["logs", "-n", "1"]).await;
    let id = failed[0]["id"].as_str().unwrap();
    let one = posthorn.run(&["logs", id]).await;
    let retried = posthorn.run(&["retry", id]).await;
    let unknown = posthorn.run(&["retry", "nobody-knows-it"]).await;
    let unfiltered = posthorn.run(&["retry", "--dead-letters"]).await;
    let dead = ["retry", "--dead-letters", "--event-id", "evt-1", "--json"];
    let dead = posthorn.run(&dead).await.documents();

    assert_eq!(ids(&all), ["evt-1", "evt-2"]);
    assert_eq!(ids(&failed), ["evt-1"]);
    assert!(last.succeeded().contains("evt-2"), "{last:?}");
    assert_eq!(last.output.lines().count(), 1, "{last:?}");
    assert!(!last.output.contains('\u{1b}'), "{last:?}");
    assert!(one.succeeded().contains("outcome   400"), "{one:?}");
    assert!(
        retried.succeeded().contains("attempt #2 of evt-1"),
        "{retried:?}"
    );
    assert!(
        unknown.failed(1).contains("no such log record (NOT_FOUND"),
        "{unknown:?}"
    );
    assert!(
        unfiltered.failed(1).contains("filter: must name"),
        "{unfiltered:?}"
    );
    assert_eq!(
        dead[0]["retried"].as_u64().unwrap() + dead[0]["skipped"].as_u64().unwrap(),
        1
    );
    receiver.wait_for(3, BOUND).await;
}

#[tokio::test]
async fn the_log_is_followed_until_somebody_stops_it() {
    let desk = Desk::start().await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    desk.acme
        .register(&receiver.url("/hook"), &["*"], json!({}))
        .await;
    desk.acme.send(&event("before")).await;
    desk.acme.wait_logs(1, "").await;

    let mut following = desk
        .admin
        .start(&["logs", "-f", "-n", "1", "--json", "--every", "100ms"]);
    following.wait_for("\"eventId\":\"before\"").await;
    for id in ["evt-1", "evt-2", "evt-3"] {
        desk.acme.send(&event(id)).await;
        following.wait_for(&format!("\"eventId\":\"{id}\"")).await;
    }
    let ended = following.stop().await;

    let shown = ended.documents();
    assert_eq!(ids(&shown), ["before", "evt-1", "evt-2", "evt-3"]);
}

fn ids(records: &[Value]) -> Vec<&str> {
    let ids = records.iter().map(|record| record["eventId"].as_str());
    ids.map(Option::unwrap).collect()
}

fn event(id: &str) -> Value {
    json!({"id": id, "eventSubCategory": "reward-claim", "payload": {}})
}

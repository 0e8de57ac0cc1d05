//! The catalogue's schemas, asked before an event is stored.

use domain::{event_type::EventType, time::Timestamp};
use jetstream::event_type_bucket::EventTypeBucket;
use serde_json::{Value, json};
use test_support::eventually;

use crate::installation::{BOUND, Installation};

const EVENTS: &str = "/api/v2/events";
const CUSTOM: &str = "/api/v2/admin/events/custom";

#[tokio::test]
async fn a_payload_that_does_not_fit_its_schema_refuses_the_request_and_names_the_place() {
    let installation = with_schema().await;
    let before = installation.stored().await.len();
    let fits = json!({"eventSubCategory": "quiz", "payload": {"points": 7}});
    let fails = json!({"eventSubCategory": "quiz", "payload": {"points": "private"}});
    let wanted = "payload.points: must be a whole number";

    for (body, message) in [
        (fails.clone(), wanted.to_owned()),
        (json!([fails]), format!("[0].{wanted}")),
        (json!([fits, fits, fails]), format!("[2].{wanted}")),
        (
            json!({"eventSubCategory": "quiz"}),
            "payload: must be an object".to_owned(),
        ),
        (
            json!({"eventSubCategory": "quiz", "payload": {}}),
            "payload.points: is required".to_owned(),
        ),
    ] {
        let reply = installation
            .post("producer", EVENTS, &[], body.to_string())
            .await;
        assert_eq!(reply.refused(400, "BAD_REQUEST", "postEvents"), message);
    }
    let custom = json!({"eventName": "quiz", "userId": "u", "payload": {"points": "x"}});
    let reply = installation
        .post("producer", CUSTOM, &[], custom.to_string())
        .await;
    assert_eq!(
        reply.refused(400, "BAD_REQUEST", "postEventsCustom"),
        wanted
    );
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-type", "quiz"),
        ("ce-source", "/shop"),
        ("ce-id", "1"),
        ("content-type", "application/json"),
    ];
    let reply = installation.post("producer", EVENTS, &binary, "{}").await;
    let message = reply.refused(400, "BAD_REQUEST", "postEvents");
    assert_eq!(message, "data.points: is required");

    let after = installation.stored().await.len();
    assert_eq!(after, before, "nothing of a refused request is stored");
}

#[tokio::test]
async fn what_fits_and_what_nobody_described_is_stored_and_marked() {
    let installation = with_schema().await;
    let before = installation.stored().await.len();
    let body = json!([
        {"eventSubCategory": "quiz", "payload": {"points": 7}},
        {"eventSubCategory": "anything", "payload": "at all"},
    ]);

    let reply = installation
        .post("producer", EVENTS, &[], body.to_string())
        .await;

    reply.expect(202);
    let stored = installation.stored().await.split_off(before);
    assert_eq!(stored.len(), 2);
    for message in stored {
        assert_eq!(message.header("posthorn-checked"), Some("schema"));
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(
            body["eventCategory"],
            Value::Null,
            "the bytes stay as they are"
        );
    }
}

#[tokio::test]
async fn who_makes_much_to_check_keeps_nobody_waiting() {
    // Each item makes as much work as there are subschemas. The test runs on one thread, and what is refused
    // waits for nothing but its check.
    let items: Vec<_> = (0..2_000).map(|_| json!({"type": "integer"})).collect();
    let schema = json!({"required": ["x"], "properties": {"x": {"items": {"allOf": items}}}});
    let installation = with(schema).await;
    let event = json!({"eventSubCategory": "quiz", "payload": {"x": vec![1; 4_000]}});
    let mut much = vec![event; 400];
    much.push(json!({"eventSubCategory": "quiz", "payload": {}}));
    let much = json!(much).to_string();
    let little = json!({"eventSubCategory": "anything"}).to_string();

    for _ in 0..10 {
        let much = installation.post("producer", EVENTS, &[], much.clone());
        let little = installation.post("producer", EVENTS, &[], little.clone());
        let (is_first, late) = tokio::select! {
            biased;
            reply = much => (false, reply),
            reply = little => (true, reply),
        };
        if is_first {
            late.expect(202);
            return;
        }
    }
    panic!("who has nothing to check waits");
}

/// Starts the service and waits until it holds an event type with a schema.
async fn with_schema() -> Installation {
    with(json!({
        "type": "object", "required": ["points"],
        "properties": {"points": {"type": "integer"}},
    }))
    .await
}

/// Starts the service and waits until it holds an event type with this schema, which takes no empty payload.
async fn with(schema: Value) -> Installation {
    let installation = Installation::start().await;
    let now = Timestamp::from_millis(1);
    let event_type = EventType {
        category: Some("own".to_owned()),
        payload_schema: Some(schema),
        ..EventType::unsaved("quiz".parse().unwrap(), None, now)
    };
    let bucket = EventTypeBucket::open(&installation.broker).await.unwrap();
    let organisation = "acme".parse().unwrap();
    bucket
        .write(&organisation, &event_type, None)
        .await
        .unwrap();
    let probe = json!({"id": "probe", "eventSubCategory": "quiz", "payload": {}}).to_string();
    eventually("the schema is in force", BOUND, async || {
        let reply = installation
            .post("producer", EVENTS, &[], probe.clone())
            .await;
        if reply.status.as_u16() == 400 {
            Ok(())
        } else {
            Err(reply.status)
        }
    })
    .await;
    installation
}

//! An event becomes a signed request, byte for byte, whichever way it came in.

use e2e::{Organisation, Stack, Store};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use test_support::{Postgres, Received, Receiver, eventually, script};

use crate::{BOUND, SECRET};

/// Whitespace, key order, escapes, number forms and unknown fields that re-serialising would change.
const ODD_BODY: &str = "{ \"payload\" : {\"z\":1,\t\"a\":\"\\u00e9\\uD83D\\uDE00 \\/ é\", \"big\": 123456789012345678901234567890,\n \"f\":1.10e+2 },\r\n \"zeta\":null, \"eventSubCategory\":\"reward-claim\", \"id\":\"evt-odd\" ,\"createdAt\":\"2026-03-14T10:21:45.102Z\", \"unknownField\":[ ] }";

#[tokio::test]
async fn an_event_over_http_arrives_signed_and_byte_for_byte() {
    let (stack, acme, receiver) = installation(Store::Sqlite).await;

    let reply = acme.send_bytes(ODD_BODY).await;
    assert_eq!(reply.expect(202)["accepted"][0]["id"], "evt-odd");

    let requests = receiver.wait_for(1, BOUND).await;
    let request = &requests[0];
    assert_eq!(std::str::from_utf8(&request.body).unwrap(), ODD_BODY);
    assert_signed(request);
    assert_eq!(request.event_id(), "evt-odd");
    assert_eq!(request.attempt(), 1);
    assert_eq!(request.header("x-posthorn-event"), "reward-claim");
    assert!(
        request
            .header("x-posthorn-delivery")
            .starts_with("evt-odd:")
    );
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("x-webhook-source"), "posthorn");
    assert!(request.header("user-agent").starts_with("Posthorn/"));
    let record = acme.wait_logs(1, "").await.remove(0);
    assert_is_the_record_of(&record, &acme, &receiver);
    stack.stop().await;
}

#[tokio::test]
async fn an_event_is_logged_in_postgresql_too() {
    let cluster = Postgres::shared();
    let (stack, acme, receiver) = installation(Store::Postgres(cluster)).await;

    acme.send_bytes(ODD_BODY).await.expect(202);

    receiver.wait_for(1, BOUND).await;
    let record = acme.wait_logs(1, "").await.remove(0);
    assert_is_the_record_of(&record, &acme, &receiver);
    stack.stop().await;
}

#[tokio::test]
async fn a_missing_id_and_time_are_inserted_and_the_rest_is_untouched() {
    let (_stack, acme, receiver) = installation(Store::Sqlite).await;
    let sent = "\"eventSubCategory\":\"reward-claim\",  \"payload\":{\"b\":2.50,\"a\":1}";

    let reply = acme.send_bytes(format!("{{{sent}}}")).await.expect(202);

    let request = receiver.wait_for(1, BOUND).await.remove(0);
    let text = std::str::from_utf8(&request.body).unwrap();
    let event: Value = serde_json::from_str(text).unwrap();
    assert!(text.contains(sent), "{text}");
    assert_eq!(event["id"], reply["accepted"][0]["id"]);
    assert_eq!(event["id"], request.event_id());
    let created = event["createdAt"].as_str().unwrap();
    let format = &time::format_description::well_known::Rfc3339;
    assert!(
        time::OffsetDateTime::parse(created, format).is_ok(),
        "{created}"
    );
    assert_eq!(event.as_object().unwrap().len(), 4);
    assert_signed(&request);
}

#[tokio::test]
async fn the_largest_event_arrives_and_one_byte_more_is_refused() {
    let (_stack, acme, receiver) = installation(Store::Sqlite).await;
    let frame = "{\"eventSubCategory\":\"reward-claim\",\"x\":\"\"}".len();
    let of = |filling: usize| {
        format!(
            "{{\"eventSubCategory\":\"reward-claim\",\"x\":\"{}\"}}",
            "x".repeat(filling)
        )
    };
    let largest = 1_048_576 - frame;

    acme.send_bytes(of(largest + 1)).await.expect(413);
    acme.send_bytes(of(largest)).await.expect(202);

    let requests = receiver.wait_for(1, BOUND).await;
    assert!(requests[0].body.len() > 1_048_576, "it was completed");
    let record = acme.wait_logs(1, "").await.remove(0);
    assert_eq!(
        record["requestBody"]["x"].as_str().map(str::len),
        Some(largest)
    );
}

#[tokio::test]
async fn an_event_over_nats_goes_the_same_way() {
    let (stack, acme, receiver) = installation(Store::Sqlite).await;
    let broker = stack.broker_client().await;

    broker
        .publish("posthorn.events.acme.reward-claim", &[], ODD_BODY)
        .await
        .unwrap();

    let requests = receiver.wait_for(1, BOUND).await;
    assert_eq!(std::str::from_utf8(&requests[0].body).unwrap(), ODD_BODY);
    assert_signed(&requests[0]);
    let record = acme.wait_logs(1, "").await.remove(0);
    assert_is_the_record_of(&record, &acme, &receiver);
}

#[tokio::test]
async fn an_invalid_event_over_nats_is_rejected_and_blocks_nothing() {
    let (stack, acme, receiver) = installation(Store::Sqlite).await;
    let broker = stack.broker_client().await;
    let foreign =
        r#"{"id":"f","eventSubCategory":"reward-claim","organisationId":"other","payload":{}}"#;
    let misnamed = r#"{"id":"m","eventSubCategory":"another-name","payload":{}}"#;
    let good = r#"{"id":"good","eventSubCategory":"reward-claim","createdAt":"2026-03-14T10:21:45.102Z","payload":{}}"#;

    for body in ["not json", "[]", "{\"id\":7}", foreign, misnamed, good] {
        broker
            .publish("posthorn.events.acme.reward-claim", &[], body)
            .await
            .unwrap();
    }

    receiver.wait_for(1, BOUND).await;
    let rejected = eventually("five events are rejected", BOUND, async || {
        let messages = broker.messages("posthorn_REJECTED").await;
        if messages.len() >= 5 {
            Ok(messages)
        } else {
            Err(messages.len())
        }
    })
    .await;
    assert_eq!(rejected.len(), 5);
    assert!(
        rejected
            .iter()
            .all(|message| message.subject == "posthorn.rejected.acme")
    );
    acme.wait_logs(1, "").await;
    assert_eq!(receiver.requests()[0].event_id(), "good");
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn one_id_sent_twice_is_one_delivery() {
    let (stack, acme, receiver) = installation(Store::Sqlite).await;
    let first = json!({"id": "twice", "eventSubCategory": "reward-claim", "payload": {"n": 1}});
    let second = json!({"id": "twice", "eventSubCategory": "reward-claim", "payload": {"n": 2}});

    let one = acme
        .producer
        .post("/api/v2/events", &first)
        .await
        .expect(202);
    let two = acme
        .producer
        .post("/api/v2/events", &second)
        .await
        .expect(202);
    acme.send(&json!({"id": "after", "eventSubCategory": "reward-claim", "payload": {}}))
        .await;

    assert_eq!(one["accepted"][0]["deduplicated"], false);
    assert_eq!(two["accepted"][0]["deduplicated"], true);
    assert_only(&stack, &receiver, &["after", "twice"]).await;
}

#[tokio::test]
async fn the_same_bytes_sent_twice_without_an_id_are_one_event() {
    let (stack, acme, receiver) = installation(Store::Sqlite).await;
    let body = r#"{"eventSubCategory":"reward-claim","payload":{"n":1}}"#;

    let one = acme.send_bytes(body).await.expect(202);
    let two = acme.send_bytes(body).await.expect(202);
    acme.send(&json!({"id": "after", "eventSubCategory": "reward-claim", "payload": {}}))
        .await;

    let id = one["accepted"][0]["id"].as_str().unwrap();
    assert_eq!(two["accepted"][0]["id"], id);
    assert_eq!(two["accepted"][0]["deduplicated"], true);
    assert_only(&stack, &receiver, &["after", id]).await;
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_and_names_what_is_wrong() {
    let (_stack, acme, receiver) = installation(Store::Sqlite).await;
    let good = |id: &str| json!({"id": id, "eventSubCategory": "reward-claim", "payload": {}});

    let bad = json!([good("a"), good("b"), {"id": "c"}]);
    let refused = acme.producer.post("/api/v2/events", &bad).await.expect(400);
    let accepted = acme.send(&json!([good("d"), good("e")])).await;

    assert_eq!(refused["code"], "BAD_REQUEST");
    let message = refused["message"].as_str().unwrap();
    assert!(message.starts_with("[2].eventSubCategory"), "{message}");
    assert_eq!(accepted, ["d", "e"]);
    let requests = receiver.wait_for(2, BOUND).await;
    assert!(
        requests
            .iter()
            .all(|request| ["d", "e"].contains(&request.event_id()))
    );
}

#[tokio::test]
async fn an_event_reaches_the_endpoints_that_match_and_no_other() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(test_support::Answer::ok()));
    for (path, events) in [
        ("/exact", ["reward.earned"]),
        ("/prefix", ["reward.*"]),
        ("/all", ["*"]),
        ("/other", ["reward.lost"]),
        ("/filtered", ["reward.earned"]),
    ] {
        let filters = if path == "/filtered" {
            json!({"reward.earned": ["r-1"]})
        } else {
            json!({})
        };
        acme.register(
            &receiver.url(path),
            &events,
            json!({"entityFilters": filters}),
        )
        .await;
    }

    for source in ["r-1", "r-2"] {
        let event =
            json!({"id": source, "eventSubCategory": "reward.earned", "eventSourceId": source});
        acme.send(&event).await;
    }

    let requests = receiver.wait_for(7, BOUND).await;
    let mut seen: Vec<(&str, &str)> = requests
        .iter()
        .map(|request| (request.path.as_str(), request.event_id()))
        .collect();
    seen.sort_unstable();
    let expected = [
        ("/all", "r-1"),
        ("/all", "r-2"),
        ("/exact", "r-1"),
        ("/exact", "r-2"),
        ("/filtered", "r-1"),
        ("/prefix", "r-1"),
        ("/prefix", "r-2"),
    ];
    assert_eq!(seen, expected);
}

async fn installation(store: Store) -> (Stack, Organisation, Receiver) {
    let stack = Stack::start_with(store, "info").await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(test_support::Answer::ok()));
    let more = json!({"secret": SECRET, "headers": {"X-Webhook-Source": "posthorn"}});
    acme.register(&receiver.url("/hook"), &["reward-claim"], more)
        .await;
    (stack, acme, receiver)
}

fn assert_signed(request: &Received) {
    let webhook = Webhook::new(SECRET).unwrap();
    webhook.verify(&request.body, &request.headers).unwrap();
}

fn assert_is_the_record_of(record: &Value, acme: &Organisation, receiver: &Receiver) {
    assert_eq!(record["organisationId"], acme.id.as_str());
    assert_eq!(record["eventId"], "evt-odd");
    assert_eq!(record["eventSubCategory"], "reward-claim");
    assert_eq!(record["url"], receiver.url("/hook"));
    assert_eq!(record["httpMethod"], "POST");
    assert_eq!(record["attempt"], 1);
    assert_eq!(record["trigger"], "auto");
    assert_eq!(record["success"], true);
    assert_eq!(record["responseStatus"], 200);
    assert_eq!(record["responseBody"], "noted");
    let body: Value = serde_json::from_str(ODD_BODY).unwrap();
    assert_eq!(record["requestBody"], body);
}

/// Checks that exactly these events arrived, once everything that was sent before has been worked off.
async fn assert_only(stack: &Stack, receiver: &Receiver, ids: &[&str]) {
    let expected = u64::try_from(ids.len()).unwrap();
    receiver.wait_for(expected, BOUND).await;
    let broker = stack.broker_client().await;
    eventually("no job is left", BOUND, async || {
        match broker.count("posthorn_JOBS").await {
            Some(0) => Ok(()),
            count => Err(format!("{count:?}")),
        }
    })
    .await;
    let requests = receiver.requests();
    let mut seen: Vec<&str> = requests.iter().map(Received::event_id).collect();
    seen.sort_unstable();
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    assert_eq!(seen, ids);
}

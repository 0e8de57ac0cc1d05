//! CloudEvents go through as they came, in whichever form and way: the official SDK makes them and reads them.

mod sdk;

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use e2e::{Organisation, Stack};
use http::Method;
use parking_lot::Mutex;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use test_support::{Answer, Received, Receiver, eventually, script};

use self::sdk::{Message, made, read};
use crate::{BOUND, SECRET};

const EVENTS: &str = "/api/v2/events";
const LETTERS: &str = "/api/v2/admin/webhooks/dead-letters";
const LOGS: &str = "/api/v2/admin/webhooks/logs";
const REPLAYS: &str = "/api/v2/admin/webhooks/replays";
/// A binary event whose data is no text, with attributes that a careless hand would encode again.
const BINARY: [(&str, &str); 6] = [
    ("ce-specversion", "1.0"),
    ("ce-type", "order.paid"),
    ("ce-source", "/shop"),
    ("ce-id", "1"),
    ("ce-subject", "%E2%82%AC%20\"7\""),
    ("content-type", "image/png"),
];
const PNG: &[u8] = b"\x89PNG\xff\x00";

#[tokio::test]
async fn what_the_sdk_sends_over_http_is_what_the_sdk_receives() {
    let (_stack, acme, receiver) = installation(script::always(Answer::ok())).await;
    let messages = made();

    for message in &messages {
        let headers = message.pairs();
        post(&acme, &headers, message.body.clone()).await;
    }

    assert_delivered(&receiver, &messages).await;
}

#[tokio::test]
async fn what_the_sdk_sends_over_nats_is_what_the_sdk_receives() {
    let (stack, acme, receiver) = installation(script::always(Answer::ok())).await;
    let messages = made();
    let broker = stack.broker_client().await;

    for message in &messages {
        let event = message.event["attributes"]["type"].as_str().unwrap();
        let subject = format!("posthorn.events.acme.{event}");
        // A structured event shows itself, for clients that know no headers.
        let headers = message.pairs();
        let is_structured = headers.len() == 1;
        let headers = if is_structured { &[] } else { &headers[..] };
        let published = broker.publish(&subject, headers, message.body.clone());
        published.await.unwrap();
    }

    assert_delivered(&receiver, &messages).await;
    acme.wait_logs(messages.len(), "").await;
}

#[tokio::test]
async fn a_batch_is_delivered_event_by_event() {
    let (_stack, acme, receiver) = installation(script::always(Answer::ok())).await;
    let structured: Vec<Message> = made()
        .into_iter()
        .filter(|message| message.headers.len() == 1)
        .collect();
    let bodies: Vec<&str> = structured
        .iter()
        .map(|message| std::str::from_utf8(&message.body).unwrap())
        .collect();
    let batch = format!("[{}]", bodies.join(" , "));

    let headers = [("content-type", "application/cloudevents-batch+json")];
    let accepted = post(&acme, &headers, batch.into()).await;

    assert_eq!(accepted.len(), structured.len());
    assert_delivered(&receiver, &structured).await;
}

#[tokio::test]
async fn retry_dead_letter_log_and_replay_send_the_same_bytes_and_headers() {
    let statuses = Mutex::new(vec![400_u16, 500]);
    let (_stack, acme, receiver) = installation(move |_request: &Received| {
        statuses
            .lock()
            .pop()
            .map_or_else(Answer::ok, Answer::status)
    })
    .await;
    let accepted = post(&acme, &BINARY, Bytes::from_static(PNG)).await;

    // A retry by the policy, which ends as a dead letter.
    receiver.wait_for(2, BOUND).await;
    let letter = eventually("there is a dead letter", BOUND, async || {
        let page = acme.admin.get(LETTERS).await.expect(200);
        let letter = page["edges"][0]["id"].as_str().map(str::to_owned);
        letter.ok_or(page)
    })
    .await;
    let path = format!("{LETTERS}/{letter}/retry");
    acme.admin.post(&path, &json!({})).await.expect(202);
    receiver.wait_for(3, BOUND).await;
    let record = acme.wait_logs(3, "").await.remove(2);
    let path = format!("{LOGS}/{}/retry", record["id"].as_str().unwrap());
    eventually("the event is archived", BOUND, async || {
        let reply = acme.admin.post(&path, &json!({})).await;
        (reply.status == 202).then_some(()).ok_or(reply.to_string())
    })
    .await;
    receiver.wait_for(4, BOUND).await;
    replay_all(&acme).await;
    let record = acme.log_record(record["id"].as_str().unwrap()).await;
    let record = record.expect(200);

    let requests = receiver.wait_for(5, BOUND).await;
    for request in &requests {
        assert_eq!(request.body, PNG);
        assert_eq!(request.event_id(), accepted[0]);
        for (name, value) in BINARY {
            assert_eq!(request.header(name), value, "{name}");
        }
        assert_signed(request);
    }
    for (name, value) in BINARY {
        assert_eq!(record["requestHeaders"][name], value, "{name}");
    }
    assert_eq!(record["requestBody"], STANDARD.encode(PNG));
    assert_eq!(record["requestBodyEncoding"], "base64");
}

#[tokio::test]
async fn subject_filters_cloud_events_and_a_get_carries_their_attributes() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let more = json!({"httpMethod": "GET", "entityFilters": {"order.paid": ["\u{20ac} 7"]}});
    acme.register(&receiver.url("/hook"), &["order.paid"], more)
        .await;
    let with = |id: &'static str, subject: &'static str| {
        let mut headers = BINARY[..3].to_vec();
        headers.extend([("ce-id", id), ("ce-subject", subject)]);
        headers
    };

    post(&acme, &with("other", "%E2%82%AC%208"), Bytes::new()).await;
    post(&acme, &with("wanted", "%E2%82%AC%207"), Bytes::new()).await;

    let request = receiver.wait_for(1, BOUND).await.remove(0);
    assert_eq!(request.method, Method::GET);
    assert_eq!(request.header("ce-id"), "wanted");
    assert!(!request.headers.contains_key("content-type"));
    acme.wait_logs(1, "").await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn a_cloud_event_under_another_name_than_its_subject_is_rejected_with_its_headers() {
    let (stack, acme, receiver) = installation(script::always(Answer::ok())).await;
    let broker = stack.broker_client().await;
    let named = |subject: &str| format!("posthorn.events.acme.{subject}");

    for (subject, headers) in [
        (named("order.sent"), &BINARY[..]),
        (named("order.paid"), &BINARY[..3]),
        (named("order.paid"), &BINARY[..]),
    ] {
        broker.publish(&subject, headers, PNG).await.unwrap();
    }

    let rejected = eventually("two events are rejected", BOUND, async || {
        let messages = broker.messages("posthorn_REJECTED").await;
        if messages.len() < 2 {
            return Err(messages.len());
        }
        Ok(messages)
    })
    .await;
    let reasons: Vec<_> = (rejected.iter())
        .map(|message| message.header("posthorn-reason").unwrap())
        .collect();
    assert!(reasons.contains(&"type: is not the event's name in the subject"));
    assert!(reasons.contains(&"id: is required"), "{reasons:?}");
    for message in &rejected {
        assert_eq!(message.header("ce-source"), Some("/shop"));
        assert_eq!(message.body, PNG);
    }
    receiver.wait_for(1, BOUND).await;
    acme.wait_logs(1, "").await;
    assert_eq!((receiver.count(), rejected.len()), (1, 2));
}

async fn installation(
    script: impl Fn(&Received) -> Answer + Send + Sync + 'static,
) -> (Stack, Organisation, Receiver) {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script);
    let policy =
        json!({"preset": "custom", "delay": {"fixed": 100}, "retryOn": {"statuses": ["5xx"]}});
    let more = json!({"secret": SECRET, "retryPolicy": policy});
    acme.register(&receiver.url("/hook"), &["order.*"], more)
        .await;
    (stack, acme, receiver)
}

/// Sends a message and returns the ids of its events.
async fn post(acme: &Organisation, headers: &[(&str, &str)], body: Bytes) -> Vec<String> {
    let producer = &acme.producer;
    let sent = producer
        .send_with(Method::POST, EVENTS, headers, body)
        .await;
    let accepted = sent.unwrap().expect(202)["accepted"].clone();
    let events = accepted.as_array().unwrap();
    events
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn replay_all(acme: &Organisation) {
    let config = acme.configs().await.remove(0);
    let path = format!(
        "/api/v2/admin/webhooks/configs/{}/replay",
        config["id"].as_str().unwrap()
    );
    let body = json!({"mode": "all", "from": "2026-01-01T00:00:00Z"});
    let started = acme.admin.post(&path, &body).await.expect(202);
    let path = format!("{REPLAYS}/{}", started["id"].as_str().unwrap());
    eventually("the replay is done", Duration::from_secs(60), async || {
        let replay = acme.admin.get(&path).await.expect(200);
        if replay["state"] == "done" {
            return Ok(());
        }
        Err(replay)
    })
    .await;
}

/// Checks that each message arrived byte for byte, signed, and says the same to the SDK.
async fn assert_delivered(receiver: &Receiver, messages: &[Message]) {
    let count = u64::try_from(messages.len()).unwrap();
    let requests = receiver.wait_for(count, BOUND).await;
    assert_eq!(requests.len(), messages.len());
    let told = read(&requests);
    let told: BTreeMap<&str, (&Value, &Received)> = (told.iter().zip(&requests))
        .map(|(event, request)| {
            (
                event["attributes"]["id"].as_str().unwrap(),
                (event, request),
            )
        })
        .collect();
    for message in messages {
        let id = message.event["attributes"]["id"].as_str().unwrap();
        let (event, request) = told[id];
        assert_eq!(event, &message.event);
        assert_eq!(request.body, message.body, "{id}");
        assert_eq!(
            request.header("x-posthorn-event"),
            message.event["attributes"]["type"]
        );
        assert_signed(request);
    }
}

fn assert_signed(request: &Received) {
    let webhook = Webhook::new(SECRET).unwrap();
    // The library reads text alone; what is not text is verified by its own crate's tests.
    if std::str::from_utf8(&request.body).is_ok() {
        webhook.verify(&request.body, &request.headers).unwrap();
    }
}

//! A corpus of malformed requests, sent over sockets to the running ingest and Admin API: each is refused as the
//! table says, nothing of any is stored, and afterwards both services answer as before.

mod admin;
mod events;
mod fields;
mod framing;
mod lookups;
mod raw;
mod targets;

use std::collections::BTreeMap;

use e2e::{Service, Stack};
use serde_json::json;

use self::raw::{Case, Tokens};

const CONFIGS: &str = "/api/v2/admin/webhooks/configs";
/// Where a malformed request might leave something.
const STREAMS: [&str; 13] = [
    "posthorn_EVENTS",
    "posthorn_JOBS",
    "posthorn_RETRIES",
    "posthorn_ATTEMPTS",
    "posthorn_DEAD",
    "posthorn_REJECTED",
    "posthorn_SIGNALS",
    "KV_posthorn_endpoints",
    "KV_posthorn_tokens",
    "KV_posthorn_organisations",
    "KV_posthorn_event_types",
    "KV_posthorn_replays",
    "KV_posthorn_erasures",
];

#[tokio::test]
async fn what_is_wrong_with_an_event_is_named_and_nothing_is_stored() {
    check(Service::Ingest, events::cases).await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_nothing_is_stored() {
    check(Service::Ingest, framing::cases).await;
}

#[tokio::test]
async fn what_is_not_for_ingest_or_of_nobody_is_refused_and_nothing_is_stored() {
    check(Service::Ingest, targets::cases).await;
}

#[tokio::test]
async fn what_the_admin_api_cannot_read_is_refused_and_nothing_is_stored() {
    check(Service::Admin, admin::cases).await;
}

/// Sends each request on a connection of its own.
async fn check(service: Service, cases: fn(&Tokens) -> Vec<Case>) {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let tokens = Tokens {
        admin: acme.admin.token().unwrap().to_owned(),
        producer: acme.producer.token().unwrap().to_owned(),
    };
    let before = kept(&stack).await;
    let mut wrong = Vec::new();

    for case in cases(&tokens) {
        wrong.extend(case.check(&stack.url(service)).await.err());
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(kept(&stack).await, before, "something was stored");
    assert_eq!(acme.configs().await, Vec::<serde_json::Value>::new());
    let event = json!({"eventSubCategory": "reward-claim"});
    assert_eq!(acme.send(&event).await.len(), 1);
    let config = json!([{"url": "http://127.0.0.1:1/", "events": ["a"]}]);
    acme.admin.put(CONFIGS, &config).await.expect(200);
    stack.stop().await;
}

/// Returns how much each stream holds.
async fn kept(stack: &Stack) -> BTreeMap<&'static str, Option<u64>> {
    let client = stack.broker_client().await;
    let mut kept = BTreeMap::new();
    for stream in STREAMS {
        let count = client.count(stream).await;
        assert!(count.is_some(), "there is a stream {stream}");
        kept.insert(stream, count);
    }
    kept
}

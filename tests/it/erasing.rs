//! Erasing an event: its content leaves the broker's files and the store's, whoever is killed or away meanwhile.

use std::{path::Path, sync::Arc, time::Duration};

use e2e::{Organisation, Service, Stack, Store};
use serde_json::{Value, json};
use test_support::{Answer, Postgres, Receiver, eventually, script};

use crate::BOUND;

const SAID: &str = "what only this event said";
const DELIVERIES: &str = "/api/v2/admin/webhooks/deliveries";
/// How long an erasure may take beside a replica that was killed: its lease has to end.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn no_byte_is_left_of_an_event_that_waits_is_parked_and_is_dead_though_admin_is_killed() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receivers = registered(&acme).await;
    acme.send(&event("evt-2", "another")).await;
    acme.send(&event("evt-1", "said")).await;
    acme.wait_logs(3, "eventId=evt-1").await;
    let broker = stack.broker_client().await;
    eventually("one waits, one is parked, one is dead", BOUND, async || {
        let retries = broker.count("posthorn_RETRIES").await;
        let dead = broker.count("posthorn_DEAD").await;
        match (retries, dead) {
            (Some(2), Some(1)) => Ok(()),
            other => Err(format!("{other:?} in RETRIES and DEAD")),
        }
    })
    .await;
    let files = [stack.broker_ref().store_dir(), stack.directory().to_owned()];
    for folder in &files {
        assert!(occurrences(folder, SAID) > 0, "{} has it", folder.display());
    }

    let begun = erase(&acme, "evt-1").await;
    stack.service(Service::Admin).kill();
    stack.service(Service::Admin).restart();
    stack.wait_ready().await;

    for folder in &files {
        let what = format!("it is gone from {}", folder.display());
        eventually(&what, PATIENCE, async || match occurrences(folder, SAID) {
            0 => Ok(()),
            n => Err(n),
        })
        .await;
    }
    all_ended(&acme).await;
    let records = acme.logs("eventId=evt-1").await;
    assert_eq!(records.len(), 3, "the records stay");
    for record in records {
        assert_eq!(record["erasedAt"], begun["createdAt"], "{record}");
        assert_eq!(record["requestBody"], Value::Null);
        assert_eq!(record["responseBody"], Value::Null);
    }
    assert_eq!(receivers.paused.count(), 0);
    let kept = stack.broker_client().await.count("posthorn_EVENTS").await;
    assert_eq!(kept, Some(1), "the other event stays");
}

#[tokio::test]
async fn what_waits_for_a_store_that_is_down_comes_without_its_content() {
    let cluster = Arc::new(Postgres::start_durable());
    let stack = Stack::start_with(Store::Postgres(Arc::clone(&cluster)), "info").await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(echo(200)));
    acme.register(&receiver.url("/hook"), &["*"], json!({}))
        .await;
    let store_dir = stack.broker_ref().store_dir();
    let broker = stack.broker_client().await;

    cluster.stop();
    acme.send(&event("evt-1", "said")).await;
    receiver.wait_for(1, BOUND).await;
    eventually("its record waits", BOUND, async || {
        let waiting = broker.count("posthorn_ATTEMPTS").await;
        (waiting >= Some(1))
            .then_some(())
            .ok_or(format!("{waiting:?}"))
    })
    .await;
    assert!(occurrences(&store_dir, SAID) > 0, "the broker has it");
    let begun = erase(&acme, "evt-1").await;
    eventually("its record waits without content", BOUND, async || {
        let messages = broker.messages("posthorn_ATTEMPTS").await;
        let held = messages.iter().any(|it| holds(&it.body, SAID));
        (!held).then_some(()).ok_or(messages.len())
    })
    .await;
    cluster.restart();

    let records = acme.wait_logs(1, "eventId=evt-1").await;
    let record = eventually("the record says that it was erased", PATIENCE, async || {
        let record = acme.logs("eventId=evt-1").await.remove(0);
        let is_erased =
            record["erasedAt"] == begun["createdAt"] && record["responseBody"].is_null();
        is_erased.then_some(record.clone()).ok_or(record)
    })
    .await;
    assert_eq!(records.len(), 1);
    assert_eq!(record["responseStatus"], 200);
    assert_eq!(record["responseBody"], Value::Null);
    assert_eq!(record["requestBody"], Value::Null);
    eventually(
        "it is gone from the broker",
        PATIENCE,
        async || match occurrences(&store_dir, SAID) {
            0 => Ok(()),
            n => Err(n),
        },
    )
    .await;
}

/// Receivers, each with its conduct.
struct Receivers {
    paused: Receiver,
    _others: [Receiver; 2],
}

/// Registers an endpoint that takes what it gets, one that has it wait, one where it dies, and a paused one.
async fn registered(acme: &Organisation) -> Receivers {
    let taking = Receiver::start(script::always(echo(200)));
    let failing = Receiver::start(script::always(echo(500)));
    let paused = Receiver::start(script::always(Answer::ok()));
    let an_hour = json!({"preset": "custom", "delay": {"fixed": 3_600_000}});
    let waits = json!({"retryPolicy": an_hour, "maxRetries": 1});
    let dies = json!({"maxRetries": 0});
    acme.register(&taking.url("/taking"), &["said"], json!({}))
        .await;
    acme.register(&failing.url("/waits"), &["said"], waits)
        .await;
    acme.register(&failing.url("/dies"), &["said"], dies).await;
    let paused_url = paused.url("/paused");
    let config = acme.register(&paused_url, &["said"], json!({})).await;
    let id = config["id"].as_str().unwrap().to_owned();
    let pause = format!("/api/v2/admin/webhooks/configs/{id}/pause");
    acme.admin.post(&pause, &json!(null)).await.expect(200);
    Receivers {
        paused,
        _others: [taking, failing],
    }
}

/// Waits until one job is delivered and the others have failed.
async fn all_ended(acme: &Organisation) {
    let path = format!("{DELIVERIES}?eventId=evt-1");
    eventually("all jobs have ended", BOUND, async || {
        let page = acme.admin.get(&path).await.expect(200);
        let edges = page["edges"].as_array().unwrap();
        let states = edges.iter().map(|it| it["state"].as_str().unwrap());
        let mut states: Vec<_> = states.map(str::to_owned).collect();
        states.sort();
        let expected = ["delivered", "failed", "failed", "failed"];
        (states == expected)
            .then_some(())
            .ok_or(format!("{states:?}"))
    })
    .await;
}

async fn erase(acme: &Organisation, event: &str) -> Value {
    let path = format!("/api/v2/admin/events/{event}/erase");
    acme.admin.post(&path, &json!(null)).await.expect(202)
}

fn event(id: &str, name: &str) -> Value {
    json!({"id": id, "eventSubCategory": name, "payload": {name: SAID.repeat(usize::from(name == "said"))}})
}

/// An answer that repeats what it was told.
fn echo(status: u16) -> Answer {
    Answer::Reply {
        status,
        headers: vec![("x-echo", SAID.to_owned())],
        body: SAID.into(),
    }
}

/// Returns how often a text stands in the files of a folder and those below it.
fn occurrences(folder: &Path, text: &str) -> usize {
    let mut found = 0;
    // Files come and go while the broker works.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found += occurrences(&path, text);
        } else if let Ok(bytes) = std::fs::read(&path) {
            found += usize::from(holds(&bytes, text));
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

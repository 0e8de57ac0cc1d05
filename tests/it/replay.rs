//! Replays: what was accepted can be delivered again, or at last, whoever is killed on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use e2e::{Organisation, Service, Stack, Store};
use http::StatusCode;
use serde_json::{Value, json};
use test_support::{Answer, Postgres, Receiver, eventually, script};

use crate::BOUND;

const CONFIGS: &str = "/api/v2/admin/webhooks/configs";
const REPLAYS: &str = "/api/v2/admin/webhooks/replays";
/// A killed replica's lease of 10 s must end first.
const TAKEN_OVER_BOUND: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_was_accepted_while_an_endpoint_was_disabled_is_delivered_by_a_replay() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let umbra = stack.organisation("umbra").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let config = register(&acme, &receiver).await;
    enable(&acme, &config, false).await;
    // With everything that ingest would complete, and spaces of its own.
    let sent: Vec<String> = (0..3)
        .map(|n| format!("{{ \"id\":\"evt-{n}\", \"eventSubCategory\":\"a\",  \"createdAt\":\"2026-01-01T00:00:00Z\", \"n\":1.0 }}"))
        .collect();
    for body in &sent {
        acme.send_bytes(body.clone()).await.expect(202);
    }
    wait_until_fanned_out(&stack).await;
    enable(&acme, &config, true).await;

    let started = start(&acme, &config, json!({})).await;
    let id = started["id"].as_str().unwrap();
    let path = format!("{REPLAYS}/{id}");
    umbra.admin.get(&path).await.expect(404);
    umbra.admin.delete(&path).await.expect(404);
    let done = until(&acme, id, "done", BOUND).await;

    let requests = receiver.wait_for(3, BOUND).await;
    let bodies: BTreeSet<String> = requests
        .iter()
        .map(|request| String::from_utf8(request.body.to_vec()).unwrap())
        .collect();
    assert_eq!(bodies, sent.into_iter().collect());
    for request in &requests {
        let delivery = request.header("x-posthorn-delivery");
        assert!(delivery.ends_with(&format!(":{id}")), "{delivery}");
        assert_eq!(request.attempt(), 1);
    }
    assert_eq!((&done["total"], &done["done"]), (&json!(3), &json!(3)));
    let records = acme.wait_logs(3, "").await;
    assert!(records.iter().all(|record| record["trigger"] == "replay"));
    let again = start(&acme, &config, json!({})).await;
    let again = until(&acme, again["id"].as_str().unwrap(), "done", BOUND).await;
    assert_eq!((&again["done"], &again["skipped"]), (&json!(0), &json!(3)));
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn only_what_was_not_delivered_is_delivered_again() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let healed = Arc::new(AtomicBool::new(false));
    let heals = Arc::clone(&healed);
    let receiver = Receiver::start(move |request| {
        let fails = request.event_id().ends_with('7') && !heals.load(Ordering::Relaxed);
        Answer::status(if fails { 400 } else { 200 })
    });
    let config = register(&acme, &receiver).await;
    send(&acme, 0..50).await;
    receiver.wait_for(50, BOUND).await;
    healed.store(true, Ordering::Relaxed);

    // At once: what was attempted a moment ago is on its way to the log.
    let started = start(&acme, &config, json!({"mode": "undelivered"})).await;
    let done = until(&acme, started["id"].as_str().unwrap(), "done", BOUND).await;

    let requests = receiver.wait_for(55, BOUND).await;
    assert_eq!((&done["done"], &done["skipped"]), (&json!(5), &json!(45)));
    let again: BTreeSet<&str> = requests[50..].iter().map(|r| r.event_id()).collect();
    let failed = ["evt-0007", "evt-0017", "evt-0027", "evt-0037", "evt-0047"];
    assert_eq!(again, BTreeSet::from(failed));
}

#[tokio::test]
async fn a_new_endpoint_is_filled_with_what_is_archived_while_the_store_comes_and_goes() {
    let cluster = Arc::new(Postgres::start_durable());
    let stack = Stack::start_with(Store::Postgres(Arc::clone(&cluster)), "info").await;
    let acme = stack.organisation("acme").await;
    let old = Receiver::start(script::always(Answer::ok()));
    register(&acme, &old).await;
    send(&acme, 0..100).await;
    old.wait_for(100, BOUND).await;
    let new = Receiver::start(script::always(Answer::ok()));
    let config = register(&acme, &new).await;

    cluster.stop();
    let wish = json!({"mode": "all", "ratePerSecond": 1_000});
    let started = start(&acme, &config, wish).await;
    let id = started["id"].as_str().unwrap();
    let path = format!("{REPLAYS}/{id}");
    eventually("the replay is taken up", BOUND, async || {
        let replay = acme.admin.get(&path).await.expect(200);
        let taken_up = replay["updatedAt"] != started["updatedAt"];
        taken_up.then_some(()).ok_or(replay)
    })
    .await;
    let waits = acme.admin.get(&path).await.expect(200);
    assert_eq!(
        (&waits["state"], &waits["done"]),
        (&json!("waiting"), &json!(0))
    );
    cluster.restart();

    let done = until(&acme, id, "done", TAKEN_OVER_BOUND).await;
    let requests = new.wait_for(100, BOUND).await;
    assert_eq!(done["done"], 100);
    let events: BTreeSet<&str> = requests.iter().map(|r| r.event_id()).collect();
    assert_eq!(events.len(), 100);
    assert_eq!(old.count(), 100, "the other endpoint gets nothing again");
}

#[tokio::test]
async fn a_replay_survives_the_death_of_who_works_on_it() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let config = register(&acme, &receiver).await;
    send_unwanted(&stack, &acme, &config, 400).await;

    let wish = json!({"mode": "all", "ratePerSecond": 100});
    let started = start(&acme, &config, wish).await;
    receiver.wait_for(100, BOUND).await;
    stack.service(Service::Admin).restart();
    stack.wait_ready().await;
    let id = started["id"].as_str().unwrap();
    let done = until(&acme, id, "done", TAKEN_OVER_BOUND).await;

    assert_eq!(done["done"], 400);
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    eventually("every event arrives", BOUND, async || {
        times.clear();
        for request in receiver.requests() {
            *times.entry(request.event_id().to_owned()).or_default() += 1;
        }
        (times.len() == 400).then_some(()).ok_or(times.len())
    })
    .await;
    let repeated = times.values().filter(|times| **times > 1).count();
    assert!(repeated <= 20, "{repeated} events twice, a page is 20");
}

#[tokio::test]
async fn a_replay_survives_the_death_of_the_broker() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let config = register(&acme, &receiver).await;
    send_unwanted(&stack, &acme, &config, 300).await;

    let wish = json!({"mode": "all", "ratePerSecond": 100});
    let started = start(&acme, &config, wish).await;
    receiver.wait_for(50, BOUND).await;
    stack.broker().restart();
    stack.wait_ready().await;
    let id = started["id"].as_str().unwrap();
    let done = until(&acme, id, "done", TAKEN_OVER_BOUND).await;

    assert_eq!((&done["done"], &done["total"]), (&json!(300), &json!(300)));
    eventually("every event arrives", TAKEN_OVER_BOUND, async || {
        let requests = receiver.requests();
        let events: BTreeSet<&str> = requests.iter().map(|r| r.event_id()).collect();
        (events.len() == 300).then_some(()).ok_or(events.len())
    })
    .await;
}

#[tokio::test]
async fn a_replay_keeps_its_rate_and_stops_when_it_is_told() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let config = register(&acme, &receiver).await;
    send_unwanted(&stack, &acme, &config, 1_000).await;

    let wish = json!({"mode": "all", "ratePerSecond": 50});
    let started = start(&acme, &config, wish).await;
    let id = started["id"].as_str().unwrap();
    let path = format!("{REPLAYS}/{id}");
    let begin = at_least(&acme, &path, 50).await;
    let five_seconds = at_least(&acme, &path, 300).await.duration_since(begin);
    acme.admin.delete(&path).await.expect(204);

    let bounds = Duration::from_millis(4_500)..Duration::from_millis(5_500);
    assert!(
        bounds.contains(&five_seconds),
        "250 jobs in {five_seconds:?}"
    );
    wait_until_idle(&stack).await;
    let cancelled = acme.admin.get(&path).await.expect(200);
    let done = cancelled["done"].as_u64().unwrap();
    assert_eq!(cancelled["state"], "cancelled");
    assert!((300..350).contains(&done), "{done} when it was stopped");
    // Of the page that was under way when it was stopped nothing is written.
    assert!((done..=done + 10).contains(&receiver.count()), "{done}");
}

/// Sends events that the endpoint is too disabled to get.
async fn send_unwanted(stack: &Stack, acme: &Organisation, config: &str, number: u32) {
    enable(acme, config, false).await;
    send(acme, 0..number).await;
    wait_until_fanned_out(stack).await;
    enable(acme, config, true).await;
}

async fn wait_until_fanned_out(stack: &Stack) {
    let broker = stack.broker_client().await;
    eventually("all events are fanned out", BOUND, async || {
        let left = broker.unsettled("posthorn_EVENTS", "fan-out").await;
        (left == Some(0)).then_some(()).ok_or(format!("{left:?}"))
    })
    .await;
}

/// Waits until a replay has made that many jobs, and returns when.
async fn at_least(acme: &Organisation, path: &str, jobs: u64) -> Instant {
    eventually(&format!("{jobs} jobs are made"), BOUND, async || {
        let replay = acme.admin.get(path).await.expect(200);
        let done = replay["done"].as_u64() >= Some(jobs);
        done.then(Instant::now).ok_or(replay)
    })
    .await
}

/// Waits until no job and no retry is left.
async fn wait_until_idle(stack: &Stack) {
    let broker = stack.broker_client().await;
    eventually("the queues are empty", BOUND, async || {
        let jobs = broker.count("posthorn_JOBS").await;
        let retries = broker.count("posthorn_RETRIES").await;
        let is_idle = (jobs, retries) == (Some(0), Some(0));
        is_idle.then_some(()).ok_or(format!("{jobs:?} {retries:?}"))
    })
    .await;
}

async fn register(acme: &Organisation, receiver: &Receiver) -> String {
    let saved = acme
        .register(&receiver.url("/hook"), &["*"], json!({}))
        .await;
    saved["id"].as_str().unwrap().to_owned()
}

async fn enable(acme: &Organisation, config: &str, enabled: bool) {
    let path = format!("{CONFIGS}/{config}");
    let change = json!({"isEnabled": enabled});
    acme.admin.patch(&path, &change).await.expect(200);
}

async fn send(acme: &Organisation, numbers: std::ops::Range<u32>) {
    let events: Vec<Value> = numbers
        .map(|n| json!({"id": format!("evt-{n:04}"), "eventSubCategory": "a"}))
        .collect();
    acme.send(&Value::from(events)).await;
}

/// Starts a replay of everything since the first endpoint was made, with further fields.
async fn start(acme: &Organisation, config: &str, mut wish: Value) -> Value {
    wish["fromDate"] = acme.configs().await[0]["createdAt"].clone();
    let path = format!("{CONFIGS}/{config}/replay");
    acme.admin.post(&path, &wish).await.expect(202)
}

/// Waits until a replay is in a state, also through an outage, and returns it.
async fn until(acme: &Organisation, id: &str, state: &str, bound: Duration) -> Value {
    let path = format!("{REPLAYS}/{id}");
    eventually(&format!("the replay is {state}"), bound, async || {
        let reply = acme.admin.get(&path).await;
        if reply.status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(reply.json());
        }
        let replay = reply.expect(200);
        (replay["state"] == state)
            .then(|| replay.clone())
            .ok_or(replay)
    })
    .await
}

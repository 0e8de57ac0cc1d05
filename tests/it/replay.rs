//! Replays: what was accepted can be delivered again, or at last, whoever is killed on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use e2e::{Organisation, Service, Stack, Store};
use serde_json::{Value, json};
use test_support::{Answer, Postgres, Receiver, eventually, script};

use crate::BOUND;

const CONFIGS: &str = "/api/v2/admin/webhooks/configs";
const REPLAYS: &str = "/api/v2/admin/webhooks/replays";
/// The begin of every range: before anything was accepted.
const FROM: &str = "fromDate";
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
    enable(&acme, &config, false).await;
    send(&acme, 0..400).await;
    enable(&acme, &config, true).await;

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
async fn a_replay_keeps_its_rate_and_stops_when_it_is_told() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let config = register(&acme, &receiver).await;
    enable(&acme, &config, false).await;
    send(&acme, 0..1_000).await;
    enable(&acme, &config, true).await;

    let wish = json!({"mode": "all", "ratePerSecond": 50});
    let started = start(&acme, &config, wish).await;
    receiver.wait_for(300, BOUND).await;
    let id = started["id"].as_str().unwrap();
    acme.admin
        .delete(&format!("{REPLAYS}/{id}"))
        .await
        .expect(204);
    let at_the_stop = receiver.count();

    let requests = receiver.requests();
    let first = requests[0].at;
    let in_five_seconds = requests
        .iter()
        .filter(|request| request.at.duration_since(first) < Duration::from_secs(5))
        .count();
    assert!((225..=275).contains(&in_five_seconds), "{in_five_seconds}");
    // A second replay tells how long a job takes: by its end those of the first have arrived.
    let wish = json!({"mode": "all", "ratePerSecond": 1_000});
    let second = start(&acme, &config, wish).await;
    until(&acme, second["id"].as_str().unwrap(), "done", BOUND).await;
    let broker = stack.broker_client().await;
    eventually("all jobs are done", BOUND, async || {
        let left = broker.count("posthorn_JOBS").await;
        (left == Some(0)).then_some(()).ok_or(format!("{left:?}"))
    })
    .await;
    let of_first = receiver
        .requests()
        .iter()
        .filter(|request| request.header("x-posthorn-delivery").ends_with(id))
        .count();
    assert!(
        u64::try_from(of_first).unwrap() <= at_the_stop + 75,
        "{of_first} after {at_the_stop}"
    );
    let cancelled = acme.admin.get(&format!("{REPLAYS}/{id}")).await.expect(200);
    assert_eq!(cancelled["state"], "cancelled");
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

/// Starts a replay of everything, with further fields.
async fn start(acme: &Organisation, config: &str, mut wish: Value) -> Value {
    let day_ago = time::OffsetDateTime::now_utc() - time::Duration::days(1);
    let format = time::format_description::well_known::Rfc3339;
    wish[FROM] = Value::from(day_ago.format(&format).unwrap());
    let path = format!("{CONFIGS}/{config}/replay");
    acme.admin.post(&path, &wish).await.expect(202)
}

async fn until(acme: &Organisation, id: &str, state: &str, bound: Duration) -> Value {
    let path = format!("{REPLAYS}/{id}");
    eventually(&format!("the replay is {state}"), bound, async || {
        let replay = acme.admin.get(&path).await.expect(200);
        if replay["state"] == state {
            Ok(replay)
        } else {
            Err(replay)
        }
    })
    .await
}

//! The log is complete: a store that is away delays records, and what can't be logged is not sent.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use e2e::{Organisation, Service, Stack, Store};
use serde_json::{Value, json};
use test_support::{Answer, Postgres, Receiver, eventually, script};

use crate::BOUND;

/// How long a count must stay the same to have come to rest.
const REST: Duration = Duration::from_secs(3);
/// After how many events `ATTEMPTS` is nine tenths full.
const NINE_TENTHS: u32 = 700;

#[tokio::test]
async fn deliveries_go_on_while_postgresql_is_down_and_no_record_is_lost() {
    let cluster = Arc::new(Postgres::start_durable());
    let stack = Stack::start_with(Store::Postgres(Arc::clone(&cluster)), "info").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let acme = registered(&stack, &receiver).await;
    send(&acme, 0..50).await;
    receiver.wait_for(50, BOUND).await;

    cluster.stop();
    send(&acme, 50..250).await;
    receiver.wait_for(250, BOUND).await;
    cluster.restart();

    assert_eq!(acme.wait_logs(250, "").await.len(), 250);
    assert_eq!(receiver.count(), 250);
}

#[tokio::test]
async fn a_full_attempts_stream_sheds_bodies_and_then_stops_deliveries() {
    let limits = [("POSTHORN_ATTEMPTS_MAX_BYTES", "16MiB")];
    let mut stack = Stack::start_limited(Store::Sqlite, "info", &limits).await;
    let receiver = Receiver::start(script::always(Answer::big_body(20_000)));
    let acme = registered(&stack, &receiver).await;
    stack.service(Service::LogWriter).kill();

    // Records of 21 KB: nine tenths of the room, where it is looked at before more comes.
    send(&acme, 0..NINE_TENTHS).await;
    eventually("records shed bodies", BOUND, async || {
        let log = stack.service(Service::Delivery).log();
        if log.contains("go without the bodies of answers") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    let events = 6_000;
    for first in (NINE_TENTHS..events).step_by(1_000) {
        send(&acme, first..events.min(first + 1_000)).await;
    }
    let stopped_at = at_rest(&receiver).await;
    assert!(
        stopped_at < u64::from(events),
        "all {stopped_at} were sent without room to log them"
    );
    stack.service(Service::LogWriter).restart();
    stack.wait_ready().await;

    let requests = receiver
        .wait_for(u64::from(events), Duration::from_secs(150))
        .await;
    let mut seen: Vec<_> = requests
        .iter()
        .map(|r| (r.event_id().to_owned(), r.attempt()))
        .collect();
    eventually("every request is logged", BOUND, async || {
        let total = acme.log_page("limit=1").await["totalCount"].as_u64();
        if total >= Some(u64::from(events)) {
            Ok(())
        } else {
            Err(format!("{total:?} are"))
        }
    })
    .await;
    let mut logged = acme.logged("").await;
    seen.sort();
    logged.sort();
    assert_eq!(logged, seen);
    let bodies: BTreeSet<bool> = acme
        .logs("")
        .await
        .iter()
        .map(|record| record["responseBody"].is_string())
        .collect();
    assert_eq!(
        bodies,
        BTreeSet::from([false, true]),
        "some records shed their bodies, not all"
    );
}

/// Waits until no more requests come.
async fn at_rest(receiver: &Receiver) -> u64 {
    let mut last = (receiver.count(), std::time::Instant::now());
    eventually("deliveries stop", Duration::from_secs(120), async || {
        let count = receiver.count();
        if count != last.0 {
            last = (count, std::time::Instant::now());
        }
        if count > 0 && last.1.elapsed() > REST {
            Ok(count)
        } else {
            Err(count)
        }
    })
    .await
}

async fn registered(stack: &Stack, receiver: &Receiver) -> Organisation {
    let acme = stack.organisation("acme").await;
    acme.register(&receiver.url("/hook"), &["*"], json!({}))
        .await;
    acme
}

async fn send(acme: &Organisation, numbers: std::ops::Range<u32>) {
    let events: Vec<Value> = numbers
        .map(|n| json!({"id": format!("evt-{n}"), "eventSubCategory": "a", "createdAt": "2026-01-01T00:00:00Z"}))
        .collect();
    acme.send(&Value::from(events)).await;
}

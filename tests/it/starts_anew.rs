//! An endpoint that is enabled again starts anew, whatever was counted before.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use e2e::{Organisation, Stack, Store};
use serde_json::{Value, json};
use test_support::{Answer, BrokerClient, Receiver, eventually};

use crate::BOUND;

const FAILURES: usize = 20;

#[tokio::test]
async fn the_first_failures_after_enabling_neither_stop_nor_signal() {
    let limits = [("POSTHORN_DISABLE_AFTER", "4s")];
    let stack = Stack::start_limited(Store::Sqlite, "info", &limits).await;
    let acme = stack.organisation("acme").await;
    let broker = stack.broker_client().await;
    let count = AtomicU32::new(0);
    // Ten fail soon; of those that began with them some when the warning is due, some at the end.
    let receiver = Receiver::start(move |request| {
        let pause = match count.fetch_add(1, Ordering::Relaxed) {
            0..10 => 300,
            10..13 => 3_800,
            13..16 => 4_700,
            _ => 0,
        };
        let status = if request.event_id().starts_with("late") {
            503
        } else {
            500
        };
        Answer::status(status).after(Duration::from_millis(pause))
    });
    let fields = json!({"timeoutMs": 10_000, "maxRetries": 0});
    let config = acme.register(&receiver.url("/"), &["*"], fields).await;
    let early: Vec<_> = (0..FAILURES)
        .map(|n| event(&format!("early-{n}")))
        .collect();
    acme.send(&json!(early)).await;
    dead_letters(&broker, FAILURES).await;
    let signals = broker.count("posthorn_SIGNALS").await;
    assert_eq!(signals, Some(3));

    enable(&acme, &config).await;
    for n in 0..3 {
        acme.send(&event(&format!("late-{n}"))).await;
        dead_letters(&broker, FAILURES + n + 1).await;
    }

    // A breaker that opened would hold the second and the third for five seconds, and signal.
    let late = receiver.requests().into_iter();
    let late: Vec<_> = late
        .filter(|request| request.event_id().starts_with("late"))
        .collect();
    assert_eq!(late.len(), 3);
    assert!(late[2].at - late[0].at < Duration::from_secs(4));
    assert_eq!(broker.count("posthorn_SIGNALS").await, Some(3));
    assert_eq!(acme.configs().await[0]["isEnabled"], true);
}

async fn enable(acme: &Organisation, config: &Value) {
    let id = config["id"].as_str().unwrap();
    let path = format!("/api/v2/admin/webhooks/configs/{id}");
    eventually("the config is in force", BOUND, async || {
        let reply = acme.admin.patch(&path, &json!({"isEnabled": true})).await;
        if reply.status == 503 {
            return Err(reply.to_string());
        }
        Ok(reply.expect(200))
    })
    .await;
}

async fn dead_letters(broker: &BrokerClient, expected: usize) {
    let expected = u64::try_from(expected).unwrap();
    eventually("dead letters", BOUND, async || {
        match broker.count("posthorn_DEAD").await {
            Some(letters) if letters >= expected => Ok(()),
            letters => Err(format!("{letters:?}")),
        }
    })
    .await;
}

fn event(id: &str) -> Value {
    json!({"id": id, "eventSubCategory": "reward-claim", "payload": {}})
}

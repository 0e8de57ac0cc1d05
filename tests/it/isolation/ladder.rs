//! The ladder from failing to disabled, and the way back.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use e2e::{Organisation, Stack, Store};
use serde_json::{Value, json};
use test_support::{Answer, BrokerClient, Received, Receiver, eventually, script};

use super::{event, events, reasons, signals};
use crate::BOUND;

const JOBS: usize = 20;

#[tokio::test]
async fn an_endpoint_that_only_fails_is_warned_of_disabled_and_starts_anew() {
    let limits = [("POSTHORN_DISABLE_AFTER", "4s")];
    let stack = Stack::start_limited(Store::Sqlite, "info", &limits).await;
    let acme = stack.organisation("acme").await;
    let broker = stack.broker_client().await;
    let receiver = Receiver::start(failing_for_long());
    let config = acme
        .register(&receiver.url("/"), &["*"], json!({"timeoutMs": 10_000}))
        .await;

    acme.send(&events("evt", "reward-claim", JOBS)).await;

    wait_for_dead_letters(&broker, JOBS).await;
    let ladder = [
        "endpoint-failing",
        "endpoint-about-to-be-disabled",
        "endpoint-disabled",
    ];
    assert_eq!(signals(&broker).await, ladder);
    assert!(
        reasons(&broker)
            .await
            .iter()
            .all(|it| it == "endpoint-disabled")
    );
    assert_eq!(acme.configs().await[0]["isEnabled"], false);

    enable(&acme, &config).await;
    let before = receiver.count();
    acme.send(&event("good", "reward-claim")).await;
    receiver.wait_for(before + 1, BOUND).await;
    // In a window that was not clean one more failure would be a rung.
    acme.send(&event("bad", "reward-claim")).await;
    wait_for_dead_letters(&broker, JOBS + 1).await;
    assert_eq!(signals(&broker).await, ladder);
    assert_eq!(acme.configs().await[0]["isEnabled"], true);
}

#[tokio::test]
async fn an_endpoint_that_says_it_is_gone_is_disabled_at_once() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let broker = stack.broker_client().await;
    let receiver = Receiver::start(script::always(Answer::status(410)));
    let policy = json!({"retryPolicy": {"preset": "standard-webhooks"}});
    acme.register(&receiver.url("/"), &["*"], policy).await;

    acme.send(&event("evt-1", "reward-claim")).await;

    wait_for_dead_letters(&broker, 1).await;
    assert_eq!(reasons(&broker).await, ["gone"]);
    assert_eq!(signals(&broker).await, ["endpoint-disabled"]);
    assert_eq!(acme.configs().await[0]["isEnabled"], false);
    assert_eq!(receiver.count(), 1);
}

/// Fails ten requests soon, so that the breaker opens; of those that began with them some fail when a
/// warning is due, and some when the time is over, which is before the first probe.
fn failing_for_long() -> impl Fn(&Received) -> Answer {
    let count = AtomicU32::new(0);
    move |request| match request.event_id() {
        "good" => Answer::ok(),
        "bad" => Answer::status(400),
        _ => {
            let pause = match count.fetch_add(1, Ordering::Relaxed) {
                0..10 => Duration::from_millis(300),
                10..13 => Duration::from_millis(3_800),
                13..16 => Duration::from_millis(4_700),
                _ => Duration::ZERO,
            };
            Answer::status(500).after(pause)
        }
    }
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

async fn wait_for_dead_letters(broker: &BrokerClient, count: usize) {
    eventually(
        &format!("{count} dead letters"),
        BOUND,
        async || match broker.count("posthorn_DEAD").await {
            Some(letters) if letters >= u64::try_from(count).unwrap() => Ok(()),
            letters => Err(format!("{letters:?}")),
        },
    )
    .await;
}

//! A config that was answered as saved holds for every event that is accepted afterwards.

use e2e::{Organisation, Service, Stack};
use serde_json::{Value, json};
use test_support::{Answer, HttpClient, Receiver, Signal, eventually, script};

use crate::BOUND;

#[tokio::test]
async fn a_saved_config_gets_the_very_next_event() {
    let stack = Stack::start().await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let acme = stack.organisation("acme").await;

    for n in 0..40 {
        save_and_send(&acme, &receiver, n).await;
    }

    receiver.wait_for(40, BOUND).await;
}

#[tokio::test]
async fn a_fan_out_that_was_paused_meanwhile_misses_no_event() {
    let mut stack = Stack::start().await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let acme = stack.organisation("acme").await;
    // So many that the index takes its time.
    for page in 0..10 {
        let configs: Vec<Value> = (0..100)
            .map(|n| json!({"url": receiver.url(&format!("/other/{page}/{n}")), "events": ["other"]}))
            .collect();
        acme.admin
            .put("/api/v2/admin/webhooks/configs", &Value::from(configs))
            .await
            .expect(200);
    }

    stack.service(Service::FanOut).signal(Signal::Pause);
    // Answered once the paused replica no longer counts as living.
    for n in 0..20 {
        save_and_send(&acme, &receiver, n).await;
    }
    stack.service(Service::FanOut).signal(Signal::Resume);

    receiver.wait_for(20, BOUND).await;
}

#[tokio::test]
async fn a_config_saved_after_the_brokers_return_gets_the_very_next_event() {
    let mut stack = Stack::start().await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let acme = stack.organisation("acme").await;

    for outage in 0..2 {
        stack.broker().kill();
        until_fan_out_gives_up(&stack).await;
        stack.broker().restart();
        for n in 0..5 {
            save_and_send(&acme, &receiver, outage * 5 + n).await;
        }
    }

    receiver.wait_for(10, BOUND).await;
}

/// Saves a config of its own for an event, and sends the event as soon as that is answered.
async fn save_and_send(acme: &Organisation, receiver: &Receiver, n: u32) {
    let name = format!("only-{n}");
    acme.register(
        &receiver.url(&format!("/{name}")),
        &[name.as_str()],
        json!({}),
    )
    .await;
    let event = json!({"id": format!("evt-{n}"), "eventSubCategory": name});
    acme.send_until_accepted(&event, BOUND).await;
}

/// Waits until the broker has been away for so long that fan-out no longer trusts what it holds.
async fn until_fan_out_gives_up(stack: &Stack) {
    let client = HttpClient::new(stack.url(Service::FanOut));
    eventually("fan-out closes its gate", BOUND, async || {
        let reply = client.get("/ready").await.to_string();
        if reply.contains("endpoints") {
            Ok(())
        } else {
            Err(reply)
        }
    })
    .await;
}

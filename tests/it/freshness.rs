//! A config that was answered as saved holds for every event that is accepted afterwards.

use std::time::{Duration, Instant};

use e2e::{Organisation, Service, Stack};
use serde_json::{Value, json};
use test_support::{Answer, HttpClient, Receiver, Signal, eventually, script};

use crate::BOUND;

const CONFIGS: &str = "/api/v2/admin/webhooks/configs";
const TOKENS: &str = "/api/v2/admin/tokens";
const EVENTS: &str = "/api/v2/events";

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
            .put(CONFIGS, &Value::from(configs))
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

#[tokio::test]
async fn a_revoked_token_opens_nothing_anywhere_from_the_answer_on() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let mut addresses = vec![
        (stack.url(Service::Admin), CONFIGS),
        (stack.url(Service::Ingest), EVENTS),
    ];
    for (service, path) in [(Service::Admin, CONFIGS), (Service::Ingest, EVENTS)] {
        let replica = stack.add_replica(service).await;
        addresses.push((stack.replica(replica).url(), path));
    }
    for round in 0..5 {
        let wanted = json!({"role": "admin", "name": format!("round {round}")});
        let made = acme.admin.post(TOKENS, &wanted).await.expect(201);
        let client = acme.admin.with_token(made["token"].as_str().unwrap());
        let ask = async |address: &str, path: &str| {
            let client = client.with_base(address);
            match path {
                EVENTS => client.post(path, &json!({"eventSubCategory": "a"})).await,
                _ => client.get(path).await,
            }
        };
        for (address, path) in &addresses {
            let reply = ask(address, path).await;
            assert!(reply.status.is_success(), "{path}: {reply}");
        }

        let begun = Instant::now();
        let path = format!("{TOKENS}/{}", made["id"].as_str().unwrap());
        acme.admin.delete(&path).await.expect(204);
        let took = begun.elapsed();

        for (address, path) in &addresses {
            ask(address, path).await.expect(401);
        }
        assert!(took < Duration::from_millis(1_500), "{took:?}");
    }
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

//! The key that seals secrets is replaced: nothing is lost, nothing stays under the old one.

use std::process::ExitStatus;

use e2e::{Organisation, Service, Stack, Store};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use test_support::{Answer, Launch, Received, Receiver, eventually, script};

use crate::{BOUND, SECRET};

const OLD: &str = "b2xkIGtleSBvZiB0aGlydHktdHdvIGJ5dGVzIGxlbmc=";
const NEW: &str = "new:bmV3IGtleSBvZiB0aGlydHktdHdvIGJ5dGVzIGxlbmc=";
const AUTHORIZATION: &str = "Bearer s3cret-of-the-receiver-4711";
const CONFIGS: &str = "/api/v2/admin/webhooks/configs";

#[tokio::test]
async fn secrets_outlive_the_key_that_sealed_them() {
    let mut stack = start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let config = register(&acme, &receiver).await;
    let gone = acme
        .register(&receiver.url("/gone"), &["*"], json!({}))
        .await;
    let gone = format!("{CONFIGS}/{}", gone["id"].as_str().unwrap());
    acme.admin.delete(&gone).await.expect(204);
    let both = format!("{NEW},{OLD}");

    restart_with(&mut stack, &both).await;
    let (before, asked) = reseal(&stack, &both, &["--check"]).await;
    let (sealed_anew, told) = reseal(&stack, &both, &[]).await;
    let (after, left) = reseal(&stack, &both, &["--check"]).await;

    assert_eq!(before.code(), Some(1), "{asked}");
    assert!(asked.contains("2 secrets"), "{asked}");
    assert_eq!(sealed_anew.code(), Some(0), "{told}");
    assert!(told.contains("sealed anew: 2 secrets"), "{told}");
    assert_eq!(after.code(), Some(0), "{left}");
    assert!(
        left.contains("1 endpoint: 2 secrets under the first key"),
        "{left}"
    );
    restart_with(&mut stack, NEW).await;
    acme.send(&event("evt-1")).await;
    verify(&receiver.wait_for(1, BOUND).await[0]);
    let again = register(&acme, &receiver).await;
    assert_eq!(again["updatedAt"], config["updatedAt"], "{again}");
    let (status, output) = reseal(&stack, NEW, &["--check"]).await;
    assert_eq!(status.code(), Some(0), "{output}");
    let (status, output) = reseal(&stack, OLD, &["--check"]).await;
    assert_eq!(status.code(), Some(1), "{output}");
    let id = config["id"].as_str().unwrap();
    let named = format!("acme/{id}: sealed under the key new, which is not configured");
    assert!(output.contains(&named), "{output}");
}

#[tokio::test]
async fn jobs_wait_for_a_key_that_was_taken_away_too_early() {
    let mut stack = start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    register(&acme, &receiver).await;
    let broker = stack.broker_client().await;

    restart_with(&mut stack, NEW).await;
    acme.send(&event("evt-1")).await;
    eventually("the job waits", BOUND, async || {
        match (
            broker.count("posthorn_JOBS").await,
            broker.count("posthorn_RETRIES").await,
        ) {
            (Some(0), Some(1)) => Ok(()),
            other => Err(format!("{other:?} in JOBS and RETRIES")),
        }
    })
    .await;
    let (status, output) = reseal(&stack, NEW, &[]).await;
    let both = format!("{NEW},{OLD}");
    restart_with(&mut stack, &both).await;
    let (healed, told) = reseal(&stack, &both, &[]).await;

    assert_eq!(status.code(), Some(1), "{output}");
    assert!(output.contains("which is not configured"), "{output}");
    assert!(!output.contains(&NEW[4..]), "{output}");
    assert_eq!(healed.code(), Some(0), "{told}");
    let request = receiver.wait_for(1, BOUND).await.remove(0);
    verify(&request);
    assert_eq!(request.attempt(), 1);
    assert_eq!(broker.count("posthorn_DEAD").await, Some(0));
}

#[tokio::test]
async fn a_wrong_key_is_named_without_being_shown() {
    let stack = start().await;

    let (status, output) = reseal(&stack, "too-short-to-be-a-key", &[]).await;

    assert_eq!(status.code(), Some(78), "{output}");
    assert!(output.contains("POSTHORN_SECRETS_KEY: must be"), "{output}");
    assert!(!output.contains("too-short"), "{output}");
}

async fn start() -> Stack {
    let variables = [("POSTHORN_SECRETS_KEY", OLD)];
    Stack::start_limited(Store::Sqlite, "info", &variables).await
}

async fn register(acme: &Organisation, receiver: &Receiver) -> Value {
    let more = json!({"secret": SECRET, "headers": {"Authorization": AUTHORIZATION}});
    acme.register(&receiver.url("/hook"), &["*"], more).await
}

/// Gives the services that need keys other ones.
async fn restart_with(stack: &mut Stack, keys: &str) {
    for service in [Service::Delivery, Service::Admin] {
        let process = stack.service(service);
        process.set_env("POSTHORN_SECRETS_KEY", keys);
        process.restart();
    }
    stack.wait_ready().await;
}

/// Runs `posthorn secrets reseal`; returns how it ended, and what it wrote.
async fn reseal(stack: &Stack, keys: &str, arguments: &[&str]) -> (ExitStatus, String) {
    let launch = Launch::new("posthorn", stack.directory())
        .arg("secrets")
        .arg("reseal")
        .env("POSTHORN_NATS_URL", stack.broker_ref().url())
        .env("POSTHORN_SECRETS_KEY", keys);
    let launch = arguments
        .iter()
        .fold(launch, |launch, argument| launch.arg(*argument));
    let mut process = launch.spawn();
    (process.wait_exit(BOUND).await, process.log())
}

fn verify(request: &Received) {
    assert_eq!(request.header("authorization"), AUTHORIZATION);
    let webhook = Webhook::new(SECRET).unwrap();
    webhook.verify(&request.body, &request.headers).unwrap();
}

fn event(id: &str) -> Value {
    json!({"id": id, "eventSubCategory": "reward-claim", "payload": {}})
}

//! `posthorn listen`.

use e2e::{Ended, Running};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use test_support::{Answer, Receiver, Signal, free_port, script};

use super::Desk;
use crate::{BOUND, SECRET};

#[tokio::test]
async fn what_comes_is_verified_shown_and_forwarded_until_somebody_stops_it() {
    let desk = Desk::start().await;
    let local = Receiver::start(script::always(Answer::ok()));
    let forward = local.url("/webhooks");
    let listen = [
        "listen",
        "--json",
        "--events",
        "reward-*",
        "--forward",
        &forward,
        "--name",
        "mine",
    ];

    let mut listening = desk.admin.start(&listen);
    listening.wait_for("listening as ep_").await;
    desk.acme.send(&event("evt-1")).await;
    listening.wait_for("\"eventId\":\"evt-1\"").await;
    let configs = desk.acme.configs().await;
    let ended = stop(listening, Signal::Interrupt).await;
    let mut again = desk.admin.start(&listen);
    again.wait_for("listening as ep_").await;
    stop(again, Signal::Terminate).await.succeeded();

    let shown = ended.documents();
    assert_eq!(shown[0]["signatureValid"], true, "{shown:?}");
    assert_eq!(shown[0]["answered"], 200);
    assert_eq!(shown[0]["forwarded"]["status"], 200);
    assert_eq!(shown[0]["body"]["id"], "evt-1");
    assert_eq!(configs.len(), 1);
    assert_eq!(configs[0]["events"], json!(["reward-*"]));
    let request = local.requests().remove(0);
    assert_eq!(request.path, "/webhooks");
    assert_eq!(request.event_id(), "evt-1");
    assert_eq!(desk.acme.configs().await, Vec::<Value>::new());
}

/// As the sample receiver of `deploy/compose.yaml`: an operator's token, and an address that others reach by another name.
#[tokio::test]
async fn an_operator_listens_and_sends_for_an_organisation_that_is_new() {
    let desk = Desk::start().await;
    let port = free_port();
    let (address, url) = (
        format!("0.0.0.0:{port}"),
        format!("http://127.0.0.1:{port}/"),
    );
    let operator = desk
        .admin
        .env("POSTHORN_TOKEN", desk.dev.operator().token().unwrap())
        .env("POSTHORN_ORGANISATION", "sample");

    operator.run(&["configs", "get"]).await.failed(1);
    let create = ["tokens", "create", "--role", "viewer", "--name", "sample"];
    operator.run(&create).await.succeeded();
    let mut listening = operator.start(&[
        "listen",
        "--name",
        "sample",
        "--address",
        &address,
        "--public-url",
        &url,
    ]);
    listening.wait_for("listening as ep_").await;
    let sent = [
        "send",
        "--event",
        "order.paid",
        "--payload",
        "{\"amount\":12}",
    ];
    operator.run(&sent).await.succeeded();
    listening.wait_for("order.paid").await;
    let ended = stop(listening, Signal::Terminate).await;

    let shown = ended.succeeded();
    assert!(shown.contains("signature ok"), "{shown}");
}

#[tokio::test]
async fn it_fails_as_often_as_it_is_told_to_and_refuses_what_is_not_signed() {
    let desk = Desk::start().await;
    let listen = [
        "listen",
        "--fail",
        "500",
        "--fail-times",
        "1",
        "--delay",
        "10ms",
    ];

    let mut listening = desk.admin.start(&listen);
    listening.wait_for("listening as ep_").await;
    let url = desk.acme.configs().await[0]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let forged = test_support::HttpClient::new(&url)
        .post("", &event("forged"))
        .await;
    desk.acme.send(&event("evt-1")).await;
    listening.wait_for("#2").await;
    let ended = stop(listening, Signal::Interrupt).await;

    assert_eq!(forged.status, 401);
    let lines: Vec<&str> = ended
        .succeeded()
        .lines()
        .filter(|line| line.contains('→'))
        .collect();
    assert!(
        lines[0].contains("signature wrong: id is missing"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("#1") && lines[1].contains("→ 500"),
        "{lines:?}"
    );
    assert!(lines[2].contains("#2  signature ok  → 200"), "{lines:?}");
    assert!(!ended.output.contains('\u{1b}'), "{ended:?}");
}

#[tokio::test]
async fn what_a_crash_leaves_behind_is_replaced_and_somebody_elses_url_is_left_alone() {
    let desk = Desk::start().await;
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let listen = ["listen", "--name", "mine", "--address", &address];
    let mut crashed = desk.admin.start(&listen);
    crashed.wait_for("listening as ep_").await;
    let left = desk.acme.configs().await;
    crashed.signal(Signal::Kill);
    crashed.wait_end().await;

    let other = ["listen", "--name", "another", "--address", &address];
    let refused = desk.admin.run(&other).await;
    let mut listening = desk.admin.start(&listen);
    listening.wait_for("left by an earlier listen").await;
    listening.wait_for("listening as ep_").await;
    let now = desk.acme.configs().await;
    let ended = stop(listening, Signal::Interrupt).await;

    assert!(
        refused
            .failed(1)
            .contains("is the URL of the webhook config"),
        "{refused:?}"
    );
    assert_eq!((left.len(), now.len()), (1, 1));
    assert_ne!(left[0]["id"], now[0]["id"]);
    ended.succeeded();
    assert_eq!(desk.acme.configs().await, Vec::<Value>::new());
}

#[tokio::test]
async fn where_it_cannot_be_reached_it_follows_the_log_and_signs_what_it_forwards() {
    let desk = Desk::start().await;
    let remote = Receiver::start(script::always(Answer::ok()));
    let local = Receiver::start(script::always(Answer::status(500)));
    let config = desk
        .acme
        .register(&remote.url("/hook"), &["*"], json!({"secret": SECRET}))
        .await;
    let forward = local.url("/webhooks");
    let id = config["id"].as_str().unwrap();
    let poll = [
        "listen",
        "--poll",
        "--config",
        id,
        "--forward",
        &forward,
        "--events",
        "reward-*",
        "--json",
    ];

    let posthorn = desk.admin.env("POSTHORN_SIGNING_SECRET", SECRET);
    let mut listening = posthorn.start(&poll);
    listening.wait_for("following the log").await;
    let other = json!({"id": "evt-0", "eventSubCategory": "order.paid", "payload": {}});
    desk.acme.send(&other).await;
    desk.acme.send(&event("evt-1")).await;
    let request = local.wait_for(1, BOUND).await.remove(0);
    listening.wait_for("\"eventId\":\"evt-1\"").await;
    let ended = stop(listening, Signal::Interrupt).await;

    let original = remote.wait_for(2, BOUND).await;
    let original = original
        .iter()
        .find(|request| request.event_id() == "evt-1");
    assert_eq!(request.body, original.unwrap().body);
    let webhook = Webhook::new(SECRET).unwrap();
    webhook.verify(&request.body, &request.headers).unwrap();
    let shown = ended.documents();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(shown[0]["answered"], 200);
    assert_eq!(shown[0]["forwarded"]["status"], 500);
    assert_eq!(shown[0]["signatureValid"], Value::Null);
    assert_eq!(desk.acme.configs().await.len(), 1);
}

async fn stop(running: Running, signal: Signal) -> Ended {
    running.signal(signal);
    running.wait_end().await
}

fn event(id: &str) -> Value {
    json!({"id": id, "eventSubCategory": "reward-claim", "payload": {"points": 1}})
}

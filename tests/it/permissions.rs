//! What the broker's users may do. That each service may do all that it needs is shown by the other tests (but those of `dev`): they run under
//! the accounts of `deploy/`, and fail when the broker refuses a service something.

use std::{process::Command, time::Duration};

use e2e::{Stack, accounts};
use serde_json::json;
use test_support::{Answer, BrokerClient, NatsServer, Receiver, script};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::BOUND;

/// What nobody but `setup` may do.
const FORBIDDEN: &[&str] = &[
    "SUB >",
    "SUB _INBOX.>",
    "SUB posthorn.events.>",
    "SUB posthorn.attempts",
    "PUB $JS.API.STREAM.CREATE.mine",
    "PUB $JS.API.STREAM.UPDATE.posthorn_EVENTS",
    "PUB $JS.API.STREAM.DELETE.posthorn_EVENTS",
    "PUB $JS.API.STREAM.PURGE.posthorn_EVENTS",
    "PUB $JS.API.STREAM.PURGE.KV_posthorn_endpoints",
    "PUB $JS.API.STREAM.MSG.DELETE.KV_posthorn_tokens",
    "PUB $JS.API.STREAM.MSG.GET.posthorn_EVENTS",
    "PUB $JS.API.CONSUMER.CREATE.posthorn_EVENTS.mine",
    "PUB $JS.API.CONSUMER.DURABLE.CREATE.posthorn_JOBS.delivery",
    "PUB $JS.API.CONSUMER.DELETE.posthorn_EVENTS.fan-out",
    "PUB $JS.API.STREAM.SNAPSHOT.posthorn_EVENTS",
    "PUB $SYS.REQ.SERVER.PING",
    "PUB posthorn.replicas.somebody",
];

/// What belongs to another service.
const OTHERS: &[(&str, &[&str])] = &[
    (
        "ingest",
        &[
            "PUB posthorn.jobs.1",
            "PUB posthorn.attempts",
            "PUB $KV.posthorn_tokens.mine",
            "PUB $KV.posthorn_replicas.admin.1",
            "PUB $JS.API.CONSUMER.CREATE.KV_posthorn_endpoints.a.b",
            "PUB $JS.API.DIRECT.GET.posthorn_EVENTS",
            "PUB $JS.API.CONSUMER.MSG.NEXT.posthorn_EVENTS.fan-out",
            "SUB _INBOX.admin.>",
        ],
    ),
    (
        "fan-out",
        &[
            "PUB posthorn.events.acme.a",
            "PUB posthorn.dead.acme.ep_1",
            "PUB $KV.posthorn_endpoints.acme.ep_1",
            "PUB $JS.API.CONSUMER.CREATE.KV_posthorn_tokens.a.b",
            "PUB $JS.API.CONSUMER.MSG.NEXT.posthorn_JOBS.delivery",
            "PUB $JS.ACK.posthorn_EVENTS.event-archive.1.1.1.1.0",
            "SUB _INBOX.delivery.>",
        ],
    ),
    (
        "delivery",
        &[
            "PUB posthorn.events.acme.a",
            "PUB posthorn.jobs.1",
            "PUB $KV.posthorn_tokens.mine",
            "PUB $JS.API.CONSUMER.CREATE.KV_posthorn_tokens.a.b",
            "PUB $JS.API.CONSUMER.MSG.NEXT.posthorn_EVENTS.fan-out",
            "PUB $JS.API.STREAM.MSG.DELETE.posthorn_JOBS",
        ],
    ),
    (
        "log-writer",
        &[
            "PUB posthorn.events.acme.a",
            "PUB posthorn.attempts",
            "PUB posthorn.jobs.1",
            "PUB $KV.posthorn_organisations.acme",
            "PUB $JS.API.CONSUMER.CREATE.KV_posthorn_endpoints.a.b",
            "PUB $JS.API.CONSUMER.CREATE.KV_posthorn_tokens.a.b",
        ],
    ),
    (
        "admin",
        &[
            "PUB posthorn.events.acme.a",
            "PUB posthorn.dead.acme.ep_1",
            "PUB posthorn.signals.acme.endpoint-failing",
            "PUB $JS.API.CONSUMER.MSG.NEXT.posthorn_JOBS.delivery",
            "PUB $KV.posthorn_replicas.delivery.1",
            "SUB posthorn.test-send",
        ],
    ),
];

#[tokio::test]
async fn no_service_may_do_what_another_does() {
    let stack = Stack::start().await;
    let broker = stack.broker_ref();
    for (user, asked) in OTHERS {
        for command in FORBIDDEN.iter().chain(*asked) {
            assert!(is_refused(broker, user, command).await, "{user}: {command}");
        }
    }
    assert!(!is_refused(broker, "fan-out", "PUB posthorn.jobs.1").await);
    stack.expect_refusals();
}

#[test]
fn the_servers_configuration_in_deploy_is_one_that_it_takes() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nats.conf");
    let check = |passwords: bool| {
        let mut command = Command::new(NatsServer::program());
        command.args(["-t", "-c", config]);
        if passwords {
            command.envs(
                accounts::password_variables()
                    .into_iter()
                    .map(|name| (name, "letters")),
            );
        }
        command.output().unwrap()
    };

    let (taken, refused) = (check(true), check(false));

    assert!(taken.status.success(), "{taken:?}");
    // No user is left without a password.
    assert!(!refused.status.success());
}

#[tokio::test]
async fn a_producer_publishes_its_own_organisations_events_and_sees_nothing_else() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let umbra = stack.organisation("umbra").await;
    let (receiver, other) = (
        Receiver::start(script::always(Answer::ok())),
        Receiver::start(script::always(Answer::ok())),
    );
    acme.register(&receiver.url("/"), &["*"], json!({})).await;
    umbra.register(&other.url("/"), &["*"], json!({})).await;
    let broker = stack.broker_ref();

    let producer = BrokerClient::connect(&stack.broker_url_as("acme")).await;
    let event = r#"{"id":"evt-1","eventSubCategory":"order.created"}"#;
    let sequence = producer
        .publish(
            "events.order.created",
            &[("Nats-Msg-Id", "acme:evt-1")],
            event,
        )
        .await
        .unwrap();

    let requests = receiver.wait_for(1, BOUND).await;
    assert_eq!(requests[0].event_id(), "evt-1");
    assert_eq!(sequence, 1);
    for command in [
        "PUB posthorn.events.acme.order.created",
        "PUB posthorn.events.umbra.order.created",
        "PUB $JS.API.INFO",
        "PUB $JS.API.STREAM.INFO.posthorn_EVENTS",
        "PUB $KV.posthorn_tokens.mine",
        "SUB posthorn.>",
        "SUB events.>",
    ] {
        assert!(is_refused(broker, "acme", command).await, "{command}");
    }
    // Its own subject leads to its own organisation, whatever it calls itself.
    let lie = r#"{"id":"evt-2","eventSubCategory":"a","organisationId":"umbra"}"#;
    producer.publish("events.a", &[], lie).await.unwrap();
    let client = stack.broker_client().await;
    let rejected = test_support::eventually("it is rejected", BOUND, async || {
        let rejected = client.messages("posthorn_REJECTED").await;
        rejected.into_iter().next().ok_or("nothing is there")
    })
    .await;
    assert_eq!(rejected.subject, "posthorn.rejected.acme");
    assert_eq!(other.count(), 0);
    stack.expect_refusals();
}

/// Returns whether the broker refuses a user a publish or a subscription.
async fn is_refused(broker: &NatsServer, user: &str, command: &str) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", broker.port()))
        .await
        .unwrap();
    let connect =
        json!({"user": user, "pass": Stack::BROKER_PASSWORD, "verbose": false, "headers": true});
    let command = match command.split_once(' ').unwrap() {
        ("PUB", subject) => format!("PUB {subject} 0\r\n\r\n"),
        (_, subject) => format!("SUB {subject} 1\r\n"),
    };
    let text = format!("CONNECT {connect}\r\n{command}PING\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("PONG\r\n") {
        let mut part = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut part));
        let length = read.await.unwrap().unwrap();
        assert!(length > 0, "the broker hung up: {answer}");
        answer.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    assert!(!answer.contains("Authorization Violation"), "{answer}");
    answer.contains("-ERR 'Permissions Violation")
}

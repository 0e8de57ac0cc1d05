//! The test equipment itself, against real servers.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use test_support::{Answer, HttpClient, NatsServer, Postgres, Receiver, free_port, script};

const BOUND: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_broker_keeps_its_port_and_its_messages_over_a_kill() {
    let mut nats = NatsServer::start();
    let client = nats.client().await;
    let config = async_nats::jetstream::stream::Config {
        name: "KEPT".to_owned(),
        subjects: vec!["kept.>".to_owned()],
        ..Default::default()
    };
    client.context().create_stream(config).await.unwrap();
    client
        .publish("kept.one", &[("Nats-Msg-Id", "1")], "body")
        .await
        .unwrap();
    let before = (nats.port(), nats.pid());

    nats.restart();

    let messages = nats.client().await.messages("KEPT").await;
    assert_eq!(nats.port(), before.0);
    assert_ne!(nats.pid(), before.1);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].subject, "kept.one");
    assert_eq!(messages[0].header("nats-msg-id"), Some("1"));
    assert_eq!(&messages[0].body[..], b"body");
}

#[tokio::test]
async fn a_publish_without_a_stream_is_an_error() {
    let nats = NatsServer::start();

    let published = nats.client().await.publish("nowhere", &[], "body").await;

    assert!(published.is_err());
}

#[test]
fn a_cluster_takes_connections_again_after_an_outage() {
    let cluster = Postgres::start();
    let url = cluster.create_database("one");
    assert!(url.ends_with("/one"), "{url}");

    cluster.stop();
    assert_eq!(cluster.pid(), None);
    cluster.restart();

    assert!(cluster.create_database("two").ends_with("/two"));
}

#[tokio::test]
async fn a_receiver_records_requests_and_answers_by_its_script() {
    let receiver = Receiver::start(|request| match request.path.as_str() {
        "/broken" => Answer::Drop,
        "/moved" => Answer::redirect("http://elsewhere.example"),
        "/big" => Answer::big_body(100_000),
        "/slow" => Answer::status(503).after(Duration::from_millis(30)),
        _ => Answer::ok(),
    });
    let client = HttpClient::new(receiver.url("")).with_token("t-1");

    let body = Bytes::from_static(b"{ \"a\" : 1 }");
    let plain = client.send(Method::PUT, "/plain?x=1", body).await.unwrap();
    assert_eq!(plain.status, 200);
    assert!(
        client
            .send(Method::GET, "/broken", Bytes::new())
            .await
            .is_err()
    );
    assert_eq!(client.get("/moved").await.status, 302);
    assert_eq!(client.get("/big").await.body.len(), 100_000);
    assert_eq!(client.get("/slow").await.status, 503);

    let requests = receiver.wait_for(5, BOUND).await;
    assert_eq!(requests[0].method, Method::PUT);
    assert_eq!(requests[0].path, "/plain?x=1");
    assert_eq!(requests[0].header("x-api-token"), "t-1");
    assert_eq!(&requests[0].body[..], b"{ \"a\" : 1 }");
    assert_eq!(receiver.requests_to("/big").len(), 1);
}

#[tokio::test]
async fn a_failing_script_counts_per_event() {
    let receiver = Receiver::start(script::failing_first(1, 500));
    let client = HttpClient::new(receiver.url(""));

    assert_eq!(client.get("/").await.status, 500);
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn an_observing_receiver_counts_and_keeps_nothing() {
    let receiver = Receiver::observing(|_, _| http::StatusCode::NO_CONTENT);
    let client = HttpClient::new(receiver.url(""));

    assert_eq!(client.get("/").await.status, 204);

    assert_eq!(receiver.count(), 1);
    assert!(receiver.requests().is_empty());
}

#[test]
fn ports_are_handed_out_once() {
    assert_ne!(free_port(), free_port());
}

#[test]
#[should_panic(expected = "not within 20ms; last seen: 7")]
fn a_condition_that_never_holds_shows_what_was_seen() {
    test_support::eventually_blocking("it happens", Duration::from_millis(20), || Err::<(), _>(7));
}

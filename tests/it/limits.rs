//! What is too much is refused by name, and by whom it is too much: 413, 429 and 503 of each service.

use e2e::{Service, Stack, Store};
use http::Method;
use serde_json::{Value, json};
use test_support::{HttpClient, Reply, eventually};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::BOUND;

const CONFIGS: &str = "/api/v2/admin/webhooks/configs";
const EVENTS: &str = "/api/v2/events";

#[tokio::test]
async fn who_asks_too_often_waits_and_nobody_else() {
    let limits = [
        ("POSTHORN_API_RATE_PER_TOKEN", "2"),
        ("POSTHORN_API_RATE_PER_ORGANISATION", "3"),
    ];
    let stack = Stack::start_limited(Store::Sqlite, "info", &limits).await;
    let acme = stack.organisation("acme").await;
    let second = acme.admin.with_token(stack.token("acme", "viewer").await);
    let umbra = stack.organisation("umbra").await;

    let of_token = until_refused(&acme.admin).await;
    let of_organisation = until_refused(&second).await;
    let other = umbra.admin.get(CONFIGS).await;

    assert_limited(&of_token, 2, "the token may send 2 requests a second");
    let message = "the organisation may send 3 requests a second";
    assert_limited(&of_organisation, 3, message);
    other.expect(200);
    stack
        .operator()
        .get("/api/v2/admin/tokens")
        .await
        .expect(200);
    eventually("the token may ask again", BOUND, async || {
        let reply = acme.admin.get(CONFIGS).await;
        reply.status.is_success().then_some(()).ok_or(reply)
    })
    .await;
}

#[tokio::test]
async fn a_batch_counts_as_its_events_and_what_is_refused_is_not_stored() {
    let limits = [
        ("POSTHORN_INGEST_RATE_PER_TOKEN", "10"),
        ("POSTHORN_INGEST_RATE_PER_ORGANISATION", "15"),
    ];
    let stack = Stack::start_limited(Store::Sqlite, "info", &limits).await;
    let acme = stack.organisation("acme").await;
    let second = acme
        .producer
        .with_token(stack.token("acme", "producer").await);
    let umbra = stack.organisation("umbra").await;

    acme.send(&events("a", 99)).await;
    acme.send(&events("b", 80)).await;
    let of_token = acme.producer.post(EVENTS, &events("c", 1)).await;
    let of_organisation = second.post(EVENTS, &events("d", 1)).await;
    umbra.send(&events("e", 1)).await;

    assert_limited(&of_token, 10, "the token may send 10 events a second");
    let wait: u64 = of_token.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((4..=9).contains(&wait), "{wait} s for 79 events too many");
    let message = "the organisation may send 15 events a second";
    assert_limited(&of_organisation, 15, message);
    let broker = stack.broker_client().await;
    assert_eq!(broker.count("posthorn_EVENTS").await, Some(180));
    eventually("the token may send again", BOUND, async || {
        let reply = acme.producer.post(EVENTS, &events("f", 1)).await;
        (reply.status == 202).then_some(()).ok_or(reply)
    })
    .await;
}

#[tokio::test]
async fn who_guesses_tokens_is_stopped_and_who_has_one_is_not() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    for (client, path) in [(&acme.admin, CONFIGS), (&acme.producer, EVENTS)] {
        let mut statuses = Vec::new();
        for n in 0..400 {
            let stranger = client.with_token(format!("pht_guess_{n}"));
            let reply = stranger
                .send(method(path), path, "[]".into())
                .await
                .unwrap();
            statuses.push(reply.status.as_u16());
            if reply.status == 429 {
                assert_limited(
                    &reply,
                    20,
                    "the address may send 20 unknown tokens a second",
                );
                break;
            }
        }

        let (last, before) = statuses.split_last().unwrap();
        assert_eq!(*last, 429);
        assert!(before.len() >= 200 && before.iter().all(|status| *status == 401));
        let own = client.send(method(path), path, body(path)).await.unwrap();
        assert!(own.status.is_success(), "{own}");
    }
}

#[tokio::test]
async fn a_body_too_large_and_a_broker_that_is_away_are_told_by_both_services() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let event = json!({"eventSubCategory": "a", "payload": "x".repeat(1024 * 1024)});
    let config = json!([{"url": "x".repeat(1024 * 1024), "events": []}]);

    let of_ingest = acme.producer.post(EVENTS, &event).await;
    let of_admin = acme.admin.put(CONFIGS, &config).await;
    stack.broker().kill();
    let away_from_ingest = until_unavailable(&acme.producer, EVENTS).await;
    let away_from_admin = until_unavailable(&acme.admin, CONFIGS).await;

    for (reply, operation) in [(of_ingest, "postEvents"), (of_admin, "putWebhookConfigs")] {
        assert_refused(&reply, 413, "PAYLOAD_TOO_LARGE", operation);
    }
    for (reply, operation) in [
        (away_from_ingest, "postEvents"),
        (away_from_admin, "listWebhookConfigs"),
    ] {
        assert_refused(&reply, 503, "SERVICE_UNAVAILABLE", operation);
        assert_eq!(reply.headers["retry-after"], "1");
    }
}

/// Asks until it is too often.
#[tokio::test]
async fn bodies_that_never_end_leave_room_for_those_of_others() {
    let stack = Stack::start().await;
    let (acme, umbra) = (
        stack.organisation("acme").await,
        stack.organisation("umbra").await,
    );
    let url = stack.url(Service::Ingest);
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let length = 16 * 1024 * 1024;
    let head = format!(
        "POST {EVENTS} HTTP/1.1\r\nhost: a\r\nx-api-token: {}\r\ncontent-length: {length}\r\n\r\n",
        acme.producer.token().unwrap()
    );
    let mut endless = tokio::task::JoinSet::new();
    for _ in 0..9 {
        let (address, head) = (address.clone(), head.clone());
        endless.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b' '; length - 1]).await.unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            answer
        });
    }

    // One finds no room, so all that acme may take is taken.
    let first = endless.join_next().await.unwrap().unwrap();
    let large = json!({"eventSubCategory": "a", "payload": "x".repeat(1_000_000)});
    let sent = umbra.producer.post(EVENTS, &large).await;

    assert_eq!(&first, b"HTTP/1.1 503");
    sent.expect(202);
}

async fn until_refused(client: &HttpClient) -> Reply {
    for _ in 0..100 {
        let reply = client.get(CONFIGS).await;
        if !reply.status.is_success() {
            return reply;
        }
    }
    panic!("a hundred requests are not refused");
}

/// Asks until the service knows that the broker is away.
async fn until_unavailable(client: &HttpClient, path: &str) -> Reply {
    eventually("503", BOUND, async || {
        let reply = client.send(method(path), path, body(path)).await;
        let reply = reply.map_err(|error| error.to_string())?;
        if reply.status == 503 {
            Ok(reply)
        } else {
            Err(reply.to_string())
        }
    })
    .await
}

fn method(path: &str) -> Method {
    if path == EVENTS {
        Method::POST
    } else {
        Method::GET
    }
}

fn body(path: &str) -> bytes::Bytes {
    if path == EVENTS {
        events("own", 1).to_string().into()
    } else {
        bytes::Bytes::new()
    }
}

fn events(prefix: &str, count: usize) -> Value {
    (0..count)
        .map(|n| json!({"id": format!("{prefix}-{n}"), "eventSubCategory": "a"}))
        .collect()
}

fn assert_limited(reply: &Reply, limit: u32, message: &str) {
    assert_eq!(reply.status, 429, "{reply}");
    let body = reply.json();
    assert_eq!(body["code"], "TOO_MANY_REQUESTS");
    assert!(
        body["message"].as_str().unwrap().starts_with(message),
        "{reply}"
    );
    let header = |name: &str| -> u64 { reply.headers[name].to_str().unwrap().parse().unwrap() };
    assert_eq!(header("ratelimit-limit"), u64::from(limit));
    assert_eq!(header("ratelimit-remaining"), 0);
    assert!(header("retry-after") >= 1);
    assert_eq!(header("retry-after"), header("ratelimit-reset"));
}

fn assert_refused(reply: &Reply, status: u16, code: &str, operation: &str) {
    let body = reply.expect(status);
    assert_eq!(body["code"], code, "{reply}");
    assert_eq!(
        body["data"],
        json!({"httpStatus": status, "path": operation})
    );
}

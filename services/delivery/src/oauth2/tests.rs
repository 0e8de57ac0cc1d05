//! Tokens from a real token server: one fetch for all, kept while they hold, none after a failure.

use std::{sync::Arc, time::Duration};

use domain::{
    access::Hidden,
    destination::Policy,
    oauth2::OAuth2,
    outcome::{ErrorKind, Failure},
    redaction::Scrubber,
    trace::TraceParent,
};
use telemetry::{Metrics, Tracer};
use test_support::{Answer, Receiver, free_port};
use tokio::task::JoinSet;

use super::{Token, Tokens};
use crate::{
    client::{Client, Deadline},
    config::{Limits, Settings},
    dial::Dial,
    egress::Egress,
    metrics::Instruments,
    spans::Calls,
    tls::Tls,
};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const BOUND: Duration = Duration::from_secs(20);
const AT_ONCE: usize = 20;

#[tokio::test]
async fn attempts_that_need_a_token_at_once_share_one_fetch() {
    let server =
        server(|n| granted(&format!("token-{n}"), 3_600).after(Duration::from_millis(200)));
    let tokens = Arc::new(tokens(&server.url("/token")));

    let found = all_at_once(&tokens).await;

    assert_eq!(server.count(), 1);
    for token in found {
        assert_eq!(value(&token.unwrap()), "Bearer token-1");
    }
    let request = server.requests().remove(0);
    // `client%3A1:s3cret+of+ours`, for both parts are encoded before they are put together.
    assert_eq!(
        request.header("authorization"),
        "Basic Y2xpZW50JTNBMTpzM2NyZXQrb2Yrb3Vycw=="
    );
    assert_eq!(
        request.header("content-type"),
        "application/x-www-form-urlencoded"
    );
    assert_eq!(request.body, "grant_type=client_credentials&scope=a+b");
}

#[tokio::test]
async fn a_failure_is_everybodys_who_waited_and_the_next_one_asks_again() {
    let server = server(|n| match n {
        1 => refused().after(Duration::from_millis(200)),
        _ => granted("token", 3_600),
    });
    let tokens = Arc::new(tokens(&server.url("/token")));

    let found = all_at_once(&tokens).await;

    assert_eq!(server.count(), 1);
    for failure in found {
        let failure = failure.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Status);
        assert_eq!(
            failure.message,
            "token server: HTTP 401: Unauthorized (invalid_client)"
        );
    }
    assert!(get(&tokens).await.is_ok());
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a_token_is_kept_until_its_end_or_until_it_is_refused() {
    let server = server(|n| granted(&format!("token-{n}"), if n == 1 { 0 } else { 3_600 }));
    let tokens = tokens(&server.url("/token"));

    let ended = get(&tokens).await.unwrap();
    let kept = get(&tokens).await.unwrap();
    let again = get(&tokens).await.unwrap();
    tokens.refuse(&ended);
    let still = get(&tokens).await.unwrap();
    tokens.refuse(&kept);
    let other = get(&tokens).await.unwrap();

    assert_eq!(value(&ended), "Bearer token-1");
    assert!(Arc::ptr_eq(&kept, &again) && Arc::ptr_eq(&kept, &still));
    assert_eq!(value(&other), "Bearer token-3");
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn a_token_is_scrubbed_and_never_printed() {
    let server = server(|_| granted("token-of-ours", 3_600));
    let tokens = tokens(&server.url("/token"));

    let token = get(&tokens).await.unwrap();

    assert_eq!(token.scrubber.scrub("got token-of-ours"), "got ***");
    assert_eq!(token.scrubber.scrub("and s3cret of ours"), "and ***");
    let printed = format!("{token:?} {tokens:?}");
    assert!(!printed.contains("token-of-ours"), "{printed}");
    assert!(!printed.contains("Y2xpZW50"), "{printed}");
}

#[tokio::test]
async fn a_token_server_that_fails_is_named_with_the_kind_of_its_failure() {
    let hanging = server(|_| Answer::ok().after(BOUND));
    let moved = server(|_| Answer::redirect("http://127.0.0.1/"));
    let empty = server(|_| Answer::ok());
    let endless = server(|_| Answer::big_body(200_000));
    let dead = format!("http://127.0.0.1:{}/", free_port());
    for (url, kind, message) in [
        (dead.as_str(), ErrorKind::Connect, "token server: "),
        (
            "http://127.0.0.9/",
            ErrorKind::BlockedAddress,
            "oauth2.tokenUrl must not point to",
        ),
        (
            &moved.url("/"),
            ErrorKind::Status,
            "token server: HTTP 302: Found",
        ),
        (
            &empty.url("/"),
            ErrorKind::Protocol,
            "holds no bearer token",
        ),
        (
            &endless.url("/"),
            ErrorKind::Protocol,
            "holds no bearer token",
        ),
        (
            &hanging.url("/"),
            ErrorKind::Timeout,
            "token server: no answer within 1000 ms",
        ),
    ] {
        let deadline = Deadline::after(Duration::from_secs(1));

        let failure = within(&tokens(url), deadline).await.unwrap_err();

        assert_eq!(failure.kind, kind, "{url}: {}", failure.message);
        assert!(
            failure.message.contains(message),
            "{url}: {}",
            failure.message
        );
    }
}

/// A token server; its script is told how many requests there were, this one included.
fn server(script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Receiver {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Receiver::start(move |_request| {
        script(count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1)
    })
}

fn granted(token: &str, lasts_s: u32) -> Answer {
    let body = serde_json::json!({
        "access_token": token, "token_type": "Bearer", "expires_in": lasts_s,
    });
    json(200, body.to_string())
}

fn refused() -> Answer {
    json(401, "{\"error\":\"invalid_client\"}".to_owned())
}

fn json(status: u16, body: String) -> Answer {
    Answer::Reply {
        status,
        headers: vec![("content-type", "application/json".to_owned())],
        body: body.into(),
    }
}

async fn all_at_once(tokens: &Arc<Tokens>) -> Vec<Result<Arc<Token>, Failure>> {
    let mut asking = JoinSet::new();
    for _ in 0..AT_ONCE {
        let tokens = Arc::clone(tokens);
        asking.spawn(async move { get(&tokens).await });
    }
    asking.join_all().await
}

async fn get(tokens: &Tokens) -> Result<Arc<Token>, Failure> {
    within(tokens, Deadline::after(BOUND)).await
}

async fn within(tokens: &Tokens, deadline: Deadline) -> Result<Arc<Token>, Failure> {
    let (tracer, attempt) = (Tracer::default(), TraceParent::root([1; 16], [1; 8]));
    let instruments = Instruments::new(&Metrics::new("delivery").unwrap());
    let calls = Calls::new(&tracer, &instruments, attempt, None);
    tokens.get(&client(), deadline, &calls).await
}

fn value(token: &Token) -> &str {
    token.authorization.to_str().unwrap()
}

fn tokens(url: &str) -> Tokens {
    let secret = "s3cret of ours";
    let config = OAuth2 {
        token_url: url.to_owned(),
        client_id: "client:1".to_owned(),
        client_secret: Hidden::Value(secret.to_owned()),
        scope: Some("a b".to_owned()),
        audience: None,
    };
    let scrubber = Scrubber::new([secret].into_iter());
    Tokens::new(&config, secret, &policy(), scrubber).unwrap()
}

fn policy() -> Policy {
    Policy {
        allow_http: true,
        networks: vec!["127.0.0.1/32".parse().unwrap()],
        hosts: Vec::new(),
    }
}

fn client() -> Client {
    let settings = Settings {
        limits: Limits {
            places: 1,
            disable_after: None,
        },
        keyring: Arc::new(jetstream::sealing::Keyring::parse(KEY).unwrap()),
        destinations: Arc::new(policy()),
        egress: Egress::default(),
    };
    let tls = Tls::new(&[]).unwrap();
    Client::new(&Dial::new(&settings).unwrap(), tls.shared().unwrap(), 8).unwrap()
}

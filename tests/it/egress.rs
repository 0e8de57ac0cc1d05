//! The way out with everything on it: names of a split DNS, a proxy, roots of the operator's, a receiver
//! that wants a client certificate, and tokens of OAuth 2.0.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use e2e::{Organisation, Service, Stack, Store};
use serde_json::{Value, json};
use test_support::{Answer, Authority, HttpProxy, NameServer, ProxyConduct, Received, Receiver};

const CLIENT_SECRET: &str = "client-secret-of-ours-4711";
const PROXY_PASSWORD: &str = "password-of-the-proxy-0815";
/// `Basic` and the base64 of `posthorn:` with the password.
const PROXY_AUTHORIZATION: &str = "Basic cG9zdGhvcm46cGFzc3dvcmQtb2YtdGhlLXByb3h5LTA4MTU=";

/// A token server, and which of its tokens the receiver takes.
struct Tokens {
    server: Receiver,
    given: Arc<AtomicUsize>,
    taken: Arc<AtomicUsize>,
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, from the proxy to the log"
)]
async fn a_guarded_receiver_is_reached_through_a_proxy_with_certificate_and_token() {
    let authority = Authority::new("the operator's");
    let names = NameServer::start(|name, _| match name {
        "hooks.example" | "login.example" => Some(vec!["127.0.0.1".parse().unwrap()]),
        _ => Some(vec!["10.0.0.1".parse().unwrap()]),
    });
    let tokens = Tokens::start(&authority);
    let receiver = receiver(&authority, &tokens);
    let proxy = HttpProxy::start(ProxyConduct::ConnectFor(PROXY_AUTHORIZATION.to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, authority.pem()).unwrap();
    let mut stack = Stack::start_limited(
        Store::Sqlite,
        "debug",
        &[
            ("POSTHORN_DNS_SERVERS", &names.address().to_string()),
            ("POSTHORN_EGRESS_CA", roots.to_str().unwrap()),
            (
                "POSTHORN_EGRESS_PROXY",
                &format!("http://posthorn:{PROXY_PASSWORD}@{}", proxy.address()),
            ),
        ],
    )
    .await;
    let acme = stack.organisation("acme").await;
    let client = authority.client("posthorn");
    let more = json!({
        "clientCertificate": {"certificate": client.certificate, "privateKey": client.key},
        "oauth2": {
            "tokenUrl": tokens.server.url_of("login.example", "/token"),
            "clientId": "posthorn", "clientSecret": CLIENT_SECRET,
        },
        "maxRetries": 1, "retryPolicy": {"delay": {"fixed": 500}},
    });
    let url = receiver.url_of("hooks.example", "/hook");
    let saved = acme.register(&url, &["reward-*"], more).await;
    let closed = acme
        .register(
            "https://closed.example/hook",
            &["closed"],
            json!({"maxRetries": 0}),
        )
        .await;

    // The first event is sent with the first token, and all others with it while it is taken.
    let first = delivered(&acme, "evt-1", 1).await.remove(0);
    assert_eq!(tokens.given.load(Ordering::SeqCst), 1);
    delivered(&acme, "evt-2", 1).await;
    assert_eq!(tokens.given.load(Ordering::SeqCst), 1);
    // A token that is no longer taken is replaced within the attempt.
    tokens.taken.store(2, Ordering::SeqCst);
    delivered(&acme, "evt-3", 1).await;
    assert_eq!(tokens.given.load(Ordering::SeqCst), 2);
    // A token server that refuses makes the attempt fail, which is retried.
    tokens.taken.store(4, Ordering::SeqCst);
    let failed = delivered(&acme, "evt-4", 2).await.remove(0);
    assert_eq!(failed["errorKind"], "status");
    assert_eq!(
        failed["errorMessage"],
        "token server: HTTP 503: Service Unavailable (temporarily_unavailable)"
    );
    assert_eq!(failed["responseStatus"], Value::Null);

    assert!(
        first["requestHeaders"].to_string().contains("Bearer ***"),
        "{first}"
    );
    assert!(
        first["responseBody"].as_str().unwrap().contains("***"),
        "{first}"
    );
    let of_closed = format!("webhookConfigId={}", closed["id"].as_str().unwrap());
    acme.send(&event("evt-5", "closed")).await;
    let blocked = acme.wait_logs(1, &of_closed).await.remove(0);
    assert_eq!(blocked["errorKind"], "blocked-address");
    assert!(!blocked.to_string().contains("10.0.0.1"), "{blocked}");
    for request in receiver.requests() {
        assert!(request.client_certificate.is_some());
    }
    assert!(!proxy.heads().is_empty());
    for head in proxy.heads() {
        assert!(head.starts_with("CONNECT 127.0.0.1:"), "{head}");
    }
    let mut seen = vec![
        saved.to_string(),
        Value::from(acme.logs("").await).to_string(),
    ];
    for service in Service::ALL {
        seen.push(stack.service(service).log());
    }
    let key = client.key.lines().nth(1).unwrap();
    for secret in [
        CLIENT_SECRET,
        PROXY_PASSWORD,
        &PROXY_AUTHORIZATION[6..],
        "token-of-ours",
        key,
    ] {
        for text in &seen {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

impl Tokens {
    fn start(authority: &Authority) -> Self {
        let server = authority.server(&["login.example"]);
        let given = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&given);
        let server = Receiver::start_tls(server.server_config(None), move |_request| {
            let n = count.fetch_add(1, Ordering::SeqCst) + 1;
            let (status, body) = match n {
                3 => (503, json!({"error": "temporarily_unavailable"})),
                _ => (
                    200,
                    json!({"access_token": format!("token-of-ours-{n}"), "expires_in": 3_600}),
                ),
            };
            Answer::Reply {
                status,
                headers: Vec::new(),
                body: body.to_string().into(),
            }
        });
        Self {
            server,
            given,
            taken: Arc::new(AtomicUsize::new(1)),
        }
    }
}

/// A receiver that wants a client certificate and the token that is taken at the moment, and sends back
/// what it got.
fn receiver(authority: &Authority, tokens: &Tokens) -> Receiver {
    let server = authority.server(&["hooks.example"]);
    let taken = Arc::clone(&tokens.taken);
    Receiver::start_tls(
        server.server_config(Some(authority)),
        move |request: &Received| {
            let token = format!("Bearer token-of-ours-{}", taken.load(Ordering::SeqCst));
            if request.header("authorization") != token {
                return Answer::status(401);
            }
            Answer::Reply {
                status: 200,
                headers: Vec::new(),
                body: format!("you sent {token}").into(),
            }
        },
    )
}

/// Sends an event and returns the records of its attempts, of which the last one must be a success.
async fn delivered(acme: &Organisation, id: &str, attempts: usize) -> Vec<Value> {
    acme.send(&event(id, "reward-claim")).await;
    let records = acme.wait_logs(attempts, &format!("eventId={id}")).await;
    assert_eq!(records.len(), attempts, "{records:?}");
    for (record, is_last) in records.iter().zip((1..=attempts).map(|n| n == attempts)) {
        assert_eq!(record["success"], is_last, "{record}");
    }
    records
}

fn event(id: &str, name: &str) -> Value {
    json!({"id": id, "eventSubCategory": name, "payload": {}})
}

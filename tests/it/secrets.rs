//! Promise 6: after a run, no secret is in an answer, in a service's output or in a file.

use std::path::Path;

use e2e::{Service, Stack};
use serde_json::json;
use test_support::{Answer, HttpClient, Received, Receiver};

use crate::{BOUND, SECRET};

const AUTHORIZATION: &str = "Bearer s3cret-of-the-receiver-4711";
const API_KEY: &str = "key-of-the-receiver-0815";
const CONFIGS: &str = "/api/v2/admin/webhooks/configs";

#[tokio::test]
async fn secrets_reach_the_receiver_and_nobody_else() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(echo_of_the_headers);
    let more = json!({"secret": SECRET, "headers": {"Authorization": AUTHORIZATION, "X-Api-Key": API_KEY}});
    let saved = acme.register(&receiver.url("/hook"), &["*"], more).await;
    acme.send(&json!({"id": "evt-1", "eventSubCategory": "reward-claim", "payload": {}}))
        .await;
    let request = receiver.wait_for(1, BOUND).await.remove(0);
    let record = acme.wait_logs(1, "").await.remove(0);

    let id = saved["id"].as_str().unwrap();
    let mut seen = vec![(
        "the saved config".to_owned(),
        saved.to_string().into_bytes(),
    )];
    for path in [
        CONFIGS.to_owned(),
        format!("{CONFIGS}/{id}"),
        "/api/v2/admin/webhooks/logs".to_owned(),
        format!(
            "/api/v2/admin/webhooks/logs/{}",
            record["id"].as_str().unwrap()
        ),
        "/api/v2/admin/tokens".to_owned(),
    ] {
        seen.push((path.clone(), acme.admin.get(&path).await.body.to_vec()));
    }
    for service in Service::ALL {
        let metrics = HttpClient::new(stack.url(service)).get("/metrics").await;
        seen.push((format!("metrics of {service:?}"), metrics.body.to_vec()));
        seen.push((
            format!("output of {service:?}"),
            stack.service(service).log().into_bytes(),
        ));
    }
    read_files(&stack.broker().store_dir(), &mut seen);
    read_files(stack.directory(), &mut seen);

    assert_eq!(request.header("authorization"), AUTHORIZATION);
    assert_eq!(request.header("x-api-key"), API_KEY);
    assert!(
        record["responseBody"].as_str().unwrap().contains("***"),
        "{record}"
    );
    assert!(
        seen.len() > 20,
        "streams, buckets and the store's file have been read"
    );
    let tokens = [stack.operator(), acme.admin, acme.producer];
    let tokens = tokens.iter().filter_map(HttpClient::token);
    for secret in secrets().into_iter().chain(tokens) {
        for (place, bytes) in &seen {
            assert!(
                !contains(bytes, secret.as_bytes()),
                "{secret:?} is in {place}"
            );
        }
    }
}

#[tokio::test]
async fn a_generated_secret_is_shown_once() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;

    let saved = acme
        .register("http://127.0.0.1:9/hook", &["*"], json!({}))
        .await;

    let secret = saved["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"), "{saved}");
    let again = acme.admin.get(CONFIGS).await;
    assert!(!contains(&again.body, secret.as_bytes()), "{again}");
}

/// A careless receiver sends back what it got.
fn echo_of_the_headers(request: &Received) -> Answer {
    let text = format!("you sent {:?}", request.headers);
    let headers = vec![("x-echo", request.header("authorization").to_owned())];
    Answer::Reply {
        status: 200,
        headers,
        body: text.into(),
    }
}

/// What must not be seen: the values, and the parts of them that alone would do.
fn secrets() -> [&'static str; 5] {
    [
        SECRET,
        "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        AUTHORIZATION,
        "s3cret-of-the-receiver-4711",
        API_KEY,
    ]
}

fn read_files(folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            read_files(&path, into);
        } else if let Ok(bytes) = std::fs::read(&path) {
            into.push((path.display().to_string(), bytes));
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

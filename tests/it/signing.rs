//! Signatures, as receivers see them: the official libraries of other languages accept every scheme, and a
//! rotation breaks nobody.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use e2e::{Organisation, Stack};
use serde_json::{Map, Value, json};
use test_support::{Answer, HttpClient, Received, Receiver, eventually, script};

use crate::{BOUND, SECRET};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/verifiers");
/// A secret as QStash gives them.
const SIG: &str = "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r";

#[tokio::test]
async fn official_libraries_accept_every_scheme() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let url = |path: &str| receiver.url(path);
    let register = async |path: &str, more: Value| acme.register(&url(path), &["*"], more).await;
    let generated = register("/standard", json!({})).await;
    let asymmetric =
        json!({"secret": SECRET, "signing": {"scheme": "standard", "asymmetric": true}});
    let asymmetric = register("/asymmetric", asymmetric).await;
    let x_proof = json!({"scheme": "hmac-hex", "header": "X-Proof"});
    register(
        "/hmac-hex",
        json!({"secret": "your-webhook-secret", "signing": x_proof}),
    )
    .await;
    register("/jwt", json!({"secret": SIG, "signing": "jwt"})).await;
    let get = register("/get", json!({"signing": "jwt", "httpMethod": "GET"})).await;
    register("/none", json!({"signing": "none"})).await;

    acme.send(&event("evt-1")).await;
    let requests = receiver.wait_for(6, BOUND).await;

    let of = |path: &str| {
        requests
            .iter()
            .find(|request| request.path == path)
            .unwrap()
    };
    let case = |path: &str, kind: &str, key: &Value, header: &str| {
        with_header(check(of(path), kind, key, &url(path)), header)
    };
    let given = json!(SECRET);
    let public_key = &asymmetric["publicKey"];
    let cases = [
        case("/standard", "standard", &generated["secret"], ""),
        case("/asymmetric", "standard", &given, ""),
        case("/asymmetric", "asymmetric", public_key, ""),
        case(
            "/hmac-hex",
            "hmac-hex",
            &json!("your-webhook-secret"),
            "x-proof",
        ),
        case("/jwt", "jwt", &json!(SIG), "upstash-signature"),
        case("/get", "jwt", &get["secret"], "upstash-signature"),
    ];
    assert_accepted(&cases);
    assert_refused(&cases.map(tampered));
    assert!(
        !of("/none")
            .headers
            .keys()
            .any(|name| name.as_str().contains("signature"))
    );
    let records = acme.wait_logs(6, "").await;
    let shown = json!(records).to_string();
    assert!(shown.contains("\"x-proof\":\"***\""), "{shown}");
    assert!(!shown.contains(of("/jwt").header("upstash-signature")));
}

#[tokio::test]
async fn both_secrets_verify_during_a_rotation_and_afterwards_only_the_new_one() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let more = json!({"secret": SECRET, "signing": {"scheme": "standard", "asymmetric": true}});
    let config = acme.register(&receiver.url("/hook"), &["*"], more).await;
    let old_public_key = &config["publicKey"];

    let rotated = rotate(&acme, &config, json!({"overlapMs": 600_000})).await;
    acme.send(&event("evt-during")).await;
    let during = receiver.wait_for(1, BOUND).await.remove(0);
    let (secret, public_key) = (&rotated["secret"], &rotated["publicKey"]);
    let case = |request: &Received, kind: &str, key: &Value| check(request, kind, key, "");

    assert_ne!(secret, &json!(SECRET));
    assert_ne!(public_key, old_public_key);
    assert_accepted(&[
        case(&during, "standard", &json!(SECRET)),
        case(&during, "standard", secret),
        case(&during, "asymmetric", old_public_key),
        case(&during, "asymmetric", public_key),
    ]);

    let ending = json!({"secret": secret, "overlapMs": 1_500});
    let ending = rotate(&acme, &config, ending).await;
    assert_eq!(ending["secret"], *secret);
    assert_eq!(ending["publicKey"], *public_key);
    let after = until(&acme, &receiver, |request| signatures(request) == 2).await;
    assert_accepted(&[
        case(&after, "standard", secret),
        case(&after, "asymmetric", public_key),
    ]);
    assert_refused(&[
        case(&after, "standard", &json!(SECRET)),
        case(&after, "asymmetric", old_public_key),
    ]);
}

#[tokio::test]
async fn a_receiver_of_tokens_with_both_keys_notices_nothing_of_a_rotation() {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let url = receiver.url("/hook");
    let config = acme
        .register(&url, &["*"], json!({"secret": SIG, "signing": "jwt"}))
        .await;

    let rotated = rotate(&acme, &config, json!({"overlapMs": 600_000})).await;
    let case = |request: &Received, key: &Value| {
        with_header(check(request, "jwt", key, &url), "upstash-signature")
    };
    let both = |request: &Received| {
        let mut case = case(request, &json!(SIG));
        case["nextKey"] = rotated["secret"].clone();
        case
    };
    acme.send(&event("evt-during")).await;
    let during = receiver.wait_for(1, BOUND).await.remove(0);
    assert_accepted(&[case(&during, &json!(SIG))]);

    let ending = json!({"secret": rotated["secret"], "overlapMs": 1_500});
    rotate(&acme, &config, ending).await;
    let is_new = |request: &Received| {
        verdicts(&[case(request, &rotated["secret"])])
            .iter()
            .all(Value::is_null)
    };
    let after = until(&acme, &receiver, is_new).await;

    assert_refused(&[case(&after, &json!(SIG))]);
    let node = run(
        "POSTHORN_VERIFIERS_NODE",
        "verify.mjs",
        &[both(&during), both(&after)],
    );
    assert!(node.iter().all(Value::is_null), "{node:?}");
}

async fn rotate(acme: &Organisation, config: &Value, body: Value) -> Value {
    let id = config["id"].as_str().unwrap();
    let path = format!("/api/v2/admin/webhooks/configs/{id}/secret/rotate");
    let admin: &HttpClient = &acme.admin;
    eventually("the rotation is in force", BOUND, async || {
        let reply = admin.post(&path, &body).await;
        if reply.status == 503 {
            return Err(reply.to_string());
        }
        Ok(reply.expect(200))
    })
    .await
}

/// Sends events until a request is as expected, and returns it.
async fn until(
    acme: &Organisation,
    receiver: &Receiver,
    is_expected: impl Fn(&Received) -> bool,
) -> Received {
    let bound = Duration::from_secs(60);
    eventually(
        "requests are signed by the new secret alone",
        bound,
        async || {
            let n = receiver.count();
            acme.send(&event(&format!("evt-{n}"))).await;
            let request = receiver
                .wait_for(n + 1, BOUND)
                .await
                .remove(usize::try_from(n).unwrap());
            if is_expected(&request) {
                Ok(request)
            } else {
                Err(n)
            }
        },
    )
    .await
}

fn signatures(request: &Received) -> usize {
    request.header("webhook-signature").split(' ').count()
}

fn event(id: &str) -> Value {
    json!({"id": id, "eventSubCategory": "reward-claim", "payload": {"name": "é\u{1f600}"}})
}

/// What a verifier gets: a request as it arrived, and what its receiver knows.
fn check(request: &Received, kind: &str, key: &Value, url: &str) -> Value {
    let headers: Map<String, Value> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
        .collect();
    let body = std::str::from_utf8(&request.body).unwrap();
    json!({"kind": kind, "key": key, "url": url, "headers": headers, "body": body})
}

fn with_header(mut case: Value, header: &str) -> Value {
    case["header"] = json!(header);
    case
}

fn tampered(mut case: Value) -> Value {
    let body = case["body"].as_str().unwrap();
    case["body"] = json!(format!("{body} "));
    case
}

fn assert_accepted(cases: &[Value]) {
    for (case, verdict) in cases.iter().cycle().zip(verdicts(cases)) {
        assert!(verdict.is_null(), "{verdict} of {case}");
    }
}

fn assert_refused(cases: &[Value]) {
    for (case, verdict) in cases.iter().cycle().zip(verdicts(cases)) {
        assert!(verdict.is_string(), "{case} is accepted");
    }
}

/// Asks the verifiers of both languages, one after the other.
fn verdicts(cases: &[Value]) -> Vec<Value> {
    let mut verdicts = run("POSTHORN_VERIFIERS_PYTHON", "verify.py", cases);
    verdicts.extend(run("POSTHORN_VERIFIERS_NODE", "verify.mjs", cases));
    assert_eq!(verdicts.len(), 2 * cases.len());
    verdicts
}

fn run(variable: &str, file: &str, cases: &[Value]) -> Vec<Value> {
    let program = std::env::var_os(variable);
    let program = program.unwrap_or_else(|| panic!("run the tests by make, or set {variable}"));
    let mut child = Command::new(program)
        .arg(format!("{FOLDER}/{file}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(cases).unwrap();
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{file} exits with {}",
        output.status
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

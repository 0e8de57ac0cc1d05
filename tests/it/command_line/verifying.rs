//! `posthorn verify`.

use serde_json::json;
use test_support::{Answer, Receiver, script};

use super::Desk;
use crate::{BOUND, SECRET};

#[tokio::test]
async fn a_delivered_request_is_verified_and_a_wrong_one_told_apart() {
    let desk = Desk::start().await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    desk.acme
        .register(&receiver.url("/hook"), &["*"], json!({"secret": SECRET}))
        .await;
    let event = json!({"id": "evt-1", "eventSubCategory": "reward-claim", "payload": {}});
    desk.acme.send(&event).await;
    let request = receiver.wait_for(1, BOUND).await.remove(0);
    let body = String::from_utf8(request.body.to_vec()).unwrap();
    desk.admin.write("body.json", &body);
    desk.admin.write("other.json", "{}");
    let posthorn = desk.admin.env("POSTHORN_SIGNING_SECRET", SECRET);
    let (id, timestamp) = (
        request.header("webhook-id"),
        request.header("webhook-timestamp"),
    );
    let signature = request.header("webhook-signature");
    let verify = [
        "verify",
        "--id",
        id,
        "--timestamp",
        timestamp,
        "--signature",
        signature,
    ];
    let with = |more: &[&'static str]| {
        let own: Vec<&str> = verify.iter().copied().chain(more.iter().copied()).collect();
        own.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = async |more: &[&'static str]| {
        let arguments = with(more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        posthorn.run(&arguments).await
    };

    let right = run(&["body.json"]).await;
    let piped = posthorn.run_with_input(&verify, &body).await;
    let other = run(&["other.json"]).await;
    let late = run(&["body.json", "--at", "2100-01-01T00:00:00Z", "--json"]).await;
    let no_secret = desk.admin.run(&verify).await;
    desk.admin.write("wrong.secret", "not-a-secret");
    let wrong = run(&["body.json", "--secret-file", "wrong.secret"]).await;

    right.succeeded();
    piped.succeeded();
    other.failed(1);
    assert!(
        other
            .output
            .contains("failed  signature: is none of this secret"),
        "{other:?}"
    );
    assert!(other.output.contains("ok      timestamp"), "{other:?}");
    late.failed(1);
    assert!(late.output.contains(r#""valid":false"#), "{late:?}");
    assert!(
        no_secret.failed(78).contains("POSTHORN_SIGNING_SECRET"),
        "{no_secret:?}"
    );
    assert!(wrong.failed(78).contains("must be whsec_"), "{wrong:?}");
    assert!(!wrong.errors.contains("not-a-secret"), "{wrong:?}");
}

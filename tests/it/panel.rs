//! The panel in a real browser: what a support engineer and a customer do, and what a page must never do.

use std::process::{Command, Stdio};

use e2e::{Service, Stack};
use serde_json::json;
use test_support::{Answer, Receiver, script};
use tokio::task::spawn_blocking;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/panel/main.py");
/// Where traces would be shown; nothing asks for it.
const TRACE_URL: (&str, &str) = (
    "POSTHORN_TRACE_URL",
    "https://traces.example/trace/{traceId}",
);

#[tokio::test]
async fn people_find_fix_and_retry_in_the_panel() {
    let stack = Stack::start_limited(e2e::Store::Sqlite, "info", &[TRACE_URL]).await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::failing_first(1, 500));
    let healthy = Receiver::start(script::always(Answer::ok()));
    let given = json!({
        "url": stack.url(Service::Admin),
        "ingest": stack.url(Service::Ingest),
        "receiver": receiver.url("/orders"),
        "healthy": healthy.url("/rewards"),
        "organisation": acme.id,
        "operator": stack.operator_token(),
        "admin": stack.token("acme", "admin").await,
        "viewer": stack.token("acme", "viewer").await,
        "producer": stack.token("acme", "producer").await,
    });

    let python = variable("POSTHORN_PANEL_PYTHON");
    let chromium = variable("POSTHORN_CHROMIUM");
    let screenshots = std::env::var_os("POSTHORN_PANEL_SCREENSHOTS");
    let screenshots = screenshots.map(|folder| ["--screenshots".into(), folder]);
    let run = spawn_blocking(move || {
        let mut child = Command::new(python)
            .args(["-B", SCRIPT, "--chromium"])
            .arg(chromium)
            .args(screenshots.into_iter().flatten())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        serde_json::to_writer(child.stdin.take().unwrap(), &given).unwrap();
        child.wait().unwrap()
    });

    let status = run.await.unwrap();
    assert!(status.success(), "main.py exits with {status}");
}

fn variable(name: &str) -> std::ffi::OsString {
    let value = std::env::var_os(name);
    value.unwrap_or_else(|| panic!("run the tests by make, or set {name}"))
}

//! `posthorn topology`, `migrate` and `doctor`.

use e2e::{CommandLine, Ended};
use serde_json::{Value, json};
use test_support::{Answer, NatsServer, Postgres, Receiver, script};

use super::Desk;

#[tokio::test]
async fn the_topology_is_made_before_any_service_starts() {
    let folder = tempfile::tempdir().unwrap();
    let server = NatsServer::start();
    let posthorn = CommandLine::new(folder.path()).env("POSTHORN_NATS_URL", &server.url());

    let before = posthorn.run(&["topology", "drift"]).await;
    let applied = posthorn.run(&["topology", "apply"]).await;
    let again = posthorn.run(&["topology", "apply"]).await;
    let after = posthorn.run(&["topology", "drift", "--json"]).await;
    let shown = posthorn
        .run(&["topology", "show", "--json"])
        .await
        .documents();
    let three = posthorn.env("POSTHORN_EVENTS_MAX_BYTES", "1GiB");
    let differs = three.run(&["topology", "drift"]).await;
    let nobody = posthorn.env("POSTHORN_NATS_URL", "nats://127.0.0.1:1");
    let nobody = nobody.run(&["topology", "show"]).await;
    let wrong = posthorn
        .env("POSTHORN_REPLICAS", "2")
        .run(&["topology", "show"])
        .await;

    before.failed(1);
    assert!(
        before.output.contains("missing  posthorn_EVENTS"),
        "{before:?}"
    );
    assert!(
        applied
            .succeeded()
            .contains("created  posthorn_JOBS/delivery"),
        "{applied:?}"
    );
    assert_eq!(again.succeeded(), "");
    assert_eq!(after.succeeded(), "");
    assert_eq!(shown.len(), 21);
    assert!(
        shown.iter().all(|object| object.get("missing").is_none()),
        "{shown:?}"
    );
    differs.failed(1);
    let told = "posthorn_EVENTS: max_bytes is -1, this version would make it 1073741824";
    assert!(differs.output.contains(told), "{differs:?}");
    assert!(
        nobody.failed(69).contains("POSTHORN_NATS_URL"),
        "{nobody:?}"
    );
    assert!(
        wrong.failed(78).contains("POSTHORN_REPLICAS: must be"),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn the_schema_is_made_before_any_service_starts() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::shared();
    let file = folder.path().join("attempts.db");
    let sqlite = format!("sqlite:{}", file.display());
    let posthorn = CommandLine::new(folder.path());

    for url in [sqlite, postgres.create_database("migrated")] {
        let posthorn = posthorn.env("POSTHORN_STORE_URL", &url);
        let before = posthorn.run(&["migrate", "--check"]).await;
        let was_made = file.exists();
        let migrated = posthorn.run(&["migrate"]).await;
        let after = posthorn.run(&["migrate", "--check"]).await;

        before.failed(1);
        assert!(
            before.output.contains("missing  0001 attempts"),
            "{before:?}"
        );
        assert!(
            url.starts_with("postgres") || !was_made,
            "checking made the file"
        );
        assert!(migrated.succeeded().contains("done"), "{migrated:?}");
        assert!(after.succeeded().contains("up to date"), "{after:?}");
    }
    let nobody = posthorn.env("POSTHORN_STORE_URL", "postgres://u:s3cret@127.0.0.1:1/x");
    let nobody = nobody.run(&["migrate"]).await;
    let wrong = posthorn
        .env("POSTHORN_STORE_URL", "mysql://x")
        .run(&["migrate"])
        .await;
    assert!(!nobody.failed(69).contains("s3cret"), "{nobody:?}");
    assert!(wrong.failed(78).contains("POSTHORN_STORE_URL"), "{wrong:?}");
    assert!(
        posthorn
            .run(&["migrate"])
            .await
            .failed(78)
            .contains("must be set")
    );
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong_and_what_to_do() {
    let desk = Desk::start().await;
    let receiver = Receiver::start(script::always(Answer::status(400)));
    desk.acme
        .register(&receiver.url("/hook"), &["*"], json!({}))
        .await;
    let store = format!(
        "sqlite:{}",
        desk.folder.path().join("data/attempts.sqlite").display()
    );
    let posthorn = desk
        .admin
        .env("POSTHORN_NATS_URL", desk.dev.nats_url())
        .env("POSTHORN_STORE_URL", &store);

    let well = posthorn.run(&["doctor", "--json"]).await.documents();
    desk.acme
        .send(&json!({"id": "evt-1", "eventSubCategory": "reward-claim", "payload": {}}))
        .await;
    desk.acme.wait_logs(1, "").await;
    let dead = posthorn.run(&["doctor"]).await;
    let nobody = posthorn
        .env("POSTHORN_NATS_URL", "nats://127.0.0.1:1")
        .env("POSTHORN_STORE_URL", "sqlite:nothing-here.db");
    let nobody = nobody.run(&["doctor", "--json"]).await;
    let other = posthorn
        .env("POSTHORN_PREFIX", "other")
        .run(&["doctor"])
        .await;

    for area in [
        "broker",
        "version",
        "disk",
        "topology",
        "consumers",
        "clock",
        "store",
        "schema",
        "endpoints",
    ] {
        assert_eq!(verdicts(&well, area), "ok", "{well:?}");
    }
    assert_eq!(verdicts(&well, "dead letters"), "ok");
    let dead = dead.succeeded();
    assert!(
        dead.contains("warning  dead letters: jobs that were given up: 1"),
        "{dead}"
    );
    assert!(dead.contains("posthorn retry --dead-letters"), "{dead}");
    nobody.failed(1);
    let found = documents(&nobody);
    assert_eq!(verdicts(&found, "broker"), "failure");
    assert_eq!(verdicts(&found, "schema"), "failure");
    assert!(
        found[0]["todo"]
            .as_str()
            .unwrap()
            .contains("POSTHORN_NATS_URL"),
        "{found:?}"
    );
    other.failed(1);
    assert!(other.output.contains("missing: other_EVENTS"), "{other:?}");
}

/// Returns the verdict of an area of which all findings have the same.
fn verdicts<'a>(findings: &'a [Value], area: &str) -> &'a str {
    let of_area = findings.iter().filter(|finding| finding["area"] == area);
    let mut verdicts: Vec<&str> = of_area.map(|it| it["verdict"].as_str().unwrap()).collect();
    verdicts.dedup();
    assert_eq!(verdicts.len(), 1, "{area}: {findings:?}");
    verdicts[0]
}

fn documents(ended: &Ended) -> Vec<Value> {
    let lines = ended.output.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

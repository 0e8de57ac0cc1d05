//! What a backup must hold: the broker's folder and the store, and nothing else.

use std::{path::Path, time::Duration};

use e2e::{Service, Stack};
use serde_json::json;
use test_support::{Answer, Receiver, eventually};

use crate::BOUND;

const LETTERS: &str = "/api/v2/admin/webhooks/dead-letters";
/// How long the retry waits: longer than a look at what waits takes.
const RETRY_AFTER_MS: u64 = 15_000;

#[tokio::test]
async fn an_installation_comes_back_from_copies_of_the_brokers_folder_and_the_store() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(|request| {
        let is_first = request.attempt() == 1;
        match request.event_id() {
            "evt-later" if is_first => Answer::status(500),
            "evt-dead" if is_first => Answer::status(400),
            _ => Answer::ok(),
        }
    });
    let later = json!({"retryPolicy": {"preset": "nudj", "delay": {"fixed": RETRY_AFTER_MS}}});
    acme.register(&receiver.url("/hook"), &["*"], later).await;
    let ids = ["evt-done", "evt-later", "evt-dead"];
    let events = ids.map(|id| json!({"id": id, "eventSubCategory": "a"}));
    acme.send(&json!(events)).await;
    let before = acme.wait_logs(3, "").await;
    let broker = stack.broker_client().await;
    eventually("one waits, one is dead", BOUND, async || {
        let waits = broker.count("posthorn_RETRIES").await;
        let dead = broker.count("posthorn_DEAD").await;
        match (waits, dead) {
            (Some(1), Some(1)) => Ok(()),
            other => Err(format!("{other:?} in RETRIES and DEAD")),
        }
    })
    .await;

    take_away_and_bring_back(&mut stack).await;

    let after = acme.wait_logs(3, "").await;
    assert_eq!(after, before, "the log is what it was");
    let page = acme.admin.get(LETTERS).await.expect(200);
    let path = format!(
        "{LETTERS}/{}/retry",
        page["edges"][0]["id"].as_str().unwrap()
    );
    acme.admin.post(&path, &json!({})).await.expect(202);
    acme.send(&json!({"id": "evt-new", "eventSubCategory": "a"}))
        .await;
    let bound = Duration::from_millis(RETRY_AFTER_MS) + BOUND;
    for (id, attempt) in [("evt-dead", 2), ("evt-new", 1), ("evt-later", 2)] {
        eventually(id, bound, async || {
            let requests = receiver.requests();
            let mut of = requests.iter().filter(|request| request.event_id() == id);
            match of.any(|request| request.attempt() == attempt) {
                true => Ok(()),
                false => Err("it did not come"),
            }
        })
        .await;
    }
}

/// Stops everything, moves all state away and back, and starts everything.
async fn take_away_and_bring_back(stack: &mut Stack) {
    for service in Service::ALL {
        stack.service(service).kill();
    }
    stack.broker().kill();
    let backup = tempfile::tempdir().unwrap();
    let (streams, store) = (stack.broker_ref().store_dir(), stack.directory().to_owned());
    move_files(&streams, &backup.path().join("streams"), |_| true);
    move_files(&store, &backup.path().join("store"), is_store);
    assert!(!streams.exists());
    move_files(&backup.path().join("streams"), &streams, |_| true);
    move_files(&backup.path().join("store"), &store, is_store);
    stack.broker().restart();
    for service in Service::ALL {
        stack.service(service).restart();
    }
    stack.wait_ready().await;
}

fn is_store(name: &str) -> bool {
    name.starts_with("attempts.db")
}

/// Moves what a folder holds, as a copy to another machine and back would.
fn move_files(from: &Path, to: &Path, is_meant: impl Fn(&str) -> bool) {
    std::fs::create_dir_all(to).unwrap();
    let mut is_empty = true;
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if is_meant(&entry.file_name().to_string_lossy()) {
            std::fs::rename(entry.path(), to.join(entry.file_name())).unwrap();
            is_empty = false;
        }
    }
    assert!(!is_empty, "{} holds something", from.display());
    let _still_full = std::fs::remove_dir(from);
}

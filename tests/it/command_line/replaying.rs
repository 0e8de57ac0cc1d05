//! `posthorn replay`.

use serde_json::json;
use test_support::{Answer, Receiver, script};

use super::Desk;
use crate::BOUND;

#[tokio::test]
async fn what_was_not_delivered_is_sent_again_and_watched_to_its_end() {
    let desk = Desk::start().await;
    let old = Receiver::start(script::always(Answer::status(400)));
    let config = desk
        .acme
        .register(&old.url("/hook"), &["*"], json!({}))
        .await;
    for id in ["evt-1", "evt-2"] {
        let event = json!({"id": id, "eventSubCategory": "reward-claim", "payload": {}});
        desk.acme.send(&event).await;
    }
    desk.acme.wait_logs(2, "").await;
    let new = Receiver::start(script::always(Answer::ok()));
    let id = config["id"].as_str().unwrap();
    let path = format!("/api/v2/admin/webhooks/configs/{id}");
    desk.acme
        .admin
        .patch(&path, &json!({"url": new.url("/hook")}))
        .await
        .expect(200);
    let posthorn = &desk.admin;

    let replayed = posthorn
        .run(&["replay", id, "--from", "1h", "--json"])
        .await;
    let detached = posthorn
        .run(&[
            "replay", id, "--from", "1h", "--mode", "all", "--detach", "--json",
        ])
        .await;
    let second = detached.documents()[0]["id"].as_str().unwrap().to_owned();
    let watched = posthorn.run(&["replay", "--watch", &second]).await;
    let listed = posthorn
        .run(&["replay", "--list", "--json"])
        .await
        .documents();
    let late = posthorn.run(&["replay", "--cancel", &second]).await;
    let unknown = posthorn
        .run(&["replay", "ep_unknown", "--from", "1h"])
        .await;
    let undated = posthorn.run(&["replay", id]).await;

    let done = replayed.documents();
    assert_eq!(done[0]["state"], "done", "{done:?}");
    assert_eq!(done[0]["done"], 2, "{done:?}");
    assert!(
        replayed.errors.contains("Ctrl-C stops watching"),
        "{replayed:?}"
    );
    assert!(watched.succeeded().contains("2 sent"), "{watched:?}");
    assert_eq!(listed.len(), 2);
    late.failed(1);
    assert!(unknown.failed(1).contains("NOT_FOUND"), "{unknown:?}");
    assert!(undated.failed(2).contains("--from"), "{undated:?}");
    new.wait_for(4, BOUND).await;
}

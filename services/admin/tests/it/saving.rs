//! Savers that meet, repeat themselves, or find what a crash left behind.

use std::collections::BTreeSet;

use domain::draft::url_key;
use jetstream::endpoint_bucket::EndpointBucket;
use serde_json::{Value, json};

use crate::installation::{CONFIGS, Caller, Installation, config};

#[tokio::test]
async fn the_same_body_twice_changes_nothing() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let body = json!([
        {
            "url": "https://a.example/", "events": ["*"],
            "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "headers": {"Authorization": "Bearer hidden-value", "X-A": "b"},
        },
        config("https://b.example/"),
    ]);

    let first = acme.put(CONFIGS, &body).await.expect(200);
    let second = acme.put(CONFIGS, &body).await.expect(200);

    for at in 0..2 {
        assert_eq!(first[at]["id"], second[at]["id"]);
        assert_eq!(first[at]["revision"], second[at]["revision"]);
        assert_eq!(first[at]["updatedAt"], second[at]["updatedAt"]);
    }
    assert!(second[1].get("secret").is_none());
    let other_spelling = json!([config("https://B.example")]);
    let third = acme.put(CONFIGS, &other_spelling).await.expect(200);
    assert_eq!(third[0]["id"], first[1]["id"]);
}

#[tokio::test]
async fn concurrent_creates_of_one_url_make_one_endpoint_at_whichever_replica() {
    let installation = Installation::start().await;
    let replica = installation.replica().await;
    let acme = installation.caller("acme", "admin").await;

    let mut savers = tokio::task::JoinSet::new();
    for n in 0..16 {
        let saver = if n % 2 == 0 {
            acme.clone()
        } else {
            acme.at(&replica)
        };
        let body = json!([{"url": "https://a.example/", "events": ["*"], "maxRetries": n}]);
        savers.spawn(async move { saver.put(CONFIGS, &body).await.expect(200)[0].clone() });
    }
    let saved = savers.join_all().await;

    let ids: BTreeSet<&str> = saved
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 1);
    let told = saved
        .iter()
        .filter(|one| one.get("secret").is_some())
        .count();
    assert_eq!(
        told, 1,
        "the secret is told to the one who made the endpoint"
    );
    assert_eq!(
        acme.get(CONFIGS)
            .await
            .expect(200)
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn what_one_replica_saved_another_shows_at_once() {
    let installation = Installation::start().await;
    let replica = installation.replica().await;
    let acme = installation.caller("acme", "admin").await;

    for n in 0..20 {
        let made = put_one(&acme, &format!("https://{n}.example/")).await;
        let path = format!("{CONFIGS}/{}", made["id"].as_str().unwrap());
        let shown = acme.at(&replica).get(&path).await.expect(200);
        assert_eq!(shown["revision"], made["revision"]);
        acme.at(&replica).delete(&path).await.expect(204);
        acme.get(&path).await.expect(404);
    }
}

#[tokio::test]
async fn a_url_moves_with_its_endpoint() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let body = json!([config("https://a.example/"), config("https://b.example/")]);
    let made = acme.put(CONFIGS, &body).await.expect(200);
    let path = format!("{CONFIGS}/{}", made[0]["id"].as_str().unwrap());

    let taken = acme
        .patch(&path, &json!({"url": "https://b.example"}))
        .await;
    let id = made[0]["id"].clone();
    let taken_by_put = acme
        .put(CONFIGS, &json!([{"id": id, "url": "https://b.example/"}]))
        .await;
    let moved = acme
        .patch(&path, &json!({"url": "https://c.example/"}))
        .await
        .expect(200);
    let at_old_url = put_one(&acme, "https://a.example/").await;
    let at_new_url = put_one(&acme, "https://c.example/").await;

    let message = taken.refused(409, "CONFLICT", "patchWebhookConfig");
    assert_eq!(message, "url: another webhook config has it");
    let message = taken_by_put.refused(409, "CONFLICT", "putWebhookConfigs");
    assert_eq!(message, "[0].url: another webhook config has it");
    assert_eq!(moved["id"], made[0]["id"]);
    assert_ne!(at_old_url["id"], made[0]["id"]);
    assert_eq!(at_new_url["id"], made[0]["id"]);
}

#[tokio::test]
async fn a_deleted_endpoints_url_is_free() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let made = put_one(&acme, "https://a.example/").await;

    acme.delete(&format!("{CONFIGS}/{}", made["id"].as_str().unwrap()))
        .await
        .expect(204);
    let again = put_one(&acme, "https://a.example/").await;

    assert_ne!(again["id"], made["id"]);
    assert!(again.get("secret").is_some());
}

#[tokio::test]
async fn what_a_crash_left_behind_is_completed_or_taken_over() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let bucket = EndpointBucket::open(&installation.broker).await.unwrap();
    let organisation = "acme".parse().unwrap();
    let other = put_one(&acme, "https://other.example/").await;
    let other_id = other["id"].as_str().unwrap().parse().unwrap();
    let claim = async |url: &str, id| {
        bucket
            .claim_url(&organisation, &url_key(url), id)
            .await
            .unwrap();
    };

    // One was to be made, one was to move.
    let crashed = "ep_of_a_crash".parse().unwrap();
    claim("https://made.example/", &crashed).await;
    claim("https://moved.example/", &other_id).await;
    let made = put_one(&acme, "https://made.example/").await;
    let taken_over = put_one(&acme, "https://moved.example/").await;

    assert_eq!(made["id"], "ep_of_a_crash");
    assert_ne!(taken_over["id"], other["id"]);
    assert_eq!(
        acme.get(CONFIGS)
            .await
            .expect(200)
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn concurrent_changes_of_one_endpoint_all_happen() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let made = put_one(&acme, "https://a.example/").await;
    let path = format!("{CONFIGS}/{}", made["id"].as_str().unwrap());

    let changes = [
        json!({"maxRetries": 9}),
        json!({"description": "d"}),
        json!({"timeoutMs": 2000}),
        json!({"maxInFlight": 2}),
    ];
    let mut savers = tokio::task::JoinSet::new();
    for change in changes {
        let (acme, path) = (acme.clone(), path.clone());
        savers.spawn(async move { acme.patch(&path, &change).await.expect(200) });
    }
    savers.join_all().await;

    let config = acme.get(&path).await.expect(200);
    assert_eq!(config["maxRetries"], 9);
    assert_eq!(config["description"], "d");
    assert_eq!(config["timeoutMs"], 2000);
    assert_eq!(config["maxInFlight"], 2);
}

#[tokio::test]
async fn a_save_waits_for_fan_out_and_may_be_repeated() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let laggard = installation.laggard("fan-out").await;
    let body = json!([config("https://a.example/")]);

    let early = acme.put(CONFIGS, &body).await;
    laggard.catch_up();
    let repeated = acme.put(CONFIGS, &body).await.expect(200);

    let message = early.refused(503, "SERVICE_UNAVAILABLE", "putWebhookConfigs");
    assert_eq!(message, "saved, not yet in force everywhere");
    assert_eq!(early.headers["retry-after"], "1");
    let secret = repeated[0]["secret"].as_str();
    assert!(
        secret.is_some_and(|secret| secret.starts_with("whsec_")),
        "{repeated}"
    );
    let third = acme.put(CONFIGS, &body).await.expect(200);
    assert!(third[0].get("secret").is_none());
}

async fn put_one(caller: &Caller, url: &str) -> Value {
    caller.put(CONFIGS, &json!([config(url)])).await.expect(200)[0].clone()
}

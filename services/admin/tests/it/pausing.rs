//! Pausing, resuming and enabling again, and what that does to an endpoint's health.

use domain::{
    health::{Health, Rung, State},
    name::{EndpointId, OrganisationId},
    time::Timestamp,
};
use jetstream::health_bucket::HealthBucket;
use serde_json::{Value, json};

use crate::installation::{CONFIGS, Caller, Installation, config};

#[tokio::test]
async fn a_config_is_paused_and_resumed_and_both_may_be_repeated() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let (_, path) = made(&acme).await;
    let ask = async |action: &str| {
        let reply = acme.post(&format!("{path}/{action}"), &json!(null)).await;
        reply.expect(200)
    };

    let paused = ask("pause").await;
    let again = ask("pause").await;
    let kept = acme.patch(&path, &json!({"description": "d"})).await;
    let resumed = ask("resume").await;

    assert_eq!(paused["isPaused"], true);
    assert_eq!(again["revision"], paused["revision"]);
    assert_eq!(kept.expect(200)["isPaused"], true);
    assert_eq!(resumed["isPaused"], false);
    let health = installation.health(&path).await.unwrap();
    assert!(health.back_since.is_some(), "{health:?}");
}

#[tokio::test]
async fn pausing_is_for_those_who_may_change_configs_of_their_own() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let viewer = installation.caller("acme", "viewer").await;
    let umbra = installation.caller("umbra", "admin").await;
    let (_, path) = made(&acme).await;

    for (action, operation) in [
        ("pause", "pauseWebhookConfig"),
        ("resume", "resumeWebhookConfig"),
    ] {
        let path = format!("{path}/{action}");
        let refused = viewer.post(&path, &json!(null)).await;
        refused.refused(403, "FORBIDDEN", operation);
        let foreign = umbra.post(&path, &json!(null)).await;
        foreign.refused(404, "NOT_FOUND", operation);
    }
}

#[tokio::test]
async fn an_endpoint_that_is_enabled_again_has_a_clean_window() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let (id, path) = made(&acme).await;
    acme.patch(&path, &json!({"isEnabled": false}))
        .await
        .expect(200);
    let bucket = HealthBucket::open(&installation.broker).await.unwrap();
    let broken = Health {
        state: State::Disabled,
        failing_since: Some(Timestamp::from_millis(1)),
        trips: 5,
        ..Health::back(Timestamp::from_millis(1))
    };
    bucket.put(&acme_id(), &id, &broken).await.unwrap();

    acme.patch(&path, &json!({"isEnabled": true}))
        .await
        .expect(200);

    let health = installation.health(&path).await.unwrap();
    assert_eq!(health.state, State::Closed);
    assert_eq!((health.failing_since, health.trips), (None, 0));
    acme.delete(&path).await.expect(204);
    assert_eq!(installation.health(&path).await, None);
}

#[tokio::test]
async fn a_pause_is_answered_when_delivery_knows_it() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let (_, path) = made(&acme).await;
    let laggard = installation.laggard("delivery").await;

    let early = acme.post(&format!("{path}/pause"), &json!(null)).await;
    laggard.catch_up();
    let late = acme.post(&format!("{path}/pause"), &json!(null)).await;

    early.refused(503, "SERVICE_UNAVAILABLE", "pauseWebhookConfig");
    late.expect(200);
}

#[tokio::test]
async fn a_pause_takes_no_endpoint_off_the_ladder() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let (id, path) = made(&acme).await;
    let bucket = HealthBucket::open(&installation.broker).await.unwrap();
    let failing = Health {
        failing_since: Some(Timestamp::from_millis(1)),
        rung: Rung::AboutToBeDisabled,
        ..Health::back(Timestamp::from_millis(1))
    };
    bucket.put(&acme_id(), &id, &failing).await.unwrap();

    for action in ["pause", "resume"] {
        let reply = acme.post(&format!("{path}/{action}"), &json!(null)).await;
        reply.expect(200);
    }

    let health = installation.health(&path).await.unwrap();
    assert_eq!(health.rung, Rung::AboutToBeDisabled);
    assert_eq!(health.failing_since, failing.failing_since);
    assert!(health.back_since > failing.back_since);
}

#[tokio::test]
async fn a_resume_leaves_an_open_breaker_open() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let (id, path) = made(&acme).await;
    let bucket = HealthBucket::open(&installation.broker).await.unwrap();
    let open = Health {
        state: State::Open,
        ..Health::back(Timestamp::from_millis(1))
    };
    bucket.put(&acme_id(), &id, &open).await.unwrap();

    for action in ["pause", "resume"] {
        let reply = acme.post(&format!("{path}/{action}"), &json!(null)).await;
        reply.expect(200);
    }

    assert_eq!(installation.health(&path).await, Some(open));
}

impl Installation {
    async fn health(&self, path: &str) -> Option<Health> {
        let id: EndpointId = path.rsplit('/').next().unwrap().parse().unwrap();
        let bucket = HealthBucket::open(&self.broker).await.unwrap();
        let stored = bucket.get(&acme_id(), &id).await.unwrap();
        stored.map(|stored| stored.health)
    }
}

async fn made(acme: &Caller) -> (EndpointId, String) {
    let made: Value = acme
        .put(CONFIGS, &json!([config("https://a.example/hook")]))
        .await
        .expect(200);
    let id = made[0]["id"].as_str().unwrap();
    (id.parse().unwrap(), format!("{CONFIGS}/{id}"))
}

fn acme_id() -> OrganisationId {
    "acme".parse().unwrap()
}

//! Deliveries: jobs as people see them.

use domain::{
    attempt::{AttemptRecord, Trigger},
    event::BodyHash,
    job_state::{JobState, StateRecord},
    name::JobId,
    outcome::ErrorKind,
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::installation::{Caller, Installation};

const DELIVERIES: &str = "/api/v2/admin/webhooks/deliveries";
const BEGIN_MS: i64 = 1_773_483_705_102;

#[tokio::test]
async fn a_delivery_has_the_form_of_the_contract() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let parked = state("acme", 1, 1);
    let failed = attempt("acme", 1, 2);
    let dead = StateRecord {
        state: JobState::Dead,
        reason: Some("not-retried".to_owned()),
        next_attempt_at: None,
        ..state("acme", 1, 3)
    };
    store(
        &installation,
        std::slice::from_ref(&failed),
        &[parked.clone(), dead.clone()],
    )
    .await;

    let listed = acme.get(DELIVERIES).await.expect(200);
    let one = acme
        .get(&format!("{DELIVERIES}/evt-1:ep_1"))
        .await
        .expect(200);
    let encoded = acme
        .get(&format!("{DELIVERIES}/evt-1%3Aep_1"))
        .await
        .expect(200);

    let row = json!({
        "id": "evt-1:ep_1", "webhookConfigId": "ep_1", "organisationId": "acme", "eventId": "evt-1",
        "eventCategory": "reward", "eventSubCategory": "reward.earned", "state": "failed",
        "reason": "not-retried", "attempts": 1, "lastAttempt": 1,
        "lastAttemptAt": "2026-03-14T10:21:47.102Z", "nextAttemptAt": null, "responseStatus": 400,
        "errorMessage": "HTTP 400: Bad Request", "errorKind": "status",
        "createdAt": "2026-03-14T10:21:46.102Z",
    });
    assert_eq!(listed, json!({"edges": [row], "nextCursor": null}));
    let mut detail = row;
    detail["timeline"] = json!([
        {
            "id": parked.id, "type": "parked", "attempt": 1, "trigger": "auto", "reason": "rate-limit",
            "nextAttemptAt": "2026-03-14T10:21:51.102Z", "createdAt": "2026-03-14T10:21:46.102Z",
        },
        {
            "id": failed.id, "type": "attempt", "attempt": 1, "trigger": "auto", "success": false,
            "responseStatus": 400, "errorMessage": "HTTP 400: Bad Request", "errorKind": "status",
            "durationMs": 12, "nextAttemptAt": null, "createdAt": "2026-03-14T10:21:47.102Z",
        },
        {
            "id": dead.id, "type": "dead", "attempt": 1, "trigger": "auto", "reason": "not-retried",
            "nextAttemptAt": null, "createdAt": "2026-03-14T10:21:48.102Z",
        },
    ]);
    assert_eq!(one, detail);
    assert_eq!(encoded, detail);
}

#[tokio::test]
async fn filters_are_applied() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let mut attempts: Vec<_> = (1..=5).map(|n| attempt("acme", n, n)).collect();
    attempts[0].success = true;
    attempts[1].next_attempt_at = Some(Timestamp::from_millis(BEGIN_MS + 9_000));
    attempts[2].webhook_config_id = "ep_2".parse().unwrap();
    attempts[3].event_sub_category = "other".parse().unwrap();
    store(&installation, &attempts, &[state("acme", 6, 6)]).await;

    for (query, jobs) in [
        ("", vec![6, 5, 4, 3, 2, 1]),
        ("limit=2", vec![6, 5]),
        ("state=pending", vec![6]),
        ("state=retrying", vec![2]),
        ("state=delivered", vec![1]),
        ("state=failed", vec![5, 4, 3]),
        ("state=failed&webhookConfigId=ep_2", vec![3]),
        ("eventSubCategory=other", vec![4]),
        ("eventId=evt-5", vec![5]),
        ("eventId=evt-6", vec![6]),
        ("fromDate=2026-03-14T10:21:50.102Z", vec![6, 5]),
        ("until=2026-03-14T10:21:47.102Z", vec![2, 1]),
        ("state=delivered&eventId=evt-6", vec![]),
    ] {
        assert_eq!(found(&acme, query).await, jobs, "{query}");
    }
}

#[tokio::test]
async fn a_cursor_leads_through_everything() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let attempts: Vec<_> = (1..=4).map(|n| attempt("acme", n, n)).collect();
    let states: Vec<_> = (5..=8).map(|n| state("acme", n, n)).collect();
    store(&installation, &attempts, &states).await;

    let mut seen = Vec::new();
    let mut query = format!("{DELIVERIES}?limit=3");
    loop {
        let page = acme.get(&query).await.expect(200);
        seen.extend(jobs(&page));
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        query = format!("{DELIVERIES}?limit=3&cursor={cursor}");
    }

    assert_eq!(seen, [8, 7, 6, 5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;

    for (query, message) in [
        ("limit=0", "limit: must be a number from 1 to 100"),
        (
            "cursor=x",
            "cursor: must be a nextCursor from an earlier answer",
        ),
        (
            "state=dead",
            "state: must be one of pending, retrying, delivered, failed",
        ),
        (
            "toDate=tomorrow",
            "toDate: must be an RFC 3339 time such as 2026-03-14T10:21:45.102Z",
        ),
        (
            "since=2026-03-14T10:21:45Z&fromDate=2026-03-14T10:21:45Z",
            "since: is given twice, under two names",
        ),
    ] {
        let reply = acme.get(&format!("{DELIVERIES}?{query}")).await;
        let told = reply.refused(400, "BAD_REQUEST", "listWebhookDeliveries");
        assert_eq!(told, message, "{query}");
    }
    let unknown = acme.get(&format!("{DELIVERIES}?skip=1")).await;
    let told = unknown.refused(400, "BAD_REQUEST", "listWebhookDeliveries");
    assert!(told.contains("skip"), "{told}");
}

#[tokio::test]
async fn organisations_do_not_see_each_others_deliveries() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let other = installation.caller("other", "admin").await;
    let mut theirs = attempt("other", 2, 2);
    theirs.webhook_config_id = "ep_2".parse().unwrap();
    store(&installation, &[attempt("acme", 1, 1), theirs], &[]).await;

    assert_eq!(found(&acme, "").await, [1]);
    assert_eq!(found(&other, "").await, [2]);
    assert_eq!(
        found(&installation.operator(), "organisationId=other").await,
        [2]
    );
    for id in ["evt-1:ep_1", "evt-9:ep_1", "no-job", "%ff", "a:%00"] {
        let reply = other.get(&format!("{DELIVERIES}/{id}")).await;
        let told = reply.refused(404, "NOT_FOUND", "getWebhookDelivery");
        assert_eq!(told, "there is no such delivery", "{id}");
    }
    let foreign = acme
        .get(&format!("{DELIVERIES}?organisationId=other"))
        .await;
    foreign.refused(403, "FORBIDDEN", "listWebhookDeliveries");
}

#[tokio::test]
async fn a_viewer_and_a_producer_are_refused() {
    let installation = Installation::start().await;
    store(&installation, &[attempt("acme", 1, 1)], &[]).await;

    for role in ["viewer", "producer"] {
        let caller = installation.caller("acme", role).await;
        let list = caller.get(DELIVERIES).await;
        let one = caller.get(&format!("{DELIVERIES}/evt-1:ep_1")).await;

        list.refused(403, "FORBIDDEN", "listWebhookDeliveries");
        one.refused(403, "FORBIDDEN", "getWebhookDelivery");
    }
    let stranger = installation.stranger().get(DELIVERIES).await;
    stranger.refused(401, "UNAUTHORIZED", "listWebhookDeliveries");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_as_that() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    installation.store.close().await;

    let list = acme.get(DELIVERIES).await;
    let one = acme.get(&format!("{DELIVERIES}/evt-1:ep_1")).await;

    list.refused(503, "SERVICE_UNAVAILABLE", "listWebhookDeliveries");
    one.refused(503, "SERVICE_UNAVAILABLE", "getWebhookDelivery");
}

async fn store(installation: &Installation, attempts: &[AttemptRecord], states: &[StateRecord]) {
    installation.store.write(attempts).await.unwrap();
    installation.store.write_states(states).await.unwrap();
}

/// Returns the numbers of the jobs on the first page.
async fn found(caller: &Caller, query: &str) -> Vec<u64> {
    let page = caller
        .get(&format!("{DELIVERIES}?{query}"))
        .await
        .expect(200);
    jobs(&page)
}

fn jobs(page: &Value) -> Vec<u64> {
    let number = |edge: &Value| {
        let event = edge["eventId"].as_str().unwrap();
        event.strip_prefix("evt-").unwrap().parse().unwrap()
    };
    page["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(number)
        .collect()
}

/// A first attempt of a job, `n` seconds after the beginning, that failed for good.
fn attempt(organisation: &str, job: u32, n: u32) -> AttemptRecord {
    AttemptRecord {
        id: format!("{organisation}-attempt-{n}"),
        webhook_config_id: "ep_1".parse().unwrap(),
        organisation_id: organisation.parse().unwrap(),
        job_id: job_id(job),
        event_id: format!("evt-{job}").parse().unwrap(),
        event_category: Some("reward".to_owned()),
        event_sub_category: "reward.earned".parse().unwrap(),
        body_hash: BodyHash::of(b"{}"),
        url: "https://a.example/".to_owned(),
        http_method: "POST".to_owned(),
        request_headers: Vec::new(),
        response_status: Some(400),
        response_headers: None,
        response_body: None,
        response_body_encoding: None,
        attempt: 1,
        trigger: Trigger::Auto,
        success: false,
        error_message: Some("HTTP 400: Bad Request".to_owned()),
        error_kind: Some(ErrorKind::Status),
        duration_ms: 12,
        next_attempt_at: None,
        trace_id: "t".to_owned(),
        created_at: Timestamp::from_millis(BEGIN_MS + i64::from(n) * 1_000),
    }
}

/// A parking of a job before its first attempt, `n` seconds after the beginning.
fn state(organisation: &str, job: u32, n: u32) -> StateRecord {
    let attempt = attempt(organisation, job, n);
    StateRecord {
        id: format!("{organisation}-state-{n}"),
        organisation_id: attempt.organisation_id,
        webhook_config_id: attempt.webhook_config_id,
        job_id: attempt.job_id,
        event_id: attempt.event_id,
        event_category: attempt.event_category,
        event_sub_category: attempt.event_sub_category,
        body_hash: attempt.body_hash,
        attempt: 1,
        trigger: Trigger::Auto,
        state: JobState::Parked,
        reason: Some("rate-limit".to_owned()),
        next_attempt_at: Some(Timestamp::from_millis(attempt.created_at.millis() + 5_000)),
        created_at: attempt.created_at,
    }
}

fn job_id(job: u32) -> JobId {
    format!("evt-{job}:ep_1").parse().unwrap()
}

//! The log of attempts.

use attempt_store::ArchivedEvent;
use bytes::Bytes;
use domain::{
    attempt::{AttemptRecord, BodyEncoding, Trigger},
    content::Content,
    event::BodyHash,
    name::JobId,
    organisation::Sweep,
    outcome::ErrorKind,
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::installation::{Caller, Installation, LOGS};

const BODY: &str = "{\"id\": \"evt-1\",  \"n\": 1.0}";
const BEGIN_MS: i64 = 1_773_483_705_102;

#[tokio::test]
async fn a_record_has_the_form_of_the_contract() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let mut failed = record("acme", 1);
    failed.response_body_encoding = Some(BodyEncoding::Base64);
    failed.response_body = Some("//4=".to_owned());
    installation.store.write(&[failed.clone()]).await.unwrap();

    let not_archived = acme.get(&format!("{LOGS}/{}", failed.id)).await.expect(200);
    installation.store.archive(&[event("acme")]).await.unwrap();
    let reply = acme.get(&format!("{LOGS}/{}", failed.id)).await;

    assert_eq!(not_archived["requestBody"], Value::Null);
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(text.contains(&format!("\"requestBody\":{BODY}")), "{text}");
    assert_eq!(
        reply.expect(200),
        json!({
            "id": failed.id, "webhookConfigId": "ep_1", "organisationId": "acme",
            "jobId": "evt-1:ep_1", "eventId": "evt-1", "eventCategory": "reward",
            "eventSubCategory": "reward.earned", "url": "https://a.example/", "httpMethod": "POST",
            "requestHeaders": {"authorization": "Bearer ***", "accept": "a, b"},
            "requestBody": {"id": "evt-1", "n": 1.0},
            "responseStatus": 500, "responseHeaders": {"server": "x"}, "responseBody": "//4=",
            "responseBodyEncoding": "base64", "attempt": 1, "trigger": "auto", "success": false,
            "errorMessage": "HTTP 500: Internal Server Error", "errorKind": "status",
            "durationMs": 12, "nextAttemptAt": "2026-03-14T10:21:50.102Z", "traceId": "t",
            "createdAt": "2026-03-14T10:21:46.102Z",
        })
    );
}

#[tokio::test]
async fn pages_filters_and_orders_are_applied() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let mut records: Vec<_> = (1..=12).map(|n| record("acme", n)).collect();
    records[4].success = true;
    records[4].response_status = Some(204);
    records[5].event_sub_category = "other".parse().unwrap();
    records[6].webhook_config_id = "ep_2".parse().unwrap();
    records[7].event_id = "evt-2".parse().unwrap();
    installation.store.write(&records).await.unwrap();

    assert_eq!(found(&acme, "").await, (12, (3..=12).rev().collect()));
    assert_eq!(found(&acme, "sort=createdAt&limit=3").await.1, [1, 2, 3]);
    assert_eq!(
        found(&acme, "sort=createdAt&limit=3&skip=3").await.1,
        [4, 5, 6]
    );
    for (query, attempts) in [
        ("success=true", vec![5]),
        ("responseStatus=204", vec![5]),
        ("eventSubCategory=other", vec![6]),
        ("webhookConfigId=ep_2", vec![7]),
        ("eventId=evt-2", vec![8]),
        ("attempt=9", vec![9]),
        ("fromDate=2026-03-14T10:21:56.102Z", vec![12, 11]),
        ("since=2026-03-14T12:21:57.102%2B02:00", vec![12]),
        ("toDate=2026-03-14T10:21:47.102Z", vec![2, 1]),
        ("success=false&attempt=5", vec![]),
        ("&&attempt=1&", vec![1]),
    ] {
        assert_eq!(found(&acme, query).await.1, attempts, "{query}");
    }
}

#[tokio::test]
async fn a_cursor_leads_through_everything() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let records: Vec<_> = (1..=7).map(|n| record("acme", n)).collect();
    installation.store.write(&records).await.unwrap();

    let mut seen = Vec::new();
    let mut query = format!("{LOGS}?limit=3");
    loop {
        let page = acme.get(&query).await.expect(200);
        seen.extend(attempts(&page));
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        query = format!("{LOGS}?limit=3&cursor={cursor}");
    }

    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn who_follows_settled_records_misses_none_that_comes_late() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let mut met = Vec::new();
    let mut cursor: Option<String> = None;
    let mut follow = async || {
        let behind = cursor.as_ref().map(|cursor| format!("&cursor={cursor}"));
        let query = format!(
            "{LOGS}?settled=true&sort=createdAt&limit=2{}",
            behind.unwrap_or_default()
        );
        let page = acme.get(&query).await.expect(200);
        cursor = page["nextCursor"]
            .as_str()
            .map(str::to_owned)
            .or(cursor.take());
        attempts(&page)
    };
    let ago = |n: u32, seconds: i64| AttemptRecord {
        created_at: Timestamp::from_millis(now_ms() - seconds * 1_000),
        ..record("acme", n)
    };

    met.extend(follow().await);
    installation
        .store
        .write(&[ago(1, 500), ago(3, 10)])
        .await
        .unwrap();
    met.extend(follow().await);
    met.extend(follow().await);
    // What began before what was shown, and was settled, never comes; what began after it may.
    installation.store.write(&[ago(2, 300)]).await.unwrap();
    met.extend(follow().await);
    met.extend(follow().await);

    assert_eq!(met, [1, 2]);
    assert_eq!(found(&acme, "sort=createdAt").await.1, [1, 2, 3]);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;

    for (query, message) in [
        ("limit=101", "limit: must be a number from 1 to 100"),
        ("skip=1&cursor=1.a", "cursor: must not be given beside skip"),
        (
            "cursor=x",
            "cursor: must be a nextCursor from an earlier answer",
        ),
        ("sort=url", "sort: must be createdAt or -createdAt"),
        ("success=maybe", "success: must be true or false"),
        ("settled=true", "settled: needs the order sort=createdAt"),
        (
            "responseStatus=abc",
            "responseStatus: must be a number from 100 to 999",
        ),
        (
            "fromDate=yesterday",
            "fromDate: must be an RFC 3339 time such as 2026-03-14T10:21:45.102Z",
        ),
        (
            "fromDate=2026-03-14T10:00:00Z&startDate=2026-03-14T10:00:00Z",
            "startDate: is given twice, under two names",
        ),
    ] {
        let reply = acme.get(&format!("{LOGS}?{query}")).await;
        assert_eq!(
            reply.refused(400, "BAD_REQUEST", "listWebhookLogs"),
            message
        );
    }
    let unknown = acme.get(&format!("{LOGS}?colour=red")).await;
    let message = unknown.refused(400, "BAD_REQUEST", "listWebhookLogs");
    assert!(message.contains("colour"), "{message}");
}

#[tokio::test]
async fn organisations_and_roles_are_kept_apart() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let umbra = installation.caller("umbra", "admin").await;
    let viewer = installation.caller("acme", "viewer").await;
    let theirs = record("umbra", 1);
    installation
        .store
        .write(&[record("acme", 1), theirs.clone()])
        .await
        .unwrap();
    let path = format!("{LOGS}/{}", theirs.id);

    acme.get(&path)
        .await
        .refused(404, "NOT_FOUND", "getWebhookLog");
    umbra.get(&path).await.expect(200);
    assert_eq!(found(&acme, "").await.0, 1);
    viewer
        .get(LOGS)
        .await
        .refused(403, "FORBIDDEN", "listWebhookLogs");
    viewer
        .get(&path)
        .await
        .refused(403, "FORBIDDEN", "getWebhookLog");
    let operator = installation.operator();
    let by_operator = operator
        .get(&format!("{path}?organisationId=umbra"))
        .await
        .expect(200);
    assert_eq!(by_operator["organisationId"], "umbra");
}

#[tokio::test]
async fn a_body_that_has_expired_is_told_from_one_that_was_never_there() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let (old, young) = (record("acme", 1), record("acme", 60));
    let records = [old.clone(), young.clone()];
    installation.store.write(&records).await.unwrap();
    installation.store.archive(&[event("acme")]).await.unwrap();
    let sweep = Sweep {
        from: Timestamp::from_millis(0),
        before: young.created_at,
    };
    let organisation = "acme".parse().unwrap();
    installation
        .store
        .expire_bodies(&organisation, sweep)
        .await
        .unwrap();

    let shown = acme.get(&format!("{LOGS}/{}", old.id)).await.expect(200);
    let kept = acme.get(&format!("{LOGS}/{}", young.id)).await.expect(200);

    assert_eq!(shown["requestBody"], Value::Null);
    assert_eq!(shown["responseBody"], Value::Null);
    assert_eq!(shown["responseStatus"], 500);
    assert_eq!(
        (&shown["requestBodyExpired"], &shown["responseBodyExpired"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        (&kept["requestBodyExpired"], &kept["responseBody"]),
        (&json!(true), &json!("no"))
    );
    assert!(kept.get("responseBodyExpired").is_none());
}

/// Returns the total and the attempt numbers of a page.
async fn found(caller: &Caller, query: &str) -> (u64, Vec<u64>) {
    let page = caller.get(&format!("{LOGS}?{query}")).await.expect(200);
    (page["totalCount"].as_u64().unwrap(), attempts(&page))
}

fn attempts(page: &Value) -> Vec<u64> {
    let edges = page["edges"].as_array().unwrap();
    edges
        .iter()
        .map(|record| record["attempt"].as_u64().unwrap())
        .collect()
}

/// Makes a record whose time is `n` seconds after the begin.
fn record(organisation: &str, n: u32) -> AttemptRecord {
    let event = "evt-1".parse().unwrap();
    let endpoint = "ep_1".parse().unwrap();
    AttemptRecord {
        id: format!("{organisation}{n:026}"),
        job_id: JobId::of(&event, &endpoint),
        webhook_config_id: endpoint,
        organisation_id: organisation.parse().unwrap(),
        event_id: event,
        event_category: Some("reward".to_owned()),
        event_sub_category: "reward.earned".parse().unwrap(),
        body_hash: BodyHash::of(BODY.as_bytes()),
        url: "https://a.example/".to_owned(),
        http_method: "POST".to_owned(),
        request_headers: [
            ("authorization", "Bearer ***"),
            ("accept", "a"),
            ("accept", "b"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        response_status: Some(500),
        response_headers: Some(vec![("server".to_owned(), "x".to_owned())]),
        response_body: Some("no".to_owned()),
        response_body_encoding: None,
        attempt: n,
        trigger: Trigger::Auto,
        success: false,
        error_message: Some("HTTP 500: Internal Server Error".to_owned()),
        error_kind: Some(ErrorKind::Status),
        duration_ms: 12,
        next_attempt_at: Some(Timestamp::from_millis(BEGIN_MS + 5_000)),
        trace_id: "t".to_owned(),
        created_at: Timestamp::from_millis(BEGIN_MS + i64::from(n) * 1_000),
    }
}

fn event(organisation: &str) -> ArchivedEvent {
    ArchivedEvent {
        organisation: organisation.parse().unwrap(),
        id: "evt-1".parse().unwrap(),
        hash: BodyHash::of(BODY.as_bytes()),
        name: "reward.earned".parse().unwrap(),
        category: None,
        source_id: None,
        content: Content::default(),
        body: Bytes::from_static(BODY.as_bytes()),
        accepted_at: Timestamp::from_millis(BEGIN_MS),
    }
}

fn now_ms() -> i64 {
    lifecycle::clock::now_ms()
}

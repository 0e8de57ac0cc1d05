//! Figures about one config.

use domain::{
    attempt::{AttemptRecord, Trigger},
    event::BodyHash,
    health::{Health, State},
    name::{EndpointId, JobId},
    time::Timestamp,
};
use jetstream::health_bucket::HealthBucket;
use serde_json::{Value, json};

use crate::installation::{CONFIGS, Caller, Installation, config};

const BEGIN: &str = "2026-03-14T00:00:00.000Z";

#[tokio::test]
async fn the_figures_of_a_window_are_exact() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = registered(&acme).await;
    // Four an hour; each tenth fails, and the last of all waits for another attempt.
    let mut records: Vec<_> = (0..96).map(|n| record(&id, n)).collect();
    for failed in records.iter_mut().step_by(10) {
        failed.success = false;
        failed.response_status = Some(500);
    }
    records[95].success = false;
    records[95].next_attempt_at = Some(Timestamp::from_millis(records[95].created_at.millis() + 1));
    installation.store.write(&records).await.unwrap();

    let query = "since=2026-03-14T00:00:00Z&until=2026-03-15T00:00:00Z";
    let stats = acme.get(&stats_of(&id, query)).await.expect(200);

    let mut series = Vec::new();
    for hour in 0..24_u32 {
        let of_hour = || hour * 4..hour * 4 + 4;
        let failed = of_hour().filter(|n| n % 10 == 0 || *n == 95).count();
        let at = format!("2026-03-14T{hour:02}:00:00.000Z");
        series.push(json!({"at": at, "succeeded": 4 - failed, "failed": failed}));
    }
    assert_eq!(
        stats,
        json!({
            "webhookConfigId": id, "since": BEGIN, "until": "2026-03-15T00:00:00.000Z",
            "attempts": 96, "succeeded": 85, "failed": 11, "successRate": 0.8854,
            "durationMs": {"p50": 47, "p95": 91, "p99": 95}, "isComplete": true,
            "stepMs": 3_600_000, "series": series, "breaker": "closed",
            "waitingJobs": 1, "waitingJobsIsComplete": true,
            "lastAttemptAt": "2026-03-14T23:45:00.000Z", "lastSuccessAt": "2026-03-14T23:30:00.000Z",
        })
    );
}

#[tokio::test]
async fn a_config_that_was_never_called_has_figures_too() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "viewer").await;
    let id = registered(&installation.caller("acme", "admin").await).await;

    let stats = acme.get(&stats_of(&id, "window=1h")).await.expect(200);

    for (field, expected) in [
        ("attempts", json!(0)),
        ("successRate", Value::Null),
        ("durationMs", Value::Null),
        ("isComplete", json!(true)),
        ("stepMs", json!(300_000)),
        ("waitingJobs", json!(0)),
        ("lastAttemptAt", Value::Null),
        ("lastSuccessAt", Value::Null),
    ] {
        assert_eq!(stats[field], expected, "{field}");
    }
    assert_eq!(stats["series"].as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn the_breaker_is_shown_as_it_is() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = registered(&acme).await;
    let (organisation, endpoint): (_, EndpointId) = ("acme".parse().unwrap(), id.parse().unwrap());
    let bucket = HealthBucket::open(&installation.broker).await.unwrap();
    let now = Timestamp::from_millis(lifecycle::clock::now_ms());
    let in_a_minute = Timestamp::from_millis(now.millis() + 60_000);
    let open = Health {
        state: State::Open,
        probe_at: Some(in_a_minute),
        ..Health::back(now)
    };
    let probed = Health {
        is_probing: true,
        ..open.clone()
    };
    let due = Health {
        probe_at: Some(now),
        ..open.clone()
    };

    for (health, shown) in [
        (open, "open"),
        (probed, "half-open"),
        (due, "half-open"),
        (Health::back(now), "closed"),
    ] {
        bucket.put(&organisation, &endpoint, &health).await.unwrap();
        let stats = acme.get(&stats_of(&id, "")).await.expect(200);
        assert_eq!(stats["breaker"], shown, "{health:?}");
    }
}

#[tokio::test]
async fn figures_are_their_organisations_alone_and_wrong_windows_are_named() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let umbra = installation.caller("umbra", "admin").await;
    let id = registered(&acme).await;
    const OPERATION: &str = "getWebhookConfigStats";

    let foreign = umbra.get(&stats_of(&id, "")).await;
    foreign.refused(404, "NOT_FOUND", OPERATION);
    let unknown = acme.get(&stats_of("ep_unknown", "")).await;
    unknown.refused(404, "NOT_FOUND", OPERATION);
    for (query, message) in [
        ("window=32d", "window: must be from a minute to 31 days"),
        (
            "window=1",
            "window: must be a number with m, h or d, such as 24h",
        ),
        (
            "window=1h&since=2026-03-14T00:00:00Z",
            "window: must not be given beside since",
        ),
        (
            "until=never",
            "until: must be an RFC 3339 time such as 2026-03-14T10:21:45.102Z",
        ),
    ] {
        let reply = acme.get(&stats_of(&id, query)).await;
        assert_eq!(reply.refused(400, "BAD_REQUEST", OPERATION), message);
    }
}

fn stats_of(id: &str, query: &str) -> String {
    format!("{CONFIGS}/{id}/stats?{query}")
}

async fn registered(caller: &Caller) -> String {
    let wanted = json!([config("https://a.example/")]);
    let made = caller.put(CONFIGS, &wanted).await.expect(200);
    made[0]["id"].as_str().unwrap().to_owned()
}

/// An attempt of a job of its own, `n` quarters of an hour after the begin, that took `n` milliseconds.
fn record(endpoint: &str, n: u32) -> AttemptRecord {
    let event = format!("evt-{n}").parse().unwrap();
    let endpoint = endpoint.parse().unwrap();
    let begin = Timestamp::parse(BEGIN).unwrap().millis();
    AttemptRecord {
        id: format!("record-{n}"),
        job_id: JobId::of(&event, &endpoint),
        webhook_config_id: endpoint,
        organisation_id: "acme".parse().unwrap(),
        event_id: event,
        event_category: None,
        event_sub_category: "reward.earned".parse().unwrap(),
        body_hash: BodyHash::of(b"{}"),
        url: "https://a.example/".to_owned(),
        http_method: "POST".to_owned(),
        request_headers: Vec::new(),
        response_status: Some(200),
        response_headers: None,
        response_body: None,
        response_body_encoding: None,
        attempt: 1,
        trigger: Trigger::Auto,
        success: true,
        error_message: None,
        error_kind: None,
        duration_ms: n,
        next_attempt_at: None,
        trace_id: "t".to_owned(),
        created_at: Timestamp::from_millis(begin + i64::from(n) * 900_000),
    }
}

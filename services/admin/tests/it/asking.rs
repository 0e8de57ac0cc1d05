//! Attempts that people ask for: of log records, and tests.

use attempt_store::ArchivedEvent;
use bytes::Bytes;
use domain::{
    attempt::{AttemptRecord, Trigger},
    content::Content,
    event::BodyHash,
    job::{Job, Run},
    name::JobId,
    outcome::ErrorKind,
    time::Timestamp,
};
use jetstream::test_send::{Answer, Asked, Requests, Sent};
use serde_json::{Value, json};

use crate::{
    dead_letters::{record, waiting},
    installation::{CONFIGS, Caller, Installation, LOGS, Reply, config},
};

const BODY: &str = "{\"id\": \"evt-1\",  \"n\": 1.0}";

#[tokio::test]
async fn a_retried_record_is_one_more_attempt_of_its_job_with_the_same_bytes() {
    let (installation, acme, endpoint) = installation().await;
    let (first, second) = (
        record(&job(&endpoint), 1, true),
        record(&job(&endpoint), 2, false),
    );
    installation
        .store
        .write(&[first.clone(), second])
        .await
        .unwrap();
    installation.store.archive(&[event()]).await.unwrap();

    let once = retry(&acme, &first, &json!({})).await;
    let anew = retry(&acme, &first, &json!({"withRetries": true})).await;

    assert_eq!(
        once.expect(202),
        json!({"jobId": first.job_id, "attempt": 3})
    );
    assert_eq!(anew.expect(202)["attempt"], 3);
    let jobs = waiting(&installation).await;
    let runs: Vec<_> = jobs.iter().map(|(job, _)| job.run).collect();
    assert_eq!(runs, [Run::Once, Run::Policy]);
    let (job, body) = &jobs[0];
    assert_eq!(body, BODY);
    assert_eq!((job.attempt, job.trigger), (3, Trigger::Manual));
    assert_eq!(job.accepted_at, event().accepted_at);
    let saved = acme.get(&format!("{CONFIGS}/{endpoint}")).await.expect(200);
    assert_eq!(saved["revision"], job.revision);
    let messages = installation
        .server
        .client()
        .await
        .messages("posthorn_RETRIES")
        .await;
    let parent = messages[0].header("traceparent").unwrap();
    assert!(parent.contains(&first.trace_id), "{parent}");
}

#[tokio::test]
async fn a_body_that_is_on_its_way_is_told_from_one_that_has_expired() {
    let (installation, acme, endpoint) = installation().await;
    let first = record(&job(&endpoint), 1, true);
    installation
        .store
        .write(std::slice::from_ref(&first))
        .await
        .unwrap();

    let expired = retry(&acme, &first, &json!({})).await;
    let client = installation.server.client().await;
    client
        .publish("posthorn.events.acme.reward.earned", &[], BODY)
        .await
        .unwrap();
    let coming = retry(&acme, &first, &json!({})).await;

    let told = expired.refused(409, "CONFLICT", "retryWebhookLog");
    assert_eq!(told, "the event's body is no longer kept");
    let told = coming.refused(503, "SERVICE_UNAVAILABLE", "retryWebhookLog");
    assert_eq!(told, "not archived yet, repeat the request");
    assert!(coming.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn what_can_not_be_retried_says_why() {
    let (installation, acme, endpoint) = installation().await;
    let mut test = record(&job(&endpoint), 1, true);
    test.trigger = Trigger::Test;
    let mut orphan = record(&job("ep_gone"), 2, true);
    orphan.id = "orphan".to_owned();
    let mut idle = record(&job(&endpoint), 3, true);
    idle.id = "idle".to_owned();
    let records = [test.clone(), orphan.clone(), idle.clone()];
    installation.store.write(&records).await.unwrap();
    installation.store.archive(&[event()]).await.unwrap();
    let disabled = json!({"isEnabled": false});
    acme.patch(&format!("{CONFIGS}/{endpoint}"), &disabled)
        .await
        .expect(200);

    for (record, message) in [
        (&test, "a test is not retried: send another one"),
        (&orphan, "the webhook config is deleted"),
        (&idle, "the webhook config is disabled: enable it first"),
    ] {
        let reply = retry(&acme, record, &json!({})).await;
        assert_eq!(reply.refused(409, "CONFLICT", "retryWebhookLog"), message);
    }
    let umbra = installation.caller("umbra", "admin").await;
    retry(&umbra, &idle, &json!({}))
        .await
        .refused(404, "NOT_FOUND", "retryWebhookLog");
    let viewer = installation.caller("acme", "viewer").await;
    retry(&viewer, &idle, &json!({}))
        .await
        .refused(403, "FORBIDDEN", "retryWebhookLog");
    let unknown = retry(&acme, &idle, &json!({"withRetry": true})).await;
    unknown.refused(400, "BAD_REQUEST", "retryWebhookLog");
    assert_eq!(waiting(&installation).await.len(), 0);
}

#[tokio::test]
async fn a_test_is_a_complete_event_and_its_answer_is_what_came_back() {
    let (installation, acme, endpoint) = installation().await;
    let sent = Sent {
        log_id: "019a".to_owned(),
        success: false,
        response_status: Some(500),
        response_body: Some("no".to_owned()),
        response_body_encoding: None,
        error_kind: Some(ErrorKind::Status),
        error_message: Some("HTTP 500: Internal Server Error".to_owned()),
        duration_ms: 12,
    };
    let usual = json!(null);
    let own = json!({"eventSubCategory": "a.b", "payload": {"n": 1.5}});

    let (asked, reply) = test(&installation, &acme, &endpoint, &usual, sent.clone()).await;
    assert_eq!(
        reply.expect(200),
        json!({
            "success": false, "responseStatus": 500, "responseBody": "no", "errorKind": "status",
            "errorMessage": "HTTP 500: Internal Server Error", "durationMs": 12, "logId": "019a",
        })
    );
    let event: Value = serde_json::from_slice(&asked.body).unwrap();
    assert!(
        event["id"].as_str().unwrap().starts_with("test-"),
        "{event}"
    );
    assert!(event["createdAt"].is_string(), "{event}");
    assert_eq!(event["organisationId"], "acme");
    assert_eq!(event["eventSubCategory"], "reward.earned");
    assert_eq!(event["payload"], json!({"test": true}));
    let job = asked.job;
    assert_eq!(
        (job.attempt, job.trigger, job.run),
        (1, Trigger::Test, Run::Once)
    );
    assert_eq!(
        (job.endpoint.as_str(), job.body_hash),
        (endpoint.as_str(), BodyHash::of(&asked.body))
    );
    let (asked, _) = test(&installation, &acme, &endpoint, &own, sent).await;
    assert_eq!(asked.job.name.as_str(), "a.b");
    let text = String::from_utf8(asked.body.to_vec()).unwrap();
    assert!(text.contains("\"payload\":{\"n\":1.5}"), "{text}");
}

#[tokio::test]
async fn a_test_that_nobody_sends_is_not_answered_as_one_that_failed() {
    let (installation, acme, endpoint) = installation().await;
    let path = format!("{CONFIGS}/{endpoint}/test");

    let nobody = acme.post(&path, &json!({})).await;
    let busy = answered(&installation, &acme, &path, Answer::Busy).await;
    let reason = "key 7 of the keyring".to_owned();
    let unable = answered(&installation, &acme, &path, Answer::NotSent { reason }).await;

    let told = nobody.refused(503, "SERVICE_UNAVAILABLE", "testWebhookConfig");
    assert_eq!(told, "the test was not sent, repeat the request");
    busy.refused(429, "TOO_MANY_REQUESTS", "testWebhookConfig");
    let told = unable.refused(503, "SERVICE_UNAVAILABLE", "testWebhookConfig");
    assert_eq!(told, "the test was not sent, repeat the request");
}

#[tokio::test]
async fn a_test_is_refused_before_anybody_is_asked() {
    let (installation, acme, endpoint) = installation().await;
    let path = format!("{CONFIGS}/{endpoint}/test");
    let umbra = installation.caller("umbra", "admin").await;
    let viewer = installation.caller("acme", "viewer").await;

    umbra
        .post(&path, &json!({}))
        .await
        .refused(404, "NOT_FOUND", "testWebhookConfig");
    viewer
        .post(&path, &json!({}))
        .await
        .refused(403, "FORBIDDEN", "testWebhookConfig");
    for (body, message) in [
        (json!({"eventSubCategory": "a b"}), "eventSubCategory: "),
        (json!({"event": "a"}), "event: unknown field"),
        (
            json!({"payload": deep(200)}),
            "payload: the event must be nested at most 128 deep",
        ),
    ] {
        let reply = acme.post(&path, &body).await;
        let told = reply.refused(400, "BAD_REQUEST", "testWebhookConfig");
        assert!(told.starts_with(message), "{told}");
    }
    let large = format!("{{\"payload\":\"{}\"}}", "x".repeat(1_048_500));
    let reply = acme.send(http::Method::POST, &path, &[], large).await;
    let told = reply.refused(400, "BAD_REQUEST", "testWebhookConfig");
    assert!(
        told.starts_with("payload: the event must be at most"),
        "{told}"
    );
}

/// Has one test sent that delivery answers so; returns what delivery got, and the API's answer.
async fn test(
    installation: &Installation,
    caller: &Caller,
    endpoint: &str,
    body: &Value,
    sent: Sent,
) -> (Got, Reply) {
    let mut delivery = Requests::listen(&installation.broker).await.unwrap();
    let path = format!("{CONFIGS}/{endpoint}/test");
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answering = async {
        let Asked {
            job, body, reply, ..
        } = delivery.next().await.unwrap();
        reply.send(&Answer::Sent(Box::new(sent))).await;
        Got { job, body }
    };
    let asking = caller.send(http::Method::POST, &path, &[], text);
    let both = futures::future::join(answering, asking).await;
    delivery.stop().await;
    installation.broker.flush().await;
    both
}

async fn answered(
    installation: &Installation,
    caller: &Caller,
    path: &str,
    answer: Answer,
) -> Reply {
    let mut delivery = Requests::listen(&installation.broker).await.unwrap();
    let answering = async { delivery.next().await.unwrap().reply.send(&answer).await };
    let ((), reply) = futures::future::join(answering, caller.post(path, &json!({}))).await;
    delivery.stop().await;
    installation.broker.flush().await;
    reply
}

/// What delivery was asked to send.
struct Got {
    job: Job,
    body: Bytes,
}

async fn retry(caller: &Caller, record: &AttemptRecord, body: &Value) -> Reply {
    caller
        .post(&format!("{LOGS}/{}/retry", record.id), body)
        .await
}

fn deep(levels: u32) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

/// Starts the service with an organisation that has one endpoint, and returns the endpoint's id.
async fn installation() -> (Installation, Caller, String) {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let saved = acme
        .put(CONFIGS, &json!([config("http://127.0.0.1:9/")]))
        .await
        .expect(200);
    let id = saved[0]["id"].as_str().unwrap().to_owned();
    (installation, acme, id)
}

fn event() -> ArchivedEvent {
    ArchivedEvent {
        organisation: "acme".parse().unwrap(),
        id: "evt-1".parse().unwrap(),
        hash: BodyHash::of(BODY.as_bytes()),
        name: "reward.earned".parse().unwrap(),
        category: None,
        source_id: None,
        content: Content::default(),
        body: Bytes::from_static(BODY.as_bytes()),
        accepted_at: Timestamp::from_millis(1_773_483_705_102),
    }
}

fn job(endpoint: &str) -> Job {
    let (endpoint, event) = (endpoint.parse().unwrap(), "evt-1".parse().unwrap());
    Job {
        id: JobId::of(&event, &endpoint),
        organisation: "acme".parse().unwrap(),
        endpoint,
        revision: 1,
        event,
        name: "reward.earned".parse().unwrap(),
        category: None,
        content: Content::default(),
        body_hash: BodyHash::of(BODY.as_bytes()),
        accepted_at: Timestamp::from_millis(1),
        attempt: 1,
        retry: 0,
        hold: 0,
        due: None,
        trigger: Trigger::Auto,
        run: Run::Policy,
        request: None,
    }
}

//! Dead letters: listed, read, retried and deleted.

use bytes::Bytes;
use domain::{
    attempt::{AttemptRecord, Trigger},
    content::Content,
    event::BodyHash,
    job::{Job, Run},
    name::JobId,
    retry::Reason,
    time::Timestamp,
};
use futures::future::join_all;
use jetstream::{
    dead_letter::dead_letter,
    publisher::Publisher,
    retry_lane::Cargo,
    wire::{self, TraceHeaders},
};
use serde_json::{Value, json};

use crate::installation::{CONFIGS, Caller, Installation, config};

pub(crate) const LETTERS: &str = "/api/v2/admin/webhooks/dead-letters";
const BODY: &str = "{\"id\": \"evt-1\",  \"n\": 1.0}";
const BEGIN_MS: i64 = 1_773_483_705_102;

#[tokio::test]
async fn a_dead_letter_has_the_form_of_the_contract() {
    let (installation, acme, endpoint) = installation().await;
    let job = job(&endpoint, "evt-1", 4);
    die(&installation, &job, Reason::Exhausted).await;

    let list = acme.get(LETTERS).await.expect(200);
    let reply = acme.get(&format!("{LETTERS}/1")).await;

    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(text.contains(&format!("\"requestBody\":{BODY}")), "{text}");
    let mut letter = reply.expect(200);
    let (created, expires) = (time(&letter["createdAt"]), time(&letter["expiresAt"]));
    assert_eq!(expires.millis() - created.millis(), 30 * 86_400_000);
    let expected = json!({
        "id": "1", "jobId": job.id, "webhookConfigId": endpoint, "organisationId": "acme",
        "eventId": "evt-1", "eventCategory": "reward", "eventSubCategory": "reward.earned",
        "reason": "exhausted", "errorMessage": "HTTP 500: Internal Server Error", "attempt": 4,
        "delivered": false, "createdAt": letter["createdAt"], "expiresAt": letter["expiresAt"],
    });
    assert_eq!(
        list,
        json!({"totalCount": 1, "edges": [expected], "nextCursor": null})
    );
    letter.as_object_mut().unwrap().remove("requestBody");
    assert_eq!(letter, expected);
}

#[tokio::test]
async fn filters_and_pages_are_applied_and_the_oldest_come_first() {
    let (installation, acme, endpoint) = installation().await;
    for n in 1..=5 {
        die(
            &installation,
            &job(&endpoint, &format!("evt-{n}"), n),
            Reason::Gone,
        )
        .await;
    }
    let mut other = job(&endpoint, "evt-6", 1);
    other.name = "a.b".parse().unwrap();
    die(&installation, &other, Reason::Exhausted).await;
    let elsewhere = job("ep_other", "evt-7", 1);
    die(&installation, &elsewhere, Reason::Exhausted).await;

    assert_eq!(found(&acme, "").await, (Some(7), ids(1..=7)));
    for (query, total, letters) in [
        (format!("webhookConfigId={endpoint}"), Some(6), ids(1..=6)),
        ("eventId=evt-3".to_owned(), None, ids(3..=3)),
        ("eventSubCategory=a.b".to_owned(), None, ids(6..=6)),
        ("reason=exhausted".to_owned(), None, ids(6..=7)),
        ("reason=backlog".to_owned(), None, Vec::new()),
        ("since=2020-01-01T00:00:00Z".to_owned(), None, ids(1..=7)),
        ("toDate=2020-01-01T00:00:00Z".to_owned(), None, Vec::new()),
    ] {
        assert_eq!(found(&acme, &query).await, (total, letters), "{query}");
    }
    let (mut seen, mut query) = (Vec::new(), "limit=3&reason=gone".to_owned());
    loop {
        let page = acme.get(&format!("{LETTERS}?{query}")).await.expect(200);
        seen.push(letters(&page));
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        query = format!("limit=3&reason=gone&cursor={cursor}");
    }
    assert_eq!(seen, [ids(1..=3), ids(4..=5)]);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let (_installation, acme, _) = installation().await;

    for (query, message) in [
        ("limit=101", "limit: must be a number from 1 to 100"),
        (
            "cursor=x",
            "cursor: must be a nextCursor from an earlier answer",
        ),
        (
            "eventId=a%20b",
            "eventId: must be 1 to 128 characters of A-Z a-z 0-9 _ - :",
        ),
    ] {
        let reply = acme.get(&format!("{LETTERS}?{query}")).await;
        let told = reply.refused(400, "BAD_REQUEST", "listWebhookDeadLetters");
        assert_eq!(told, message);
    }
    let unknown = acme.get(&format!("{LETTERS}?success=false")).await;
    let told = unknown.refused(400, "BAD_REQUEST", "listWebhookDeadLetters");
    assert!(told.starts_with("success: unknown field"), "{told}");
    let nothing = acme.delete(LETTERS).await;
    let told = nothing.refused(400, "BAD_REQUEST", "deleteWebhookDeadLetters");
    assert!(told.starts_with("filter: must name at least one"), "{told}");
    let all = acme.post(&format!("{LETTERS}/retry"), &json!({})).await;
    let told = all.refused(400, "BAD_REQUEST", "retryWebhookDeadLetters");
    assert!(told.starts_with("filter: must name at least one"), "{told}");
}

#[tokio::test]
async fn a_retry_is_the_next_attempt_with_the_same_bytes_and_ends_the_dead_letter() {
    let (installation, acme, endpoint) = installation().await;
    let dead = job(&endpoint, "evt-1", 4);
    die(&installation, &dead, Reason::Exhausted).await;
    die(
        &installation,
        &job(&endpoint, "evt-2", 1),
        Reason::EndpointDisabled,
    )
    .await;
    // A person has tried the first one twice since, by its log record.
    installation
        .store
        .write(&[record(&dead, 6, false)])
        .await
        .unwrap();

    let once = acme
        .send(http::Method::POST, &format!("{LETTERS}/1/retry"), &[], "")
        .await;
    let anew = acme
        .post(&format!("{LETTERS}/2/retry"), &json!({"withRetries": true}))
        .await;

    assert_eq!(once.expect(202), json!({"jobId": dead.id, "attempt": 7}));
    // Nobody ever made its first attempt.
    assert_eq!(anew.expect(202)["attempt"], 1);
    let jobs = waiting(&installation).await;
    assert_eq!((jobs[0].0.attempt, jobs[0].0.run), (7, Run::OnceOrDead));
    assert_eq!((jobs[1].0.attempt, jobs[1].0.run), (1, Run::Policy));
    assert!(
        jobs.iter()
            .all(|(job, body)| job.trigger == Trigger::Manual && body == BODY)
    );
    assert_eq!(found(&acme, "").await, (Some(0), Vec::new()));
    let again = acme.post(&format!("{LETTERS}/1/retry"), &json!({})).await;
    again.refused(404, "NOT_FOUND", "retryWebhookDeadLetter");
}

#[tokio::test]
async fn a_dead_letter_whose_endpoint_takes_nothing_stays() {
    let (installation, acme, endpoint) = installation().await;
    die(&installation, &job(&endpoint, "evt-1", 1), Reason::Gone).await;
    die(&installation, &job("ep_gone", "evt-1", 1), Reason::Gone).await;
    let disabled = json!({"isEnabled": false});
    acme.patch(&format!("{CONFIGS}/{endpoint}"), &disabled)
        .await
        .expect(200);

    for (id, message) in [
        (1, "the webhook config is disabled: enable it first"),
        (2, "the webhook config is deleted"),
    ] {
        let reply = acme
            .post(&format!("{LETTERS}/{id}/retry"), &json!({}))
            .await;
        assert_eq!(
            reply.refused(409, "CONFLICT", "retryWebhookDeadLetter"),
            message
        );
    }
    let all = acme
        .post(&format!("{LETTERS}/retry"), &json!({"reason": "gone"}))
        .await;
    assert_eq!(all.expect(200), outcome(0, 2));
    assert_eq!(found(&acme, "").await.1, ids(1..=2));
    assert_eq!(waiting(&installation).await.len(), 0);
}

#[tokio::test]
async fn many_are_retried_by_filter_or_by_id_but_for_those_that_were_delivered() {
    let (installation, acme, endpoint) = installation().await;
    for n in 1..=4 {
        die(
            &installation,
            &job(&endpoint, &format!("evt-{n}"), 1),
            Reason::NotRetried,
        )
        .await;
    }
    die(
        &installation,
        &job(&endpoint, "evt-5", 1),
        Reason::Exhausted,
    )
    .await;
    let delivered = record(&job(&endpoint, "evt-2", 1), 1, true);
    installation.store.write(&[delivered]).await.unwrap();
    let path = format!("{LETTERS}/retry");

    let listed = acme
        .get(&format!("{LETTERS}?eventId=evt-2"))
        .await
        .expect(200);
    assert_eq!(listed["edges"][0]["delivered"], true);
    let by_id = json!({"ids": ["1", "2", "77"]});
    assert_eq!(acme.post(&path, &by_id).await.expect(200), outcome(1, 2));
    let by_filter = json!({"reason": "not-retried", "withRetries": true});
    assert_eq!(
        acme.post(&path, &by_filter).await.expect(200),
        outcome(2, 1)
    );
    assert_eq!(
        acme.post(&path, &by_filter).await.expect(200),
        outcome(0, 1)
    );

    assert_eq!(found(&acme, "").await.1, ["2", "5"]);
    let runs: Vec<_> = waiting(&installation)
        .await
        .into_iter()
        .map(|(job, _)| job.run)
        .collect();
    assert_eq!(runs, [Run::OnceOrDead, Run::Policy, Run::Policy]);
}

#[tokio::test]
async fn very_many_are_retried_and_deleted_a_bounded_number_at_a_time() {
    let (installation, acme, endpoint) = installation().await;
    let jobs: Vec<_> = (1..=1_005)
        .map(|n| job(&endpoint, &format!("evt-{n}"), 1))
        .collect();
    join_all(jobs.iter().map(|job| die(&installation, job, Reason::Gone))).await;
    let path = format!("{LETTERS}/retry");
    let mut wanted = json!({"webhookConfigId": endpoint});

    let first = acme.post(&path, &wanted).await.expect(200);
    // It fails and is dead again, which the same walk does not meet.
    die(
        &installation,
        &job(&endpoint, "evt-1", 2),
        Reason::ManualRetryFailed,
    )
    .await;
    wanted["cursor"] = first["nextCursor"].clone();
    let second = acme.post(&path, &wanted).await.expect(200);

    assert_eq!(
        (&first["retried"], &first["hasMore"]),
        (&json!(1_000), &json!(true))
    );
    assert_eq!(second, outcome(5, 0));
    assert_eq!(found(&acme, "").await, (Some(1), vec!["1006".to_owned()]));
    join_all(jobs.iter().map(|job| {
        let attempt = 3;
        let job = Job {
            attempt,
            ..job.clone()
        };
        let installation = &installation;
        async move { die(installation, &job, Reason::Exhausted).await }
    }))
    .await;
    let path = format!("{LETTERS}?reason=exhausted");
    let first = acme.delete(&path).await.expect(200);
    let rest = acme.delete(&path).await.expect(200);
    assert_eq!(
        (&first["deleted"], &first["hasMore"]),
        (&json!(1_000), &json!(true))
    );
    assert_eq!(
        rest,
        json!({"deleted": 5, "hasMore": false, "nextCursor": null})
    );
    assert_eq!(found(&acme, "").await.0, Some(1));
}

#[tokio::test]
async fn one_is_deleted_and_then_gone() {
    let (installation, acme, endpoint) = installation().await;
    die(&installation, &job(&endpoint, "evt-1", 1), Reason::Gone).await;
    let path = format!("{LETTERS}/1");

    acme.delete(&path).await.expect(204);

    acme.delete(&path)
        .await
        .refused(404, "NOT_FOUND", "deleteWebhookDeadLetter");
    acme.get(&path)
        .await
        .refused(404, "NOT_FOUND", "getWebhookDeadLetter");
    for id in ["0", "01", "x", "99999999999999999999", "%ff"] {
        let reply = acme.get(&format!("{LETTERS}/{id}")).await;
        reply.refused(404, "NOT_FOUND", "getWebhookDeadLetter");
    }
}

#[tokio::test]
async fn organisations_and_roles_are_kept_apart() {
    let (installation, _acme, endpoint) = installation().await;
    die(&installation, &job(&endpoint, "evt-1", 1), Reason::Gone).await;
    let umbra = installation.caller("umbra", "admin").await;
    let viewer = installation.caller("acme", "viewer").await;
    let (one, retry) = (format!("{LETTERS}/1"), format!("{LETTERS}/1/retry"));
    let (many, wanted) = (format!("{LETTERS}/retry"), json!({"ids": ["1"]}));

    for reply in [
        umbra.get(&one).await,
        umbra.delete(&one).await,
        umbra.post(&retry, &json!({})).await,
    ] {
        assert_eq!(reply.status, 404);
    }
    assert_eq!(found(&umbra, "").await, (Some(0), Vec::new()));
    assert_eq!(umbra.post(&many, &wanted).await.expect(200), outcome(0, 1));
    let by_endpoint = json!({"webhookConfigId": endpoint});
    assert_eq!(
        umbra.post(&many, &by_endpoint).await.expect(200),
        outcome(0, 0)
    );
    let gone = umbra
        .delete(&format!("{LETTERS}?webhookConfigId={endpoint}"))
        .await;
    assert_eq!(gone.expect(200)["deleted"], 0);
    let mut foreign = by_endpoint.clone();
    foreign["organisationId"] = json!("acme");
    umbra
        .post(&many, &foreign)
        .await
        .refused(403, "FORBIDDEN", "retryWebhookDeadLetters");
    for reply in [
        viewer.get(LETTERS).await,
        viewer.get(&one).await,
        viewer.delete(&one).await,
        viewer.delete(&format!("{LETTERS}?reason=gone")).await,
        viewer.post(&retry, &json!({})).await,
        viewer.post(&many, &wanted).await,
    ] {
        assert_eq!(reply.status, 403);
    }
    assert_eq!(waiting(&installation).await.len(), 0);
    let operator = installation.operator();
    let named = |path: &str| format!("{path}?organisationId=acme");
    operator.get(&named(&one)).await.expect(200);
    assert_eq!(
        operator.post(&named(&many), &wanted).await.expect(200),
        outcome(1, 0)
    );
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

async fn die(installation: &Installation, job: &Job, reason: Reason) {
    let cargo = Cargo {
        body: Bytes::from_static(BODY.as_bytes()),
        trace: TraceHeaders::default(),
        previous: None,
    };
    let error = Some("HTTP 500: Internal Server Error");
    let letter = dead_letter(&installation.broker.names, job, &cargo, reason, error);
    Publisher::new(&installation.broker)
        .publish(letter)
        .await
        .unwrap();
}

/// Returns the jobs in the retry lane with their bodies.
pub(crate) async fn waiting(installation: &Installation) -> Vec<(Job, Bytes)> {
    let client = installation.server.client().await;
    let messages = client.messages("posthorn_RETRIES").await;
    let read = messages.into_iter().map(|message| {
        let job = wire::job::decode(message.header(wire::JOB_HEADER).unwrap()).unwrap();
        (job, message.body)
    });
    read.collect()
}

/// Returns the total and the ids of a page.
async fn found(caller: &Caller, query: &str) -> (Option<u64>, Vec<String>) {
    let page = caller.get(&format!("{LETTERS}?{query}")).await.expect(200);
    (page["totalCount"].as_u64(), letters(&page))
}

fn letters(page: &Value) -> Vec<String> {
    let edges = page["edges"].as_array().unwrap().iter();
    edges
        .map(|letter| letter["id"].as_str().unwrap().to_owned())
        .collect()
}

fn ids(range: std::ops::RangeInclusive<u32>) -> Vec<String> {
    range.map(|id| id.to_string()).collect()
}

fn outcome(retried: u32, skipped: u32) -> Value {
    json!({"retried": retried, "skipped": skipped, "hasMore": false, "nextCursor": null})
}

fn time(text: &Value) -> Timestamp {
    Timestamp::parse(text.as_str().unwrap()).unwrap()
}

fn job(endpoint: &str, event: &str, attempt: u32) -> Job {
    let (endpoint, event) = (endpoint.parse().unwrap(), event.parse().unwrap());
    Job {
        id: JobId::of(&event, &endpoint),
        organisation: "acme".parse().unwrap(),
        endpoint,
        revision: 1,
        event,
        name: "reward.earned".parse().unwrap(),
        category: Some("reward".to_owned()),
        content: Content::default(),
        body_hash: BodyHash::of(BODY.as_bytes()),
        accepted_at: Timestamp::from_millis(BEGIN_MS),
        attempt,
        retry: 0,
        hold: 0,
        due: None,
        trigger: Trigger::Auto,
        run: Run::Policy,
        request: None,
    }
}

/// Makes the record of an attempt of a job.
pub(crate) fn record(job: &Job, attempt: u32, success: bool) -> AttemptRecord {
    AttemptRecord {
        id: format!("{}-{attempt}", job.event),
        webhook_config_id: job.endpoint.clone(),
        organisation_id: job.organisation.clone(),
        job_id: job.id.clone(),
        event_id: job.event.clone(),
        event_category: job.category.clone(),
        event_sub_category: job.name.clone(),
        body_hash: job.body_hash,
        url: "http://127.0.0.1:9/".to_owned(),
        http_method: "POST".to_owned(),
        request_headers: Vec::new(),
        response_status: Some(if success { 200 } else { 500 }),
        response_headers: None,
        response_body: None,
        response_body_encoding: None,
        attempt,
        trigger: Trigger::Auto,
        success,
        error_message: None,
        error_kind: None,
        duration_ms: 1,
        next_attempt_at: None,
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        created_at: Timestamp::from_millis(BEGIN_MS + i64::from(attempt)),
    }
}

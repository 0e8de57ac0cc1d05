//! What people ask for by hand: dead letters and log records sent again, and tests.

use std::time::Duration;

use e2e::{Organisation, Service, Stack};
use serde_json::{Value, json};
use test_support::{Answer, Launch, Received, Receiver, ServiceProcess, eventually, script};

use crate::BOUND;

const CONFIGS: &str = "/api/v2/admin/webhooks/configs";
const LETTERS: &str = "/api/v2/admin/webhooks/dead-letters";
const LOGS: &str = "/api/v2/admin/webhooks/logs";
/// Whitespace, key order and number forms that re-serialising would change.
const ODD_BODY: &str = "{ \"zeta\":1.10e+2,\t\"eventSubCategory\":\"reward-claim\", \"id\":\"evt-odd\" ,\"createdAt\":\"2026-03-14T10:21:45.102Z\", \"payload\" : {\"a\":\"\\u00e9\"} }";
/// The key that the stack's services share.
const SECRETS_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[tokio::test]
async fn a_dead_letter_is_retried_with_its_own_bytes_when_its_event_is_long_gone() {
    let (stack, acme, receiver) = installation(script::failing_first(1, 400), json!({})).await;
    acme.send_bytes(ODD_BODY).await.expect(202);
    let letter = dead_letters(&acme, 1, "").await.remove(0);
    let broker = stack.broker_client().await;
    let events = broker
        .context()
        .get_stream("posthorn_EVENTS")
        .await
        .unwrap();
    events.purge().await.unwrap();

    let path = format!("{LETTERS}/{}", letter["id"].as_str().unwrap());
    let detail = acme.admin.get(&path).await;
    let asked = acme.admin.post(&format!("{path}/retry"), &json!({})).await;

    assert_eq!(
        (&letter["reason"], &letter["attempt"]),
        (&json!("not-retried"), &json!(1))
    );
    assert_eq!(letter["errorMessage"], "HTTP 400: Bad Request");
    let text = String::from_utf8(detail.body.to_vec()).unwrap();
    assert!(text.contains(ODD_BODY), "{text}");
    let asked = asked.expect(202);
    assert_eq!(
        (&asked["jobId"], &asked["attempt"]),
        (&letter["jobId"], &json!(2))
    );
    let requests = receiver.wait_for(2, BOUND).await;
    assert_eq!(requests[1].body, ODD_BODY);
    assert_eq!(requests[1].attempt(), 2);
    let records = acme.wait_logs(2, "").await;
    assert_eq!(
        (&records[1]["trigger"], &records[1]["attempt"]),
        (&json!("manual"), &json!(2))
    );
    assert_eq!(records[1]["success"], true);
    assert_eq!(records[1]["jobId"], letter["jobId"]);
    acme.admin.get(&path).await.expect(404);
    assert_eq!(broker.count("posthorn_DEAD").await, Some(0));
}

#[tokio::test]
async fn a_retry_that_fails_is_a_dead_letter_again_and_a_policy_that_starts_anew_ends_as_one() {
    let quick =
        json!({"maxRetries": 1, "retryPolicy": {"preset": "nudj", "delay": {"fixed": 200}}});
    let (_stack, acme, receiver) = installation(script::always(Answer::status(500)), quick).await;
    acme.send(&event("evt-1")).await;
    let mut letter = dead_letters(&acme, 1, "reason=exhausted").await.remove(0);

    retry(&acme, &letter, &json!({})).await;
    letter = dead_letters(&acme, 1, "reason=manual-retry-failed")
        .await
        .remove(0);
    assert_eq!(letter["attempt"], 3);
    retry(&acme, &letter, &json!({"withRetries": true})).await;
    letter = dead_letters(&acme, 1, "reason=exhausted").await.remove(0);

    assert_eq!(letter["attempt"], 5);
    let attempts: Vec<_> = receiver.requests().iter().map(Received::attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5]);
    let records = acme.wait_logs(5, "").await;
    let triggers: Vec<_> = records.iter().map(|record| &record["trigger"]).collect();
    assert_eq!(triggers, ["auto", "retry", "manual", "manual", "retry"]);
    assert!(records[2]["nextAttemptAt"].is_null());
    assert!(records[3]["nextAttemptAt"].is_string());
}

#[tokio::test]
async fn a_crowd_of_dead_letters_is_retried_by_a_filter_and_the_rest_is_deleted() {
    let answer = |request: &Received| {
        let refuses = request.attempt() == 1 || request.event_id() == "evt-3";
        Answer::status(if refuses { 400 } else { 200 })
    };
    let (_stack, acme, receiver) = installation(answer, json!({})).await;
    acme.send(&json!([event("evt-1"), event("evt-2"), event("evt-3")]))
        .await;
    dead_letters(&acme, 3, "").await;
    let path = format!("{LETTERS}/retry");

    acme.admin.post(&path, &json!({})).await.expect(400);
    acme.admin.delete(LETTERS).await.expect(400);
    let done = acme
        .admin
        .post(&path, &json!({"eventSubCategory": "reward-claim"}))
        .await;
    let again = dead_letters(&acme, 1, "reason=manual-retry-failed").await;

    assert_eq!(done.expect(200)["retried"], 3);
    assert_eq!(again[0]["eventId"], "evt-3");
    assert_eq!(receiver.wait_for(6, BOUND).await.len(), 6);
    let deleted = acme.admin.delete(&format!("{LETTERS}?eventId=evt-3")).await;
    assert_eq!(deleted.expect(200)["deleted"], 1);
    dead_letters(&acme, 0, "").await;
}

#[tokio::test]
async fn a_record_is_sent_once_more_and_its_failure_starts_no_chain() {
    let answer =
        |request: &Received| Answer::status(if request.attempt() == 1 { 200 } else { 500 });
    let quick = json!({"retryPolicy": {"preset": "nudj", "delay": {"fixed": 200}}});
    let (stack, acme, receiver) = installation(answer, quick).await;
    acme.send_bytes(ODD_BODY).await.expect(202);
    let record = acme.wait_logs(1, "").await.remove(0);
    let path = format!("{LOGS}/{}/retry", record["id"].as_str().unwrap());

    for attempt in [2, 3] {
        let asked = eventually("the event is archived", BOUND, async || {
            let reply = acme.admin.post(&path, &json!({})).await;
            if reply.status == 202 {
                Ok(reply.expect(202))
            } else {
                Err(reply)
            }
        })
        .await;
        assert_eq!(asked["attempt"], attempt);
        let found = acme.wait_logs(1, &format!("attempt={attempt}")).await;
        assert_eq!(
            (&found[0]["trigger"], &found[0]["success"]),
            (&json!("manual"), &json!(false))
        );
        assert_eq!(found[0]["traceId"], record["traceId"]);
        assert!(found[0]["nextAttemptAt"].is_null());
    }

    let broker = stack.broker_client().await;
    eventually("nothing waits", BOUND, async || {
        match broker.count("posthorn_RETRIES").await {
            Some(0) => Ok(()),
            count => Err(format!("{count:?} in RETRIES")),
        }
    })
    .await;
    assert_eq!(broker.count("posthorn_DEAD").await, Some(0));
    let requests = receiver.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.body == ODD_BODY));
}

#[tokio::test]
async fn a_test_is_a_real_request_and_tells_what_came_of_it() {
    let answer = |request: &Received| match request.path.as_str() {
        "/failing" => Answer::status(500),
        "/hanging" => Answer::ok().after(Duration::from_secs(8)),
        _ => Answer::ok(),
    };
    let (mut stack, acme, receiver) = installation(answer, json!({})).await;
    let good = endpoint(&acme, &receiver, "/good", json!({"isEnabled": false})).await;
    let failing = endpoint(&acme, &receiver, "/failing", json!({})).await;
    let hanging = endpoint(&acme, &receiver, "/hanging", json!({"timeoutMs": 1000})).await;

    let taken = test(
        &acme,
        &good,
        &json!({"eventSubCategory": "a.b", "payload": {"n": 1}}),
    )
    .await;
    let refused = test(&acme, &failing, &json!({})).await;
    let late = test(&acme, &hanging, &json!({})).await;
    stack.service(Service::Delivery).kill();
    let mut closed = delivery_without_egress(&stack);
    closed.wait_ready().await;
    let blocked = test(&acme, &failing, &json!({})).await;

    assert_eq!(outcome(&taken), (true, Some(200), None));
    assert_eq!(taken["responseBody"], "noted");
    assert_eq!(outcome(&refused), (false, Some(500), Some("status")));
    assert_eq!(refused["errorMessage"], "HTTP 500: Internal Server Error");
    assert_eq!(outcome(&late), (false, None, Some("timeout")));
    assert_eq!(outcome(&blocked), (false, None, Some("blocked-address")));
    assert_eq!(receiver.requests_to("/failing").len(), 1);
    let request = receiver.requests_to("/good").remove(0);
    assert!(request.event_id().starts_with("test-"), "{request:?}");
    assert!(!request.header("webhook-signature").is_empty());
    assert_eq!(request.header("x-posthorn-event"), "a.b");
    let id = taken["logId"].as_str().unwrap();
    let record = acme.wait_logs(1, "eventSubCategory=a.b").await.remove(0);
    assert_eq!(
        (&record["id"], &record["trigger"]),
        (&json!(id), &json!("test"))
    );
    let retried = acme
        .admin
        .post(&format!("{LOGS}/{id}/retry"), &json!({}))
        .await;
    retried.expect(409);
    let broker = stack.broker_client().await;
    for stream in ["posthorn_RETRIES", "posthorn_DEAD", "posthorn_EVENTS"] {
        assert_eq!(broker.count(stream).await, Some(0), "{stream}");
    }
}

#[tokio::test]
async fn tests_that_hang_leave_room_for_those_of_others() {
    let slow = script::always(Answer::After(BOUND, Box::new(Answer::ok())));
    let (stack, acme, _slow) = installation(slow, json!({"timeoutMs": 60_000})).await;
    let umbra = stack.organisation("umbra").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let other = endpoint(&umbra, &receiver, "/other", json!({})).await;
    let config = acme.configs().await[0]["id"].as_str().unwrap().to_owned();
    let mut hanging = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (admin, path) = (acme.admin.clone(), format!("{CONFIGS}/{config}/test"));
        hanging.spawn(async move { admin.post(&path, &json!({})).await });
    }

    // The first answers are of those that find no place.
    hanging.join_next().await.unwrap().unwrap().expect(429);
    let tested = test(&umbra, &other, &json!({})).await;

    assert_eq!(tested["success"], true);
}

#[tokio::test]
async fn another_organisation_finds_nothing_to_ask_for() {
    let (stack, acme, receiver) =
        installation(script::always(Answer::status(400)), json!({})).await;
    let umbra = stack.organisation("umbra").await;
    let config = acme.configs().await[0]["id"].as_str().unwrap().to_owned();
    acme.send(&event("evt-1")).await;
    let letter = dead_letters(&acme, 1, "").await.remove(0);
    let letter = format!("{LETTERS}/{}", letter["id"].as_str().unwrap());
    let record = acme.wait_logs(1, "").await.remove(0);
    let record = format!("{LOGS}/{}/retry", record["id"].as_str().unwrap());

    umbra.admin.get(&letter).await.expect(404);
    umbra.admin.delete(&letter).await.expect(404);
    for path in [
        format!("{letter}/retry"),
        record,
        format!("{CONFIGS}/{config}/test"),
    ] {
        umbra.admin.post(&path, &json!({})).await.expect(404);
    }
    let many = json!({"webhookConfigId": config});
    let done = umbra.admin.post(&format!("{LETTERS}/retry"), &many).await;
    assert_eq!(done.expect(200)["retried"], 0);

    dead_letters(&umbra, 0, "").await;
    dead_letters(&acme, 1, "").await;
    assert_eq!(receiver.count(), 1);
}

async fn installation(
    answer: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    more: Value,
) -> (Stack, Organisation, Receiver) {
    let stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(answer);
    acme.register(&receiver.url("/hook"), &["reward-claim"], more)
        .await;
    (stack, acme, receiver)
}

/// Starts a delivery to which no address is open.
fn delivery_without_egress(stack: &Stack) -> ServiceProcess {
    Launch::new(Service::Delivery.binary(), stack.directory())
        .listening()
        .env("POSTHORN_NATS_URL", stack.broker_ref().url())
        .env("POSTHORN_SECRETS_KEY", SECRETS_KEY)
        .env("POSTHORN_ALLOW_HTTP", "true")
        .spawn()
}

/// Registers one more endpoint and returns its id.
async fn endpoint(acme: &Organisation, receiver: &Receiver, path: &str, more: Value) -> String {
    let saved = acme.register(&receiver.url(path), &["*"], more).await;
    saved["id"].as_str().unwrap().to_owned()
}

/// Waits until as many dead letters match and returns them.
async fn dead_letters(organisation: &Organisation, n: usize, query: &str) -> Vec<Value> {
    eventually(&format!("{n} dead letters"), BOUND, async || {
        let page = organisation
            .admin
            .get(&format!("{LETTERS}?{query}"))
            .await
            .expect(200);
        let letters = page["edges"].as_array().unwrap().clone();
        if letters.len() == n {
            Ok(letters)
        } else {
            Err(page)
        }
    })
    .await
}

async fn retry(acme: &Organisation, letter: &Value, body: &Value) {
    let path = format!("{LETTERS}/{}/retry", letter["id"].as_str().unwrap());
    acme.admin.post(&path, body).await.expect(202);
}

async fn test(acme: &Organisation, endpoint: &str, body: &Value) -> Value {
    let reply = acme
        .admin
        .post(&format!("{CONFIGS}/{endpoint}/test"), body)
        .await;
    reply.expect(200)
}

/// Returns what came of a test.
fn outcome(test: &Value) -> (bool, Option<u64>, Option<&str>) {
    (
        test["success"].as_bool().unwrap(),
        test["responseStatus"].as_u64(),
        test["errorKind"].as_str(),
    )
}

fn event(id: &str) -> Value {
    json!({"id": id, "eventSubCategory": "reward-claim", "payload": {}})
}

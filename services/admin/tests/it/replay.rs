//! Replays: from the archive to jobs on the broker, whoever dies on the way.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
    time::Duration,
};

use attempt_store::ArchivedEvent;
use bytes::Bytes;
use domain::{
    attempt::{AttemptRecord, Trigger},
    content::Content,
    event::BodyHash,
    name::{EventId, JobId, ReplayId},
    organisation::Sweep,
    replay::{KEPT_FOR, Mode, Plan, Replay, Target},
    time::Timestamp,
};
use jetstream::{
    consumer::{Gate, Pull, Settlement},
    publisher::{Outgoing, Publisher},
    replay_bucket::ReplayBucket,
    subject::Durable,
};
use serde_json::{Value, json};
use test_support::{StoredMessage, eventually};
use tokio_util::sync::CancellationToken;

use crate::installation::{BOUND, CONFIGS, Caller, Installation};

const REPLAYS: &str = "/api/v2/admin/webhooks/replays";
const HOUR_MS: i64 = 3_600_000;
/// When the first event was accepted: an hour before the tests began.
static BEGIN_MS: LazyLock<i64> = LazyLock::new(|| now().millis() - HOUR_MS);

#[tokio::test]
async fn a_replay_makes_a_job_of_every_archived_event_that_the_endpoint_wants() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let mut other = event(3);
    other.name = "other".parse().unwrap();
    let events = [event(1), event(2), other, foreign(4)];
    installation.store.archive(&events).await.unwrap();
    let id = registered(&acme).await;

    let asked = json!({"mode": "all", "from": from(), "ratePerSecond": 1_000});
    let started = acme.post(&start(&id), &asked).await.expect(202);
    let done = until(&acme, &started, "done").await;

    assert_eq!(
        (&done["total"], &done["done"], &done["skipped"]),
        (&json!(3), &json!(2), &json!(1))
    );
    assert_eq!(
        (&done["webhookConfigId"], &done["organisationId"]),
        (&json!(id), &json!("acme"))
    );
    assert_eq!(
        (&done["mode"], &done["reason"]),
        (&json!("all"), &Value::Null)
    );
    let jobs = jobs(&installation).await;
    let replay = started["id"].as_str().unwrap();
    for (job, number) in jobs.iter().zip(1..) {
        assert_eq!(job.body, body(number), "the archive's bytes");
        let expected = format!("evt-{number}:{id}:{replay}");
        assert_eq!(job.header("Nats-Msg-Id"), Some(expected.as_str()));
        let header: Value = serde_json::from_str(job.header("Posthorn-Job").unwrap()).unwrap();
        assert_eq!(
            (&header["trigger"], &header["attempt"]),
            (&json!("replay"), &json!(1))
        );
        assert_eq!(header["id"], expected.as_str());
        assert!(job.header("traceparent").is_some());
    }
    assert_eq!(jobs.len(), 2);
    assert_eq!(acme.get(REPLAYS).await.expect(200), json!([done]));
    let rendered = installation.metrics.render();
    assert!(
        rendered.contains("admin_replayed_jobs_total 2"),
        "{rendered}"
    );
}

#[tokio::test]
async fn undelivered_leaves_out_what_is_delivered_or_still_alive() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = registered(&acme).await;
    let events: Vec<_> = (1..=5).map(event).collect();
    installation.store.archive(&events).await.unwrap();
    let mut delivered = record(1, &id);
    delivered.success = true;
    let mut retrying = record(2, &id);
    retrying.next_attempt_at = Some(Timestamp::from_millis(i64::MAX));
    let mut elsewhere = record(3, "ep_of_somebody");
    elsewhere.success = true;
    let records = [delivered, retrying, elsewhere];
    installation.store.write(&records).await.unwrap();

    let asked = json!({"from": from()});
    let started = acme.post(&start(&id), &asked).await.expect(202);
    let done = until(&acme, &started, "done").await;

    assert_eq!(done["mode"], "undelivered");
    assert_eq!((&done["done"], &done["skipped"]), (&json!(3), &json!(2)));
    assert_eq!(replayed(&installation).await, ["evt-3", "evt-4", "evt-5"]);
}

#[tokio::test]
async fn events_whose_bodies_have_expired_are_skipped() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let events = [event(1), event(2), event(3), event(4)];
    installation.store.archive(&events).await.unwrap();
    let sweep = Sweep {
        from: Timestamp::from_millis(0),
        before: events[2].accepted_at,
    };
    let organisation = "acme".parse().unwrap();
    let gone = installation.store.expire_bodies(&organisation, sweep).await;
    let id = registered(&acme).await;

    let asked = json!({"mode": "all", "from": from(), "ratePerSecond": 1_000});
    let started = acme.post(&start(&id), &asked).await.expect(202);
    let done = until(&acme, &started, "done").await;

    assert_eq!(gone.unwrap().events, 2);
    assert_eq!(
        (&done["total"], &done["done"], &done["skipped"]),
        (&json!(4), &json!(2), &json!(2))
    );
}

#[tokio::test]
async fn an_event_that_the_broker_does_not_take_any_more_is_left_out() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = registered(&acme).await;
    // Accepted by a broker that took more than this one.
    let large = ArchivedEvent {
        body: Bytes::from(vec![b' '; 2 * 1024 * 1024]),
        ..event(2)
    };
    let events = [event(1), large, event(3)];
    installation.store.archive(&events).await.unwrap();

    let asked = json!({"mode": "all", "from": from()});
    let started = acme.post(&start(&id), &asked).await.expect(202);
    let done = until(&acme, &started, "done").await;

    assert_eq!((&done["done"], &done["skipped"]), (&json!(2), &json!(1)));
    assert_eq!(replayed(&installation).await, ["evt-1", "evt-3"]);
}

#[tokio::test]
async fn a_range_holds_its_begin_and_not_its_end() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = registered(&acme).await;
    let events: Vec<_> = (1..=4).map(event).collect();
    installation.store.archive(&events).await.unwrap();

    let asked = json!({
        "mode": "all", "since": event(2).accepted_at, "until": event(4).accepted_at,
    });
    let started = acme.post(&start(&id), &asked).await.expect(202);
    until(&acme, &started, "done").await;

    assert_eq!(replayed(&installation).await, ["evt-2", "evt-3"]);
}

#[tokio::test]
async fn a_replay_waits_until_the_archive_has_what_was_accepted_before_it() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = registered(&acme).await;
    let publisher = Publisher::new(&installation.broker);
    let accepted = Outgoing {
        subject: installation
            .broker
            .names
            .event(&"acme".parse().unwrap(), &"reward.earned".parse().unwrap()),
        message_id: String::new(),
        headers: jetstream::HeaderMap::new(),
        payload: body(9),
    };
    publisher.publish(accepted).await.unwrap();

    let asked = json!({"mode": "all", "from": from()});
    let started = acme.post(&start(&id), &asked).await.expect(202);
    let path = format!("{REPLAYS}/{}", started["id"].as_str().unwrap());
    // Taken up means that the archive was looked for.
    taken_up(&acme, &path, &started).await;
    assert_eq!(acme.get(&path).await.expect(200)["state"], "waiting");
    let late = ArchivedEvent {
        accepted_at: Timestamp::parse(started["to"].as_str().unwrap()).unwrap(),
        ..event(9)
    };
    let late = ArchivedEvent {
        accepted_at: Timestamp::from_millis(late.accepted_at.millis() - 1),
        ..late
    };
    installation.store.archive(&[late]).await.unwrap();
    settle(&installation, Durable::EventArchive).await;

    until(&acme, &started, "done").await;
    assert_eq!(replayed(&installation).await, ["evt-9"]);
}

#[tokio::test]
async fn another_replica_goes_on_where_a_stopped_one_was() {
    let first = Installation::start().await;
    let second = first.replica().await;
    let acme = first.caller("acme", "admin").await;
    let id = registered(&acme).await;
    let events: Vec<_> = (1..=120).map(event).collect();
    for installation in [&first, &second] {
        installation.store.archive(&events).await.unwrap();
    }
    let there = acme.at(&second);

    let asked = json!({"mode": "all", "from": from(), "ratePerSecond": 40});
    let started = acme.post(&start(&id), &asked).await.expect(202);
    let path = format!("{REPLAYS}/{}", started["id"].as_str().unwrap());
    eventually("it runs", BOUND, async || {
        let replay = there.get(&path).await.expect(200);
        (replay["done"].as_u64() >= Some(20))
            .then_some(())
            .ok_or(replay)
    })
    .await;
    // Whichever of them it is: one stays.
    let server = Arc::clone(&first.server);
    drop(first.stop().await);
    let done = until(&there, &started, "done").await;

    assert_eq!((&done["done"], &done["total"]), (&json!(120), &json!(120)));
    let seen: Vec<String> = replayed_on(&server.client().await.messages("posthorn_JOBS").await);
    let distinct: BTreeSet<&String> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (120, 120));
}

#[tokio::test]
async fn a_replay_of_a_dead_owner_is_taken_over_from_its_place_when_the_lease_ends() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = registered(&acme).await;
    let events: Vec<_> = (1..=4).map(event).collect();
    installation.store.archive(&events).await.unwrap();
    let began = now();
    // Its lease ends a second from now.
    let claimed_at = Timestamp::from_millis(began.millis() - 9_000);
    let replay = stored(&id, "rp_dead", claimed_at)
        .claimed("dead", claimed_at)
        .unwrap()
        .begun(4, claimed_at);
    let place = domain::replay::Place {
        accepted_at: event(2).accepted_at,
        event_id: event(2).id,
        body_hash: event(2).hash,
    };
    let progress = domain::replay::Progress {
        place,
        done: 2,
        skipped: 0,
    };
    let bucket = ReplayBucket::open(&installation.broker).await.unwrap();
    bucket
        .create(&replay.advanced(progress, claimed_at))
        .await
        .unwrap();

    let done = until(&acme, &json!({"id": "rp_dead"}), "done").await;

    assert_eq!((&done["done"], &done["total"]), (&json!(4), &json!(4)));
    assert_eq!(replayed(&installation).await, ["evt-3", "evt-4"]);
    assert!(
        now().millis() >= began.millis() + 1_000,
        "not before the lease's end"
    );
}

#[tokio::test]
async fn a_replay_is_stopped_within_a_second_or_so() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = registered(&acme).await;
    let events: Vec<_> = (1..=200).map(event).collect();
    installation.store.archive(&events).await.unwrap();

    let asked = json!({"mode": "all", "from": from(), "ratePerSecond": 20});
    let started = acme.post(&start(&id), &asked).await.expect(202);
    let path = format!("{REPLAYS}/{}", started["id"].as_str().unwrap());
    eventually("it runs", BOUND, async || {
        let replay = acme.get(&path).await.expect(200);
        (replay["done"].as_u64() >= Some(4))
            .then_some(())
            .ok_or(replay)
    })
    .await;
    acme.delete(&path).await.expect(204);
    let at_the_stop = replayed(&installation).await.len();
    let cancelled = acme.get(&path).await.expect(200);
    acme.delete(&path).await.expect(204);

    // Another replay is a clock: it makes as many jobs as the stopped one would have.
    let asked =
        json!({"mode": "all", "from": from(), "to": event(41).accepted_at, "ratePerSecond": 20});
    let second = acme.post(&start(&id), &asked).await.expect(202);
    until(&acme, &second, "done").await;
    let stopped = started["id"].as_str().unwrap();
    let made = jobs(&installation).await;
    let of_stopped = made
        .iter()
        .filter(|job| job.header("Nats-Msg-Id").unwrap().ends_with(stopped))
        .count();
    assert!(
        of_stopped <= at_the_stop + 20,
        "{of_stopped} after {at_the_stop}"
    );
    assert_eq!(cancelled["state"], "cancelled");
    assert!(cancelled["finishedAt"].is_string());
    acme.delete(&format!("{REPLAYS}/{}", second["id"].as_str().unwrap()))
        .await
        .refused(409, "CONFLICT", "cancelWebhookReplay");
}

#[tokio::test]
async fn a_deleted_or_disabled_endpoint_ends_its_replays() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let events: Vec<_> = (1..=200).map(event).collect();
    installation.store.archive(&events).await.unwrap();
    let asked = json!({"mode": "all", "from": from(), "ratePerSecond": 5});

    let gone = registered(&acme).await;
    let started = acme.post(&start(&gone), &asked).await.expect(202);
    acme.delete(&format!("{CONFIGS}/{gone}")).await.expect(204);
    let failed = until(&acme, &started, "failed").await;
    assert_eq!(failed["reason"], "config-deleted");

    let disabled = registered(&acme).await;
    let started = acme.post(&start(&disabled), &asked).await.expect(202);
    let path = format!("{CONFIGS}/{disabled}");
    acme.patch(&path, &json!({"isEnabled": false}))
        .await
        .expect(200);
    let failed = until(&acme, &started, "failed").await;
    assert_eq!(failed["reason"], "config-disabled");
    acme.post(&start(&disabled), &asked)
        .await
        .refused(409, "CONFLICT", "startWebhookReplay");
}

#[tokio::test]
async fn wrong_requests_are_refused_by_the_name_of_the_field() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = registered(&acme).await;

    for (body, message) in [
        (json!({}), "from: is required"),
        (
            json!({"from": "yesterday"}),
            "from: must be an RFC 3339 time",
        ),
        (
            json!({"from": "2999-01-01T00:00:00Z"}),
            "from: must not be in the future",
        ),
        (
            json!({"from": from(), "to": from()}),
            "from: must be before to",
        ),
        (
            json!({"from": "1999-01-01T00:00:00Z"}),
            "from: must be at most 366 days before to",
        ),
        (
            json!({"from": from(), "since": from()}),
            "body: duplicate field `from`",
        ),
        (json!({"from": from(), "to": 7}), "to: "),
        (json!({"from": from(), "mode": "some"}), "mode: "),
        (json!({"from": from(), "mode": {"all": null}}), "mode: "),
        (
            json!({"from": from(), "ratePerSecond": 0}),
            "ratePerSecond: must be a number from 1 to 1000",
        ),
        (
            json!({"from": from(), "ratePerSecond": 1_001}),
            "ratePerSecond: must be a number from 1 to 1000",
        ),
        (
            json!({"from": from(), "ratePerSecond": -1}),
            "ratePerSecond: ",
        ),
        (json!({"from": from(), "rate": 1}), "rate: unknown field"),
        (json!([from()]), "body: must be an object"),
    ] {
        let refused = acme.post(&start(&id), &body).await;
        let said = refused.refused(400, "BAD_REQUEST", "startWebhookReplay");
        assert!(said.starts_with(message), "{body}: {said}");
    }
    assert_eq!(acme.get(REPLAYS).await.expect(200), json!([]));
    let refused = acme.get(&format!("{REPLAYS}?limit=101")).await;
    let said = refused.refused(400, "BAD_REQUEST", "listWebhookReplays");
    assert_eq!(said, "limit: must be a number from 1 to 100");
}

#[tokio::test]
async fn a_replay_is_its_organisations_alone() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let umbra = installation.caller("umbra", "admin").await;
    let viewer = installation.caller("acme", "viewer").await;
    let id = registered(&acme).await;
    let asked = json!({"from": from()});
    let started = acme.post(&start(&id), &asked).await.expect(202);
    let path = format!("{REPLAYS}/{}", started["id"].as_str().unwrap());

    let starts = umbra.post(&start(&id), &asked).await;
    starts.refused(404, "NOT_FOUND", "startWebhookReplay");
    umbra
        .get(&path)
        .await
        .refused(404, "NOT_FOUND", "getWebhookReplay");
    umbra
        .delete(&path)
        .await
        .refused(404, "NOT_FOUND", "cancelWebhookReplay");
    assert_eq!(umbra.get(REPLAYS).await.expect(200), json!([]));
    let unknown = acme.get(&format!("{REPLAYS}/a%20b")).await;
    unknown.refused(404, "NOT_FOUND", "getWebhookReplay");

    let starts = viewer.post(&start(&id), &asked).await;
    starts.refused(403, "FORBIDDEN", "startWebhookReplay");
    viewer
        .get(&path)
        .await
        .refused(403, "FORBIDDEN", "getWebhookReplay");
    viewer
        .get(REPLAYS)
        .await
        .refused(403, "FORBIDDEN", "listWebhookReplays");
    viewer
        .delete(&path)
        .await
        .refused(403, "FORBIDDEN", "cancelWebhookReplay");
    let operator = installation.operator();
    operator
        .get(&format!("{path}?organisationId=acme"))
        .await
        .expect(200);
}

#[tokio::test]
async fn an_organisation_has_five_unfinished_replays_at_most() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = registered(&acme).await;
    installation
        .store
        .archive(&[event(1), event(2)])
        .await
        .unwrap();
    // One that lasts: a job each second, and nobody has the store's word before.
    installation.store.close().await;
    let asked = json!({"mode": "all", "from": from()});
    let mut started = Vec::new();
    for _ in 0..5 {
        started.push(acme.post(&start(&id), &asked).await.expect(202));
    }

    let sixth = acme.post(&start(&id), &asked).await;
    let path = format!("{REPLAYS}/{}", started[0]["id"].as_str().unwrap());
    acme.delete(&path).await.expect(204);
    let room = eventually("there is room again", BOUND, async || {
        let again = acme.post(&start(&id), &asked).await;
        (again.status == 202).then_some(()).ok_or(again.status)
    });
    room.await;

    let said = sixth.refused(429, "TOO_MANY_REQUESTS", "startWebhookReplay");
    assert_eq!(
        said,
        "the organisation has 5 unfinished replays, the most there may be"
    );
    let listed = acme.get(REPLAYS).await.expect(200);
    assert_eq!(listed.as_array().unwrap().len(), 6);
    let newest = acme.get(&format!("{REPLAYS}?limit=1")).await.expect(200);
    assert_eq!(newest, json!([listed[0]]));
    assert!(listed[0]["createdAt"].as_str() >= listed[5]["createdAt"].as_str());
    let other = acme
        .get(&format!("{REPLAYS}?webhookConfigId=ep_other"))
        .await
        .expect(200);
    assert_eq!(other, json!([]));
}

#[tokio::test]
async fn old_replays_are_removed() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let id = registered(&acme).await;
    let bucket = ReplayBucket::open(&installation.broker).await.unwrap();
    let old = Timestamp::from_millis(now().millis() - 60_000);
    let old = Timestamp::from_millis(old.millis() - i64::try_from(KEPT_FOR.as_millis()).unwrap());
    bucket
        .create(&stored(&id, "rp_old", old).completed(old))
        .await
        .unwrap();
    bucket
        .create(&stored(&id, "rp_new", now()).completed(now()))
        .await
        .unwrap();

    eventually("only the new one is left", BOUND, async || {
        let left = acme.get(REPLAYS).await.expect(200);
        let ids: Vec<_> = left
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["id"].clone())
            .collect();
        (ids == ["rp_new"]).then_some(()).ok_or(left)
    })
    .await;
    let (organisation, id) = ("acme".parse().unwrap(), "rp_old".parse().unwrap());
    assert_eq!(bucket.get(&organisation, &id).await.unwrap(), None);
}

fn start(config: &str) -> String {
    format!("{CONFIGS}/{config}/replay")
}

/// Returns the begin of a range that holds all events.
fn from() -> Timestamp {
    Timestamp::from_millis(*BEGIN_MS - HOUR_MS)
}

fn now() -> Timestamp {
    Timestamp::from_millis(lifecycle::clock::now_ms())
}

async fn registered(caller: &Caller) -> String {
    let config = json!([{"url": "https://a.example/hook", "events": ["reward.*"]}]);
    let saved = caller.put(CONFIGS, &config).await.expect(200);
    saved[0]["id"].as_str().unwrap().to_owned()
}

/// Waits until a replay is in a state, and returns it.
async fn until(caller: &Caller, started: &Value, state: &str) -> Value {
    let path = format!("{REPLAYS}/{}", started["id"].as_str().unwrap());
    eventually(&format!("the replay is {state}"), BOUND, async || {
        let replay = caller.get(&path).await.expect(200);
        if replay["state"] == state {
            Ok(replay)
        } else {
            Err(replay)
        }
    })
    .await
}

/// Waits until somebody works on a replay that was just started.
async fn taken_up(caller: &Caller, path: &str, started: &Value) {
    eventually("the replay is taken up", BOUND, async || {
        let replay = caller.get(path).await.expect(200);
        (replay["updatedAt"] != started["updatedAt"])
            .then_some(())
            .ok_or(replay)
    })
    .await;
}

/// Acknowledges everything on a consumer, as its service does.
async fn settle(installation: &Installation, durable: Durable) {
    let draining = CancellationToken::new();
    let pull = Pull {
        durable,
        places: 10,
        gate: Gate::default(),
        draining: draining.clone(),
        abort: CancellationToken::new(),
    };
    let seen = CancellationToken::new();
    let settled = seen.clone();
    let pulling = pull.run(&installation.broker, move |_delivery| {
        let seen = seen.clone();
        async move {
            seen.cancel();
            Settlement::Ack
        }
    });
    let stopping = async {
        tokio::time::timeout(BOUND, settled.cancelled())
            .await
            .unwrap();
        draining.cancel();
    };
    let (pulled, ()) = tokio::join!(pulling, stopping);
    pulled.unwrap();
}

async fn jobs(installation: &Installation) -> Vec<StoredMessage> {
    let client = installation.server.client().await;
    client.messages("posthorn_JOBS").await
}

/// Returns the events of all jobs, in order.
async fn replayed(installation: &Installation) -> Vec<String> {
    replayed_on(&jobs(installation).await)
}

fn replayed_on(jobs: &[StoredMessage]) -> Vec<String> {
    let mut events: Vec<String> = jobs
        .iter()
        .map(|job| {
            let id = job.header("Nats-Msg-Id").unwrap();
            id.split(':').next().unwrap().to_owned()
        })
        .collect();
    events.sort();
    events
}

fn body(number: u32) -> Bytes {
    let text = format!(
        "{{\"id\": \"evt-{number}\",  \"eventSubCategory\":\"reward.earned\", \"n\": 1.0}}"
    );
    Bytes::from(text)
}

/// Makes an event of the archive, accepted `number` seconds after the begin.
fn event(number: u32) -> ArchivedEvent {
    let body = body(number);
    ArchivedEvent {
        organisation: "acme".parse().unwrap(),
        id: format!("evt-{number}").parse().unwrap(),
        hash: BodyHash::of(&body),
        name: "reward.earned".parse().unwrap(),
        category: Some("reward".to_owned()),
        source_id: None,
        content: Content::default(),
        body,
        accepted_at: Timestamp::from_millis(*BEGIN_MS + i64::from(number) * 1_000),
    }
}

fn foreign(number: u32) -> ArchivedEvent {
    ArchivedEvent {
        organisation: "umbra".parse().unwrap(),
        ..event(number)
    }
}

/// Makes the record of a failed first attempt.
fn record(number: u32, endpoint: &str) -> AttemptRecord {
    let archived = event(number);
    let event: EventId = archived.id;
    let endpoint = endpoint.parse().unwrap();
    AttemptRecord {
        id: format!("record-{number}"),
        job_id: JobId::of(&event, &endpoint),
        webhook_config_id: endpoint,
        organisation_id: "acme".parse().unwrap(),
        event_id: event,
        event_category: None,
        event_sub_category: archived.name,
        body_hash: archived.hash,
        url: "https://a.example/".to_owned(),
        http_method: "POST".to_owned(),
        request_headers: Vec::new(),
        response_status: Some(500),
        response_headers: None,
        response_body: None,
        response_body_encoding: None,
        attempt: 1,
        trigger: Trigger::Auto,
        success: false,
        error_message: None,
        error_kind: None,
        duration_ms: 1,
        next_attempt_at: None,
        trace_id: "t".to_owned(),
        created_at: archived.accepted_at.after(Duration::from_millis(5)),
    }
}

/// Makes a replay as the bucket holds it.
fn stored(config: &str, id: &str, at: Timestamp) -> Replay {
    let target = Target {
        organisation: "acme".parse().unwrap(),
        endpoint: config.parse().unwrap(),
    };
    let plan = Plan::try_new(Mode::All, from(), None, None, now()).unwrap();
    let id: ReplayId = id.parse().unwrap();
    Replay::new(id, target, plan, 0, at)
}

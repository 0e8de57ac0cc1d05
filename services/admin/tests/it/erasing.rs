//! Erasing the content of an event: out of every place, whoever dies on the way, and nothing else.

use std::{collections::BTreeMap, path::Path};

use attempt_store::ArchivedEvent;
use bytes::Bytes;
use domain::{
    attempt::{AttemptRecord, Trigger},
    content::Content,
    erasure::{Erasure, KEPT_FOR, Place, QUIET, State, Target},
    event::BodyHash,
    job::{Job, Run},
    name::{ErasureId, JobId},
    retry::Reason,
    time::Timestamp,
};
use jetstream::{
    HeaderMap,
    dead_letter::{Rejection, dead_letter, rejection},
    erasure_bucket::ErasureBucket,
    publisher::{Outgoing, Publisher},
    retry_lane::{self, Cargo, Waiting, job_headers},
    wire::{
        TraceHeaders,
        attempts::{self, Encoder, Entry},
    },
};
use serde_json::{Value, json};
use test_support::eventually;

use crate::installation::{BOUND, Caller, Installation, LOGS};

const ERASURES: &str = "/api/v2/admin/erasures";
const SAID: &str = "what only this event said";
const DELIVERIES: &str = "/api/v2/admin/webhooks/deliveries";

#[tokio::test]
async fn an_erasure_takes_the_content_out_of_every_place_and_leaves_the_rest() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    for (organisation, event, said) in [
        ("acme", "evt-1", SAID),
        ("acme", "evt-2", "something else"),
        ("umbra", "evt-1", "something foreign"),
    ] {
        fill(&installation, organisation, event, said).await;
    }
    let store_dir = installation.server.store_dir();
    assert!(occurrences(&store_dir, SAID) >= 7, "it is everywhere");

    let begun = acme.post(&erase("evt-1"), &json!(null)).await.expect(202);

    let fields = ["id", "organisationId", "eventId", "state", "finishedAt"];
    assert_eq!(
        fields.map(|field| &begun[field]),
        [
            &begun["id"],
            &json!("acme"),
            &json!("evt-1"),
            &json!("running"),
            &Value::Null
        ]
    );
    let gone = eventually(
        "it is gone from the broker",
        BOUND,
        async || match occurrences(&store_dir, SAID) {
            0 => Ok(acme.get(&one(&begun)).await.expect(200)),
            n => Err(n),
        },
    );
    let seen = gone.await;
    assert_eq!(
        (&seen["id"], &seen["state"]),
        (&begun["id"], &json!("running"))
    );
    let counted = eventually("all is counted", BOUND, async || {
        let seen = acme.get(&one(&begun)).await.expect(200);
        let expected = json!({"messages": 8, "bodies": 1, "records": 1});
        (seen["erased"] == expected)
            .then_some(seen.clone())
            .ok_or(seen)
    })
    .await;
    assert_eq!(acme.get(ERASURES).await.expect(200)[0]["id"], counted["id"]);

    assert_left(&installation).await;
    for said in ["something else", "something foreign"] {
        assert!(occurrences(&store_dir, said) >= 7, "{said}");
    }
    assert_shown(&acme, &begun).await;
}

#[tokio::test]
async fn records_on_their_way_lose_their_content_and_waiting_jobs_leave_a_record() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    for event in ["evt-1", "evt-2"] {
        fill(&installation, "acme", event, SAID).await;
    }

    acme.post(&erase("evt-1"), &json!(null)).await.expect(202);

    let client = installation.server.client().await;
    let decoded = eventually("all jobs are recorded", BOUND, async || {
        let messages = client.messages("posthorn_ATTEMPTS").await;
        let decoded: Vec<_> = messages
            .iter()
            .map(|message| attempts::decode(&message.body).unwrap())
            .collect();
        let states: usize = decoded.iter().map(|batch| batch.states.len()).sum();
        let is_stripped = decoded
            .iter()
            .flat_map(|batch| &batch.records)
            .all(|record| record.response_body.is_some() == (record.event_id.as_str() == "evt-2"));
        (states == 3 && is_stripped)
            .then_some(decoded)
            .ok_or(states)
    })
    .await;

    let records: Vec<_> = decoded.iter().flat_map(|batch| &batch.records).collect();
    assert_eq!(records.len(), 2, "none is lost");
    assert!(
        records
            .iter()
            .all(|record| record.response_status == Some(500))
    );
    for state in decoded.iter().flat_map(|batch| &batch.states) {
        assert_eq!(state.event_id.as_str(), "evt-1");
        assert_eq!(state.reason.as_deref(), Some("erased"));
    }
    for batch in decoded {
        installation.store.write(&batch.records).await.unwrap();
        installation
            .store
            .write_states(&batch.states)
            .await
            .unwrap();
    }
    let page = acme.get(&format!("{DELIVERIES}?eventId=evt-1")).await;
    let page = page.expect(200);
    let states: Vec<_> = page["edges"].as_array().unwrap().iter().collect();
    assert!(!states.is_empty());
    for delivery in states {
        assert_eq!(delivery["state"], "failed", "{delivery}");
    }
}

#[tokio::test]
async fn what_another_replica_began_is_finished_when_its_lease_has_ended() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    fill(&installation, "acme", "evt-1", SAID).await;
    let bucket = ErasureBucket::open(&installation.broker).await.unwrap();
    let abandoned = erasure(&installation, "er_1").await;
    let mut abandoned = abandoned.claimed("a replica that died", now()).unwrap();
    abandoned.lease.as_mut().unwrap().until = after_ms(now(), 1_000);

    bucket.create(&abandoned).await.unwrap();

    let store_dir = installation.server.store_dir();
    eventually(
        "it is gone from the broker",
        BOUND,
        async || match occurrences(&store_dir, SAID) {
            0 => Ok(()),
            n => Err(n),
        },
    )
    .await;
    let seen = acme.get(&format!("{ERASURES}/er_1")).await.expect(200);
    assert!(seen["erased"]["messages"].as_u64() > Some(0), "{seen}");
}

#[tokio::test]
async fn an_erasure_is_done_when_nothing_was_found_for_long_enough_and_forgotten_later() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let bucket = ErasureBucket::open(&installation.broker).await.unwrap();
    let mut quiet = erasure(&installation, "er_1").await;
    let quiet_ms = i64::try_from(QUIET.as_millis()).unwrap();
    quiet.quiet_since = Some(after_ms(now(), -quiet_ms));
    let mut old = erasure(&installation, "er_2").await;
    let kept_ms = i64::try_from(KEPT_FOR.as_millis()).unwrap();
    old.state = State::Done;
    old.finished_at = Some(after_ms(now(), -kept_ms));

    bucket.create(&quiet).await.unwrap();
    bucket.create(&old).await.unwrap();

    eventually("one is done and the other forgotten", BOUND, async || {
        let done = acme.get(&format!("{ERASURES}/er_1")).await.expect(200);
        let old = acme.get(&format!("{ERASURES}/er_2")).await.status;
        let is_so = done["state"] == "done" && done["finishedAt"].is_string() && old == 404;
        is_so.then_some(()).ok_or(format!("{done} and {old}"))
    })
    .await;
}

#[tokio::test]
async fn an_erasure_tells_nothing_of_other_organisations_and_takes_nothing_of_theirs() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let umbra = installation.caller("umbra", "admin").await;
    let unknown = umbra.post(&erase("evt-9"), &json!(null)).await;
    let begun = acme.post(&erase("evt-1"), &json!(null)).await.expect(202);

    unknown.expect(202);
    let foreign = umbra.get(&one(&begun)).await;
    foreign.refused(404, "NOT_FOUND", "getErasure");
    let none = umbra.get(&format!("{ERASURES}/er_0")).await;
    none.refused(404, "NOT_FOUND", "getErasure");
    let no_event = acme.post(&erase("not%20an%20id"), &json!(null)).await;
    no_event.refused(404, "NOT_FOUND", "eraseEvent");
    for role in ["viewer", "producer"] {
        let caller = installation.caller("acme", role).await;
        let erased = caller.post(&erase("evt-1"), &json!(null)).await;
        erased.refused(403, "FORBIDDEN", "eraseEvent");
        caller
            .get(ERASURES)
            .await
            .refused(403, "FORBIDDEN", "listErasures");
    }
    let operator = installation.operator();
    let unnamed = operator.post(&erase("evt-1"), &json!(null)).await;
    unnamed.refused(400, "BAD_REQUEST", "eraseEvent");
    // One that has neither tokens nor configs any more.
    let departed = format!("{}?organisationId=departed", erase("evt-1"));
    operator.post(&departed, &json!(null)).await.expect(202);
    let wrong = acme.get(&format!("{ERASURES}?limit=0")).await;
    wrong.refused(400, "BAD_REQUEST", "listErasures");
}

/// Makes sure that the other two events' messages are there.
async fn assert_left(installation: &Installation) {
    let client = installation.server.client().await;
    for (stream, left) in [
        ("EVENTS", 4),
        ("JOBS", 2),
        ("RETRIES", 4),
        ("DEAD", 2),
        ("REJECTED", 2),
    ] {
        let messages = client.count(&format!("posthorn_{stream}")).await;
        assert_eq!(messages, Some(left), "{stream}");
    }
}

/// Makes sure that the record of the erased event says so, and that of another one does not.
async fn assert_shown(acme: &Caller, begun: &Value) {
    let record = acme.get(&format!("{LOGS}/acme-evt-1")).await.expect(200);
    assert_eq!(record["erasedAt"], begun["createdAt"]);
    assert_eq!(record["requestHeaders"], json!({}));
    for field in ["requestBody", "responseBody", "responseHeaders"] {
        assert_eq!(record[field], Value::Null, "{field}");
    }
    assert_eq!(record["responseStatus"], 500, "what happened stays");
    let other = acme.get(&format!("{LOGS}/acme-evt-2")).await.expect(200);
    assert_eq!(other["responseBody"], "something else");
    assert!(other.get("erasedAt").is_none());
}

/// Puts an event wherever one can be: eight messages with what it said, a body in the archive, and a record.
async fn fill(installation: &Installation, organisation: &str, event: &str, said: &str) {
    let names = &installation.broker.names;
    let body = Bytes::from(format!(
        "{{\"id\":\"{event}\",\"eventSubCategory\":\"a.b\",\"createdAt\":\"2026-01-01T00:00:00Z\",\
         \"payload\":{{\"said\":\"{said}\"}}}}"
    ));
    let owner = organisation.parse().unwrap();
    let record = record(organisation, event, said);
    let mut batch = Encoder::default();
    batch.push(&Entry::attempt(&record));
    let bare = |subject: String, payload: &[u8]| Outgoing {
        subject,
        message_id: String::new(),
        headers: HeaderMap::new(),
        payload: Bytes::copy_from_slice(payload),
    };
    let mut messages = vec![
        bare(names.event(&owner, &"a.b".parse().unwrap()), &body),
        // What says another name than its subject is no event, and stays where it came in until it expires.
        bare(names.event(&owner, &"c".parse().unwrap()), &body),
        bare(names.attempts(), &batch.finish()),
    ];
    let cargo = Cargo {
        body: body.clone(),
        trace: TraceHeaders::default(),
        previous: None,
    };
    let job = job(organisation, event, &body);
    let due = Timestamp::parse("2099-01-01T00:00:00Z").unwrap();
    messages.push(Outgoing {
        subject: names.job(&job.endpoint),
        message_id: String::new(),
        headers: job_headers(&job, &cargo),
        payload: body.clone(),
    });
    let (parked, retry) = (job.held(due), job.next_retry(due));
    messages.push(retry_lane::message(names, &parked, &cargo, Waiting::Nak));
    messages.push(retry_lane::message(
        names,
        &retry,
        &cargo,
        Waiting::Schedule,
    ));
    messages.push(dead_letter(names, &job, &cargo, Reason::Gone, Some(said)));
    let rejected = Rejection {
        organisation: Some(&owner),
        subject: "posthorn.events.acme.b",
        reason: "a reason",
        message_id: format!("{organisation}-{event}"),
        headers: None,
        payload: &body,
    };
    messages.push(rejection(names, rejected, 10_000));
    for message in messages {
        let publisher = Publisher::new(&installation.broker);
        publisher.publish(message).await.unwrap();
    }
    keep(installation, (record, said), body).await;
}

/// Puts an event into the archive, and a record of an attempt into the log.
async fn keep(installation: &Installation, (record, said): (AttemptRecord, &str), body: Bytes) {
    let archived = ArchivedEvent {
        organisation: record.organisation_id.clone(),
        id: record.event_id.clone(),
        hash: BodyHash::of(&body),
        name: "a.b".parse().unwrap(),
        category: None,
        source_id: Some(said.to_owned()),
        content: Content::default(),
        body,
        // The time of its message, or earlier: that is where it is looked for.
        accepted_at: after_ms(now(), -60_000),
    };
    installation.store.archive(&[archived]).await.unwrap();
    let mut stored = record;
    stored.id = format!("{}-{}", stored.organisation_id, stored.event_id);
    installation.store.write(&[stored]).await.unwrap();
}

fn record(organisation: &str, event: &str, said: &str) -> AttemptRecord {
    AttemptRecord {
        id: format!("{organisation}-{event}-waiting"),
        webhook_config_id: format!("ep_{organisation}").parse().unwrap(),
        organisation_id: organisation.parse().unwrap(),
        job_id: format!("{event}:ep_{organisation}").parse().unwrap(),
        event_id: event.parse().unwrap(),
        event_category: None,
        event_sub_category: "a.b".parse().unwrap(),
        body_hash: BodyHash::of(b"{}"),
        url: "https://receiver.test/hook".to_owned(),
        http_method: "POST".to_owned(),
        request_headers: vec![("ce-subject".to_owned(), said.to_owned())],
        response_status: Some(500),
        response_headers: Some(vec![("x-echo".to_owned(), said.to_owned())]),
        response_body: Some(said.to_owned()),
        response_body_encoding: None,
        attempt: 1,
        trigger: Trigger::Auto,
        success: false,
        error_message: Some("HTTP 500: Internal Server Error".to_owned()),
        error_kind: None,
        duration_ms: 12,
        next_attempt_at: None,
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        created_at: now(),
    }
}

fn job(organisation: &str, event: &str, body: &Bytes) -> Job {
    // Endpoints have ids of their own, and the broker takes a job by its id.
    let endpoint = format!("ep_{organisation}").parse().unwrap();
    Job {
        id: JobId::of(&event.parse().unwrap(), &endpoint),
        organisation: organisation.parse().unwrap(),
        endpoint,
        revision: 1,
        event: event.parse().unwrap(),
        name: "a.b".parse().unwrap(),
        category: None,
        content: Content::default(),
        body_hash: BodyHash::of(body),
        accepted_at: Timestamp::from_millis(1_000),
        attempt: 1,
        retry: 0,
        hold: 0,
        due: None,
        trigger: Trigger::Auto,
        run: Run::Policy,
        request: None,
    }
}

/// An erasure of `evt-1` of `acme`, as the API would have made it.
async fn erasure(installation: &Installation, id: &str) -> Erasure {
    let target = Target {
        organisation: "acme".parse().unwrap(),
        event: "evt-1".parse().unwrap(),
        until: now(),
    };
    let mut ends = BTreeMap::new();
    let client = installation.server.client().await;
    for place in Place::ALL {
        let stream = format!("posthorn_{place:?}").to_uppercase();
        let stream = stream.replace("POSTHORN", "posthorn");
        let stream = client.context().get_stream(stream).await.unwrap();
        ends.insert(place, stream.cached_info().state.last_sequence);
    }
    Erasure::new(ErasureId::try_new(id).unwrap(), target, &ends, now())
}

fn erase(event: &str) -> String {
    format!("/api/v2/admin/events/{event}/erase")
}

fn one(erasure: &Value) -> String {
    format!("{ERASURES}/{}", erasure["id"].as_str().unwrap())
}

/// Returns how often a text stands in the files of a folder and those below it.
fn occurrences(folder: &Path, text: &str) -> usize {
    let mut found = 0;
    // Files come and go while the broker works.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found += occurrences(&path, text);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let windows = bytes.windows(text.len());
            found += windows.filter(|window| *window == text.as_bytes()).count();
        }
    }
    found
}

fn now() -> Timestamp {
    Timestamp::from_millis(lifecycle::clock::now_ms())
}

fn after_ms(time: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(time.millis() + millis)
}

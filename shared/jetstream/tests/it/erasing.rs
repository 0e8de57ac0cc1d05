//! Finding what streams hold of an event, and erasing it from the broker's files.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::{
    attempt::Trigger,
    content::Content,
    erasure::{Erasure, Place, Target, Walk},
    event::BodyHash,
    job::{Job, Run},
    time::Timestamp,
};
use jetstream::{
    Broker, HeaderMap,
    dead_letter::{Rejection, rejection},
    erasing::{Looked, Streams, What},
    publisher::{Outgoing, Publisher},
    retry_lane::{self, Cargo, Waiting},
    subject::Stream,
    wire::TraceHeaders,
};
use test_support::NatsServer;

use crate::broker;

/// More than one request brings.
const MANY: u64 = 1_300;

#[tokio::test]
async fn a_walk_finds_the_event_among_many_and_ends_where_it_was_to_end() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    for n in 0..MANY {
        let organisation = if n % 4 == 0 { "other" } else { "acme" };
        let is_meant = n % 500 == 1 || n == 400;
        let id = if is_meant { "evt-1" } else { "evt-2" };
        publish(&broker, event(&broker, organisation, id, n)).await;
    }
    let streams = Streams::new(&broker);
    let erasure = erasure(&broker, Timestamp::parse("9999-01-01T00:00:00Z").unwrap()).await;

    let found = walked(&streams, &erasure, Place::Events).await;
    let mut ended = erasure.clone();
    ended
        .walks
        .insert(Place::Events, Walk { next: 3, end: 502 });
    let part = walked(&streams, &ended, Place::Events).await;

    assert_eq!(found, [2, 502, 1_002], "401 is another organisation's");
    assert_eq!(part, [502]);
}

#[tokio::test]
async fn a_walk_may_begin_at_a_time() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    let client = server.client().await;
    for n in 0..40 {
        publish(&broker, event(&broker, "acme", "evt-1", n)).await;
    }
    let streams = Streams::new(&broker);
    let stream = client
        .context()
        .get_stream("posthorn_EVENTS")
        .await
        .unwrap();
    let mut times = Vec::new();
    for sequence in 1..=40 {
        let at = stream.get_raw_message(sequence).await.unwrap().time;
        times.push(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap());
    }
    for gap in [1, 7, 8] {
        stream.delete_message(gap).await.unwrap();
    }

    for (at, sequence) in times.iter().zip(1_u64..) {
        let first = streams
            .first_event_since(Timestamp::from_millis(*at), 40)
            .await
            .unwrap();
        // Several may be of one millisecond, and gaps may be passed over.
        assert!(first <= sequence, "{first} is behind {sequence}");
        let before = usize::try_from(first).unwrap().checked_sub(2);
        assert!(
            before.is_none_or(|before| times[before] < *at),
            "{first} is not the first"
        );
    }
    let late = Timestamp::from_millis(times[39] + 1);
    assert_eq!(streams.first_event_since(late, 40).await.unwrap(), 41);
}

#[tokio::test]
async fn jobs_of_an_event_that_was_sent_again_later_are_left_alone() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    for (n, (organisation, id, accepted_at)) in [
        ("acme", "evt-1", 1_000),
        ("acme", "evt-1", 1_001),
        ("acme", "evt-10", 1_000),
        ("other", "evt-1", 1_000),
    ]
    .into_iter()
    .enumerate()
    {
        let mut job = job(organisation, id, u32::try_from(n).unwrap());
        job.accepted_at = Timestamp::from_millis(accepted_at);
        for waiting in [Waiting::Nak, Waiting::Schedule] {
            let due = Timestamp::parse("2099-01-01T00:00:00Z").unwrap();
            let mut message = retry_lane::message(&broker.names, &job.held(due), &cargo(), waiting);
            message.message_id.push_str(&format!("{waiting:?}"));
            publish(&broker, message).await;
        }
    }
    let streams = Streams::new(&broker);
    let erasure = erasure(&broker, Timestamp::from_millis(1_000)).await;

    let looked = look(&streams, &erasure, Place::Retries).await;

    let jobs: Vec<_> = looked
        .found
        .iter()
        .map(|found| {
            let What::Job(job) = &found.what else {
                panic!("{:?}", found.what)
            };
            (found.sequence, job.endpoint.as_str())
        })
        .collect();
    assert_eq!(jobs, [(1, "ep_0"), (2, "ep_0")]);
    assert_eq!(looked.next, 9, "behind the last");
    for (sequence, _) in jobs {
        assert!(streams.erase(Place::Retries, sequence).await.unwrap());
        assert!(!streams.erase(Place::Retries, sequence).await.unwrap());
    }
    assert_eq!(
        server.client().await.count("posthorn_RETRIES").await,
        Some(6)
    );
}

#[tokio::test]
async fn what_was_rejected_is_found_by_what_it_holds() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    let (acme, other) = ("acme".parse().unwrap(), "other".parse().unwrap());
    let whole =
        "{\"id\":\"evt-1\",\"eventSubCategory\":\"a\",\"createdAt\":\"2026-01-01T00:00:00Z\"}";
    let unnamed = "{\"eventId\":\"evt-1\",\"organisationId\":\"acme\"}";
    for (n, (organisation, payload)) in [
        (Some(&acme), whole),
        (Some(&acme), "{\"payload\":1,\"id\":\"evt-1\",\"cut"),
        (Some(&acme), "{\"id\":\"evt-2\"}"),
        (Some(&other), whole),
        (None, whole),
        (None, unnamed),
    ]
    .into_iter()
    .enumerate()
    {
        let payload = Bytes::from_static(payload.as_bytes());
        let rejected = Rejection {
            organisation,
            subject: "posthorn.events.acme.b",
            reason: "a reason",
            message_id: format!("rejected-{n}"),
            headers: None,
            payload: &payload,
        };
        publish(&broker, rejection(&broker.names, rejected, 1_000)).await;
    }
    let streams = Streams::new(&broker);
    let erasure = erasure(&broker, Timestamp::EPOCH).await;

    assert_eq!(walked(&streams, &erasure, Place::Rejected).await, [1, 2, 6]);
}

#[tokio::test]
async fn a_broker_that_is_away_is_told_and_no_end_is_made_of_it() {
    let mut server = NatsServer::start();
    let broker = broker(&server).await;
    publish(&broker, event(&broker, "acme", "evt-1", 0)).await;
    let streams = Streams::new(&broker);
    let erasure = erasure(&broker, Timestamp::EPOCH).await;

    server.kill();

    let walk = erasure.walks[&Place::Jobs];
    let looked = streams.look(&erasure, Place::Jobs, Walk { end: 5, ..walk });
    assert!(looked.await.is_err());
    assert!(streams.erase(Place::Events, 1).await.is_err());
}

/// Walks to the end of a walk; returns the sequences of what was found.
async fn walked(streams: &Streams, erasure: &Erasure, place: Place) -> Vec<u64> {
    let mut walk = erasure.walks[&place];
    let mut found = Vec::new();
    while walk.next <= walk.end {
        let looked = streams.look(erasure, place, walk).await.unwrap();
        assert!(looked.next > walk.next, "the walk goes on");
        found.extend(looked.found.iter().map(|found| found.sequence));
        walk.next = looked.next;
    }
    assert_eq!(walk.next, walk.end + 1);
    found
}

async fn look(streams: &Streams, erasure: &Erasure, place: Place) -> Looked {
    let walk = erasure.walks[&place];
    streams.look(erasure, place, walk).await.unwrap()
}

/// An erasure of `evt-1` of `acme` that looks through everything that there is.
async fn erasure(broker: &Broker, until: Timestamp) -> Erasure {
    let target = Target {
        organisation: "acme".parse().unwrap(),
        event: "evt-1".parse().unwrap(),
        until,
    };
    let ends: BTreeMap<_, _> = Streams::new(broker).ends().await.unwrap();
    let written = broker.written(Stream::Events).await.unwrap();
    assert_eq!(ends[&Place::Events], written.sequence);
    let id = "er_1".parse().unwrap();
    Erasure::new(id, target, &ends, until).begins_at(Place::Events, 1)
}

async fn publish(broker: &Broker, message: Outgoing) {
    let stored = Publisher::new(broker).publish(message).await.unwrap();
    assert!(!stored.duplicate);
}

fn event(broker: &Broker, organisation: &str, id: &str, n: u64) -> Outgoing {
    let body = format!(
        "{{\"id\":\"{id}\",\"eventSubCategory\":\"a.b\",\"createdAt\":\"2026-01-01T00:00:00Z\",\"n\":{n}}}"
    );
    Outgoing {
        subject: broker
            .names
            .event(&organisation.parse().unwrap(), &"a.b".parse().unwrap()),
        message_id: String::new(),
        headers: HeaderMap::new(),
        payload: Bytes::from(body),
    }
}

fn cargo() -> Cargo {
    Cargo {
        body: Bytes::from_static(b"{}"),
        trace: TraceHeaders::default(),
        previous: None,
    }
}

fn job(organisation: &str, event: &str, endpoint: u32) -> Job {
    Job {
        id: format!("{event}:ep_{endpoint}").parse().unwrap(),
        organisation: organisation.parse().unwrap(),
        endpoint: format!("ep_{endpoint}").parse().unwrap(),
        revision: 1,
        event: event.parse().unwrap(),
        name: "a.b".parse().unwrap(),
        category: None,
        content: Content::default(),
        body_hash: BodyHash::of(b"{}"),
        accepted_at: Timestamp::from_millis(1_000),
        attempt: 2,
        retry: 1,
        hold: 0,
        due: None,
        trigger: Trigger::Retry,
        run: Run::Policy,
        request: None,
    }
}

use std::time::Duration;

use bytes::Bytes;
use domain::{
    attempt::Trigger,
    content::Content,
    event::BodyHash,
    job::{Job, Run},
    name::OrganisationId,
    retry::Reason,
    time::Timestamp,
};
use jetstream::{
    Broker,
    dead_letter::dead_letter,
    dead_letters::{DeadLetters, asked},
    publisher::Publisher,
    retry_lane::Cargo,
    wire::TraceHeaders,
};
use test_support::NatsServer;

use crate::broker;

const BODY: &str = "{\"a\":  1.0}";

#[tokio::test]
async fn a_dead_letter_is_read_back_whole_and_deleted_once() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    die(&broker, &job("acme", "ep_1", 1), Some("no é answer")).await;
    let letters = DeadLetters::open(&broker).await.unwrap();

    let letter = letters.get(&acme(), 1).await.unwrap().unwrap();

    assert_eq!(letter.dead.job, job("acme", "ep_1", 1));
    assert_eq!((letter.dead.sequence, letters.last_sequence()), (1, 1));
    assert_eq!(letter.dead.reason, "exhausted");
    assert_eq!(letter.dead.error.as_deref(), Some("no ? answer"));
    assert_eq!(letter.cargo.body, BODY);
    assert_eq!(letter.cargo.trace, cargo().trace);
    let lives = letter.dead.expires_at.unwrap().since(letter.dead.stored_at);
    assert_eq!(lives, Duration::from_secs(30 * 86_400));
    assert!(letters.delete(&letter.dead).await.unwrap());
    assert!(!letters.delete(&letter.dead).await.unwrap());
    assert!(letters.get(&acme(), 1).await.unwrap().is_none());
    assert!(letters.get(&acme(), 99).await.unwrap().is_none());
}

#[tokio::test]
async fn an_organisation_walks_over_its_own_and_sees_no_other() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    for (organisation, endpoint) in [
        ("acme", "ep_1"),
        ("umbra", "ep_3"),
        ("acme", "ep_2"),
        ("acme", "ep_1"),
    ] {
        let attempt = u32::try_from(sequences(&broker, &acme()).await.len()).unwrap() + 1;
        die(&broker, &job(organisation, endpoint, attempt), None).await;
    }
    let letters = DeadLetters::open(&broker).await.unwrap();
    let ep_1 = "ep_1".parse().unwrap();

    assert_eq!(sequences(&broker, &acme()).await, [1, 3, 4]);
    assert_eq!(letters.count(&acme(), None).await.unwrap(), 3);
    assert_eq!(letters.count(&acme(), Some(&ep_1)).await.unwrap(), 2);
    let nobody: OrganisationId = "nobody".parse().unwrap();
    assert_eq!(letters.count(&nobody, None).await.unwrap(), 0);
    let found = letters
        .next(&acme(), Some(&ep_1), 2)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.sequence, found.bytes), (4, BODY.len()));
    assert!(letters.get(&acme(), 2).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_no_dead_letter_of_its_subject_is_passed_over() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    let mut strange = message(&broker, &job("umbra", "ep_1", 1), None);
    strange.subject = broker.names.dead(&acme(), &"ep_1".parse().unwrap());
    Publisher::new(&broker).publish(strange).await.unwrap();
    let mut newer = message(&broker, &job("acme", "ep_1", 1), None);
    newer.headers.insert("Posthorn-Job", "{\"schema\":2}");
    newer.message_id = "newer".to_owned();
    Publisher::new(&broker).publish(newer).await.unwrap();
    let letters = DeadLetters::open(&broker).await.unwrap();

    for sequence in [1, 2] {
        let found = letters
            .next(&acme(), None, sequence)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.sequence, sequence);
        assert!(found.letter.is_none());
        assert!(letters.get(&acme(), sequence).await.unwrap().is_none());
    }
    let umbra: OrganisationId = "umbra".parse().unwrap();
    assert!(letters.get(&umbra, 1).await.unwrap().is_none());
}

#[tokio::test]
async fn two_who_ask_for_one_dead_letter_at_once_ask_for_one_attempt() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    die(&broker, &job("acme", "ep_1", 4), None).await;
    let letters = DeadLetters::open(&broker).await.unwrap();
    let letter = letters.get(&acme(), 1).await.unwrap().unwrap();
    let publisher = Publisher::new(&broker);

    let mut duplicates = Vec::new();
    // The second one has seen the record of the first one's attempt already.
    for highest in [4, 5] {
        let job = letter.dead.again(Some(highest), false);
        let stored = publisher
            .publish(asked(&broker.names, &job, &letter.cargo))
            .await;
        duplicates.push(stored.unwrap().duplicate);
    }

    assert_eq!(duplicates, [false, true]);
    let waiting = server.client().await.messages("posthorn_RETRIES").await;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].body, BODY);
}

async fn sequences(broker: &Broker, organisation: &OrganisationId) -> Vec<u64> {
    let letters = DeadLetters::open(broker).await.unwrap();
    let (mut sequences, mut next) = (Vec::new(), 0);
    while let Some(found) = letters.next(organisation, None, next).await.unwrap() {
        sequences.push(found.sequence);
        next = found.sequence + 1;
    }
    sequences
}

async fn die(broker: &Broker, job: &Job, error: Option<&str>) {
    let letter = message(broker, job, error);
    Publisher::new(broker).publish(letter).await.unwrap();
}

fn message(broker: &Broker, job: &Job, error: Option<&str>) -> jetstream::publisher::Outgoing {
    dead_letter(&broker.names, job, &cargo(), Reason::Exhausted, error)
}

fn acme() -> OrganisationId {
    "acme".parse().unwrap()
}

fn job(organisation: &str, endpoint: &str, attempt: u32) -> Job {
    Job {
        id: format!("evt-1:{endpoint}").parse().unwrap(),
        organisation: organisation.parse().unwrap(),
        endpoint: endpoint.parse().unwrap(),
        revision: 1,
        event: "evt-1".parse().unwrap(),
        name: "a.b".parse().unwrap(),
        category: None,
        content: Content::default(),
        body_hash: BodyHash::of(BODY.as_bytes()),
        accepted_at: Timestamp::from_millis(1),
        attempt,
        retry: 3,
        hold: 0,
        due: None,
        trigger: Trigger::Retry,
        run: Run::Policy,
        request: None,
    }
}

fn cargo() -> Cargo {
    Cargo {
        body: Bytes::from_static(BODY.as_bytes()),
        trace: TraceHeaders::new(
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            None,
        ),
        previous: None,
    }
}

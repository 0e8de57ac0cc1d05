use std::time::Duration;

use bytes::Bytes;
use domain::{
    attempt::Trigger,
    content::Content,
    event::BodyHash,
    job::{Job, Run},
    time::Timestamp,
};
use jetstream::{
    retry_lane::Cargo,
    test_send::{Answer, NoAnswer, Requests, ask},
    wire::TraceHeaders,
};
use test_support::NatsServer;

use crate::broker;

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn one_of_the_replicas_that_listen_is_asked_and_answers() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    let mut first = Requests::listen(&broker).await.unwrap();
    let mut second = Requests::listen(&broker).await.unwrap();
    let replicas = tokio::spawn(async move {
        let asked = tokio::select! {
            asked = first.next() => asked,
            asked = second.next() => asked,
        };
        let asked = asked.unwrap();
        asked.reply.send(&Answer::Busy).await;
        let also = tokio::time::timeout(Duration::ZERO, async {
            tokio::select! {
                _ = first.next() => {}
                _ = second.next() => {}
            }
        });
        (asked.job, asked.body, asked.trace, also.await.is_ok())
    });

    let answer = ask(&broker, &job(), &cargo(), PATIENCE).await.unwrap();

    assert_eq!(answer, Answer::Busy);
    let (asked, body, trace, twice) = replicas.await.unwrap();
    assert_eq!((asked, body, trace), (job(), cargo().body, cargo().trace));
    assert!(!twice);
}

#[tokio::test]
async fn nobody_who_listens_is_told_from_nobody_who_answers() {
    let server = NatsServer::start();
    let broker = broker(&server).await;

    let nobody = ask(&broker, &job(), &cargo(), PATIENCE).await;
    let deaf = Requests::listen(&broker).await.unwrap();
    let late = ask(&broker, &job(), &cargo(), Duration::from_millis(200)).await;
    deaf.stop().await;
    broker.flush().await;
    let gone = ask(&broker, &job(), &cargo(), PATIENCE).await;

    assert_eq!(nobody, Err(NoAnswer::Nobody));
    assert_eq!(late, Err(NoAnswer::Late));
    assert_eq!(gone, Err(NoAnswer::Nobody));
}

fn job() -> Job {
    Job {
        id: "test-1:ep_1".parse().unwrap(),
        organisation: "acme".parse().unwrap(),
        endpoint: "ep_1".parse().unwrap(),
        revision: 1,
        event: "test-1".parse().unwrap(),
        name: "a.b".parse().unwrap(),
        category: None,
        content: Content::default(),
        body_hash: BodyHash::of(b"{}"),
        accepted_at: Timestamp::from_millis(1),
        attempt: 1,
        retry: 0,
        hold: 0,
        due: None,
        trigger: Trigger::Test,
        run: Run::Once,
        request: None,
    }
}

fn cargo() -> Cargo {
    Cargo {
        body: Bytes::from_static(b"{}"),
        trace: TraceHeaders::new(
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            None,
        ),
        previous: None,
    }
}

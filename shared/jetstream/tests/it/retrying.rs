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
    overdue::{OVERDUE_AFTER, Sweep},
    publisher::{Error, Publisher},
    retry_lane::{Cargo, Waiting, message},
    wire::{self, TraceHeaders},
};
use test_support::{NatsServer, eventually};

use crate::broker;

const BOUND: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_scheduled_job_comes_back_whole_when_it_is_due() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    let publisher = Publisher::new(&broker);
    let job = job(0);

    publisher
        .publish(message(&broker.names, &job, &cargo(), Waiting::Schedule))
        .await
        .unwrap();

    let client = server.client().await;
    let fired = eventually("the schedule fires", BOUND, async || {
        let messages = client.messages("posthorn_RETRIES").await;
        messages
            .into_iter()
            .find(|message| message.subject.starts_with("posthorn.retries."))
            .ok_or("nothing on the retry lane")
    })
    .await;
    let text = fired.header(wire::JOB_HEADER).unwrap();
    assert_eq!(wire::job::decode(text).unwrap(), job);
    assert_eq!(fired.body, "{\"a\": 1}");
    assert_eq!(
        fired.header("traceparent"),
        Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    );
    assert!(now_ms() >= job.due.unwrap().millis());
}

#[tokio::test]
async fn each_hold_of_an_attempt_has_a_schedule_of_its_own() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    let publisher = Publisher::new(&broker);

    for hold in 0..3 {
        let message = message(&broker.names, &job(hold), &cargo(), Waiting::Schedule);
        assert!(!publisher.publish(message).await.unwrap().duplicate);
    }

    let client = server.client().await;
    eventually("all three fire", BOUND, async || {
        let messages = client.messages("posthorn_RETRIES").await;
        let fired = messages
            .iter()
            .filter(|m| m.subject.starts_with("posthorn.retries."))
            .count();
        if fired == 3 {
            Ok(())
        } else {
            Err(format!("{fired} fired"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_an_older_server_made_takes_no_schedules_and_nothing_stalls() {
    let server = NatsServer::start();
    let client = server.client().await;
    client
        .context()
        .create_stream(async_nats::jetstream::stream::Config {
            name: "posthorn_RETRIES".to_owned(),
            subjects: vec![
                "posthorn.retries.*".to_owned(),
                "posthorn.scheduled.>".to_owned(),
            ],
            retention: async_nats::jetstream::stream::RetentionPolicy::WorkQueue,
            ..Default::default()
        })
        .await
        .unwrap();
    let broker = broker(&server).await;
    let publisher = Publisher::new(&broker);

    let scheduled = message(&broker.names, &job(0), &cargo(), Waiting::Schedule);
    let refused = publisher.publish_until_stored(|| scheduled.clone()).await;

    assert!(!broker.keeps_schedules());
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert!(*publisher.flowing().borrow());
    let waiting = message(&broker.names, &job(0), &cargo(), Waiting::Nak);
    publisher
        .publish_until_stored(|| waiting.clone())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_schedule_that_did_not_fire_is_fired_once_by_the_sweep() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    let publisher = Publisher::new(&broker);
    // A message on a schedule's subject that is no schedule stays there, like one that was lost.
    let mut stuck = message(&broker.names, &job(3), &cargo(), Waiting::Nak);
    stuck.subject = broker.names.scheduled(&job(3));
    publisher.publish(stuck).await.unwrap();
    let mut sweep = Sweep::new(&broker, &publisher).await.unwrap();
    let late = Timestamp::from_millis(now_ms() + 1_500).after(OVERDUE_AFTER);

    let early = sweep.look(10, Timestamp::from_millis(now_ms())).await;
    let fired = sweep.look(10, late).await;
    let again = sweep.look(10, late).await;

    assert_eq!((early, fired, again), (Ok(0), Ok(1), Ok(0)));
    let client = server.client().await;
    let left = client.messages("posthorn_RETRIES").await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].subject, broker.names.retry(&job(3).endpoint));
}

fn job(hold: u32) -> Job {
    Job {
        id: "evt:1:ep_1".parse().unwrap(),
        organisation: "acme".parse().unwrap(),
        endpoint: "ep_1".parse().unwrap(),
        revision: 1,
        event: "evt:1".parse().unwrap(),
        name: "a.b".parse().unwrap(),
        category: None,
        content: Content::default(),
        body_hash: BodyHash::of(b""),
        accepted_at: Timestamp::from_millis(1),
        attempt: 2,
        retry: 1,
        hold,
        due: Some(Timestamp::from_millis(now_ms() + 1_500)),
        trigger: Trigger::Retry,
        run: Run::Policy,
        request: None,
    }
}

fn cargo() -> Cargo {
    Cargo {
        body: Bytes::from_static(b"{\"a\": 1}"),
        trace: TraceHeaders::new(
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            None,
        ),
        previous: None,
    }
}

/// The wall clock, for a test that waits for a real broker.
fn now_ms() -> i64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

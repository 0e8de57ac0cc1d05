//! A message of the next version waits for a reader that knows it, however often it is handed out, and is put aside by nobody.

use std::time::Duration;

use e2e::{Organisation, Service, Stack};
use serde_json::{Value, json};
use test_support::{Answer, BrokerClient, Receiver, eventually, script};

use super::{nothing_is_left, requests};
use crate::BOUND;

const CONFIGS: &str = "/api/v2/admin/webhooks/configs";
/// From so many on the broker's count makes a message suspicious.
const OFTEN: i64 = 21;
/// What a reader hands back comes again after 30 s: long enough for two more looks.
const LOOKS_BOUND: Duration = Duration::from_secs(90);

const EVENTS: (&str, &str) = ("posthorn_EVENTS", "fan-out");
const JOBS: (&str, &str) = ("posthorn_JOBS", "delivery");
const RETRIES: (&str, &str) = ("posthorn_RETRIES", "delivery-retries");
const ATTEMPTS: (&str, &str) = ("posthorn_ATTEMPTS", "log-writer");

#[tokio::test]
async fn messages_of_the_next_version_wait_in_every_stream_until_it_comes() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let flaky = Receiver::start(script::failing_first(1, 500));
    let soon = json!({"retryPolicy": {"preset": "custom", "delay": {"fixed": 15_000}}});
    acme.register(&flaky.url("/"), &["order.*"], soon).await;

    for service in [Service::Delivery, Service::LogWriter] {
        stack.drain(service).await;
    }
    let (globex, _receiver) = an_event_waits_for_who_can_read_its_endpoint(&mut stack).await;
    jobs_retries_and_records_wait(&mut stack, &acme, &flaky).await;
    for service in [Service::Delivery, Service::LogWriter] {
        let next = stack.add_next_version(service).await;
        stack.replace_by(next).await;
    }

    let expected = [
        ("evt-job", 1),
        ("evt-job", 2),
        ("evt-retry", 1),
        ("evt-retry", 2),
    ];
    let expected = expected.map(|(id, attempt)| (id.to_owned(), attempt));
    eventually(
        "what waited is delivered and logged",
        LOOKS_BOUND,
        async || {
            let (mut seen, logged) = (requests(&flaky), acme.at(&stack).logged("").await);
            seen.sort();
            if seen == expected && logged == expected {
                Ok(())
            } else {
                Err(format!("requests {seen:?}, records {logged:?}"))
            }
        },
    )
    .await;
    globex.at(&stack).wait_logs(1, "").await;
    nothing_is_left(&stack).await;
    stack.stop().await;
}

/// The next admin writes an endpoint; the old fan-out hands back its organisation's events, and the next one makes jobs of them.
async fn an_event_waits_for_who_can_read_its_endpoint(
    stack: &mut Stack,
) -> (Organisation, Receiver) {
    let globex = stack.organisation("globex").await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let next = stack.add_next_version(Service::Admin).await;
    stack.replace_by(next).await;
    let config = json!([{"url": receiver.url("/"), "events": ["*"]}]);
    // The old fan-out follows the bucket, whether it can read what is in it or not.
    globex
        .at(stack)
        .admin
        .put(CONFIGS, &config)
        .await
        .expect(200);
    let broker = stack.broker_client().await;
    stack.drain(Service::FanOut).await;
    globex.send(&event("evt-config")).await;

    broker.hand_back(EVENTS, 1, OFTEN, BOUND).await;
    looked_at_in_vain(stack, &broker, &[(Service::FanOut, &[EVENTS])]).await;

    let next = stack.add_next_version(Service::FanOut).await;
    stack.replace_by(next).await;
    eventually(
        "the event has become a job",
        LOOKS_BOUND,
        async || match broker.unsettled(EVENTS.0, EVENTS.1).await {
            Some(0) => Ok(()),
            other => Err(format!("{other:?} are not settled")),
        },
    )
    .await;
    (globex, receiver)
}

/// The next delivery leaves a retry and a batch of records, the next fan-out a job; old readers of all three hand them back.
async fn jobs_retries_and_records_wait(stack: &mut Stack, acme: &Organisation, flaky: &Receiver) {
    let broker = stack.broker_client().await;
    let next = stack.add_next_version(Service::Delivery).await;
    acme.send(&event("evt-retry")).await;
    flaky.wait_for(1, BOUND).await;
    for (stream, _) in [RETRIES, ATTEMPTS] {
        holds(&broker, stream).await;
    }
    stack.drain_replica(next).await;
    acme.send(&event("evt-job")).await;
    holds(&broker, JOBS.0).await;

    for (stream, durable) in [JOBS, RETRIES, ATTEMPTS] {
        let messages = broker.messages(stream).await;
        assert!(!messages.is_empty(), "{stream} holds nothing");
        for message in &messages {
            let header = message.header("Posthorn-Job").unwrap_or_default();
            let text = format!("{header}{}", String::from_utf8_lossy(&message.body));
            assert!(text.contains("\"schema\":2"), "{stream}: {text}");
        }
        broker
            .hand_back((stream, durable), messages.len(), OFTEN, LOOKS_BOUND)
            .await;
    }
    let readers: [(Service, &[(&str, &str)]); 2] = [
        (Service::Delivery, &[JOBS, RETRIES]),
        (Service::LogWriter, &[ATTEMPTS]),
    ];
    looked_at_in_vain(stack, &broker, &readers).await;
    assert_eq!(flaky.count(), 1);
    assert_eq!(acme.at(stack).logged("").await, []);
}

/// Starts readers of this version, and returns when each consumer's messages were handed out twice more: they wait as
/// before, and what was noted about them as suspects was taken back.
async fn looked_at_in_vain(
    stack: &mut Stack,
    broker: &BrokerClient,
    readers: &[(Service, &[(&str, &str)])],
) {
    let mut before = Vec::new();
    for (_, consumers) in readers {
        for (stream, durable) in *consumers {
            let waiting = broker.unsettled(stream, durable).await;
            let handed_out = broker.handed_out(stream, durable).await;
            before.push((*stream, *durable, waiting, handed_out));
        }
    }
    for (service, _) in readers {
        let reader = stack.service(*service);
        reader.restart();
        reader.wait_ready().await;
    }
    for (stream, durable, waiting, handed_out) in before {
        let enough = handed_out + 2 * waiting.unwrap();
        eventually(&format!("{durable} looks twice"), LOOKS_BOUND, async || {
            let now = broker.handed_out(stream, durable).await;
            if now >= enough {
                Ok(())
            } else {
                Err(format!("{now} of {enough}"))
            }
        })
        .await;
        assert_eq!(
            broker.unsettled(stream, durable).await,
            waiting,
            "{durable}"
        );
    }
    eventually("no suspect is left", BOUND, async || {
        let notes = broker.messages("KV_posthorn_suspects").await;
        let noted = notes
            .iter()
            .filter(|note| note.header("KV-Operation").is_none());
        match (notes.len(), noted.count()) {
            (0, _) => Err("none was noted".to_owned()),
            (_, 0) => Ok(()),
            (_, noted) => Err(format!("{noted} are noted")),
        }
    })
    .await;
}

async fn holds(broker: &BrokerClient, stream: &str) {
    eventually(
        &format!("{stream} holds a message"),
        BOUND,
        async || match broker.count(stream).await {
            Some(count) if count > 0 => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
    .await;
}

fn event(id: &str) -> Value {
    json!({"id": id, "eventSubCategory": "order.paid"})
}

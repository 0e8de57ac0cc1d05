//! SIGTERM to any service while attempts are in flight: it exits with 0, and nothing is lost or skipped.

use std::time::Duration;

use e2e::{Delivered, Organisation, Service, Stack, Store};
use serde_json::{Value, json};
use test_support::{Answer, Received, Receiver, Signal, eventually};

use crate::BOUND;

const EVENTS: u64 = 12;
/// Every answer takes this long, so that a signal finds attempts in flight.
const ANSWER_TIME: Duration = Duration::from_millis(1_200);
/// How long services keep what is in flight when the broker is away.
const GRACE: Duration = Duration::from_secs(5);
/// In-flight attempts take one answer; the rest of the bound is for a busy machine.
const DRAIN_BOUND: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_drain_of_any_service_loses_no_attempt_and_skips_no_number() {
    let mut stack = Stack::start().await;

    for service in Service::ALL {
        let id = format!("during-{}", service.binary());
        let acme = stack.organisation(&id).await;
        let receiver = Receiver::start(slow_and_failing_once);
        let quick = json!({"retryPolicy": {"preset": "nudj", "delay": {"fixed": 200}}});
        acme.register(&receiver.url("/hook"), &["*"], quick).await;
        acme.send(&Value::Array((0..EVENTS).map(event).collect()))
            .await;
        receiver.wait_for(1, BOUND).await;

        stack.service(service).signal(Signal::Terminate);
        let status = stack.service(service).wait_exit(DRAIN_BOUND).await;
        assert!(
            status.success(),
            "{service:?}: {status}: {}",
            stack.service(service).log()
        );
        stack.service(service).restart();
        stack.wait_ready().await;

        assert_each_event_took_two_attempts(service, &acme, &receiver).await;
    }
}

#[tokio::test]
async fn a_service_drains_in_time_while_the_broker_is_away() {
    let limits = [("POSTHORN_SHUTDOWN_GRACE_S", "5")];
    let mut stack = Stack::start_limited(Store::Sqlite, "info", &limits).await;
    let receiver = Receiver::start(slow_and_failing_once);
    let acme = stack.organisation("acme").await;
    acme.register(&receiver.url("/hook"), &["*"], json!({}))
        .await;
    acme.send(&event(1)).await;
    receiver.wait_for(1, BOUND).await;

    stack.broker().kill();
    for service in Service::ALL {
        stack.service(service).signal(Signal::Terminate);
    }

    for service in Service::ALL {
        // The job in flight is held until the grace period ends: its outcome can't be stored.
        let status = stack.service(service).wait_exit(GRACE + DRAIN_BOUND).await;
        assert!(
            status.success(),
            "{service:?}: {status}: {}",
            stack.service(service).log()
        );
    }
}

fn slow_and_failing_once(request: &Received) -> Answer {
    let status = if request.attempt() == 1 { 500 } else { 200 };
    Answer::status(status).after(ANSWER_TIME)
}

fn event(number: u64) -> Value {
    json!({"id": format!("evt-{number:02}"), "eventSubCategory": "reward-claim", "payload": {}})
}

async fn assert_each_event_took_two_attempts(
    service: Service,
    acme: &Organisation,
    receiver: &Receiver,
) {
    let expected: Vec<Delivered> = (0..EVENTS)
        .flat_map(|n| [1, 2].map(|attempt| (format!("evt-{n:02}"), attempt)))
        .collect();
    receiver.wait_for(EVENTS * 2, BOUND).await;
    let logged = eventually("the log is complete", BOUND, async || {
        let logged = acme.logged("").await;
        if logged.len() >= expected.len() {
            Ok(logged)
        } else {
            Err(logged.len())
        }
    })
    .await;
    let mut seen: Vec<Delivered> = receiver
        .requests()
        .iter()
        .map(|request| (request.event_id().to_owned(), request.attempt()))
        .collect();
    seen.sort();
    assert_eq!(seen, expected, "requests around the drain of {service:?}");
    assert_eq!(logged, expected, "records around the drain of {service:?}");
}

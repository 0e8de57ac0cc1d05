//! Promises 1 and 5: whatever is killed, every accepted event is delivered and every request is in the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use e2e::{Delivered, Organisation, Service, Stack};
use serde_json::{Value, json};
use test_support::{Answer, Received, Receiver, eventually};

use crate::BOUND;

const EVENTS: usize = 2_000;
const BATCH: usize = 10;
/// A batch each 40 ms keeps events flowing for the eight seconds and more that the kills take.
const BATCH_EVERY: Duration = Duration::from_millis(40);
/// Long enough that a kill always finds attempts in flight.
const ANSWER_TIME: Duration = Duration::from_millis(100);
/// A broker that lost its consumer waits 30 s for an ack before it hands a message out again.
const SETTLE_BOUND: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug)]
enum Victim {
    Service(Service),
    Broker,
}

#[tokio::test]
async fn killing_the_broker_or_any_service_around_delivery_loses_no_event_and_no_record() {
    let victims = [
        Victim::Service(Service::Ingest),
        Victim::Service(Service::FanOut),
        Victim::Service(Service::LogWriter),
        Victim::Broker,
        Victim::Service(Service::Admin),
    ];

    let run = run(&victims).await;

    // A living process saw every outcome: one record for each request, no more and no less.
    let log = eventually("the log has every request", SETTLE_BOUND, async || {
        let log = run.acme.logged("").await;
        if log.len() >= run.requests().len() {
            Ok(log)
        } else {
            Err(log.len())
        }
    })
    .await;
    assert_same(&run.requests(), &log);
}

#[tokio::test]
async fn killing_delivery_repeats_what_it_cut_off_under_the_same_number() {
    let victims = [Victim::Service(Service::Delivery); 3];

    let run = run(&victims).await;

    let log = eventually("the log has every attempt", SETTLE_BOUND, async || {
        let log = run.acme.logged("").await;
        let logged: BTreeSet<&Delivered> = log.iter().collect();
        let requests = run.requests();
        let missing: Vec<&Delivered> = requests
            .iter()
            .filter(|pair| !logged.contains(pair))
            .collect();
        if missing.is_empty() {
            Ok(log)
        } else {
            Err(format!("missing {missing:?}"))
        }
    })
    .await;
    assert!(
        run.requests().len() > log.len(),
        "the kills have cut attempts off"
    );
    // What was cut off is a request without a record; a record without a request there cannot be.
    let requests = run.requests();
    let mut requests = counted(&requests);
    for pair in &log {
        let left = requests
            .get_mut(pair)
            .unwrap_or_else(|| panic!("{pair:?} was never sent"));
        *left = left
            .checked_sub(1)
            .unwrap_or_else(|| panic!("{pair:?} is logged too often"));
    }
}

/// What is left of a run: nothing is on its way any more.
struct Run {
    acme: Organisation,
    receiver: Receiver,
    _stack: Stack,
}

impl Run {
    fn requests(&self) -> Vec<Delivered> {
        let mut pairs: Vec<Delivered> = self.receiver.requests().iter().map(pair).collect();
        pairs.sort();
        pairs
    }
}

/// Sends all events while the victims are killed in turn, and waits until each has had its 200.
async fn run(victims: &[Victim]) -> Run {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(answer);
    let quick = json!({"retryPolicy": {"preset": "nudj", "delay": {"fixed": 300}}});
    acme.register(&receiver.url("/hook"), &["*"], quick).await;
    let accepted = AtomicUsize::new(0);

    let (ids, ()) = tokio::join!(
        produce(&acme, &accepted),
        kill(&mut stack, victims, &accepted)
    );

    assert_eq!(ids.len(), EVENTS);
    wait_until_all_succeed(&receiver, &ids).await;
    wait_until_idle(&stack).await;
    Run {
        acme,
        receiver,
        _stack: stack,
    }
}

fn answer(request: &Received) -> Answer {
    Answer::status(status(request)).after(ANSWER_TIME)
}

/// Fails the first attempt of every hundredth event, so that retries live through the kills as well.
fn status(request: &Received) -> u16 {
    if request.attempt() == 1 && request.event_id().ends_with("20") {
        500
    } else {
        200
    }
}

async fn produce(acme: &Organisation, accepted: &AtomicUsize) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut pace = tokio::time::interval(BATCH_EVERY);
    for first in (0..EVENTS).step_by(BATCH) {
        pace.tick().await;
        let events: Vec<Value> = (first..first + BATCH).map(event).collect();
        ids.extend(acme.send_until_accepted(&Value::Array(events), BOUND).await);
        accepted.fetch_add(BATCH, Ordering::Relaxed);
    }
    ids
}

/// Kills each victim when its share of the events is accepted, and starts it again at once.
async fn kill(stack: &mut Stack, victims: &[Victim], accepted: &AtomicUsize) {
    for (turn, victim) in victims.iter().enumerate() {
        let due = EVENTS * (turn + 1) / (victims.len() + 1);
        eventually(&format!("{due} events are accepted"), BOUND, async || {
            let count = accepted.load(Ordering::Relaxed);
            if count >= due { Ok(()) } else { Err(count) }
        })
        .await;
        match victim {
            Victim::Service(service) => stack.service(*service).restart(),
            Victim::Broker => stack.broker().restart(),
        }
        stack.wait_ready().await;
    }
}

fn event(number: usize) -> Value {
    json!({"id": format!("evt-{number:05}"), "eventSubCategory": "load-test", "payload": {"n": number}})
}

async fn wait_until_all_succeed(receiver: &Receiver, ids: &BTreeSet<String>) {
    eventually(
        "every accepted event is delivered",
        SETTLE_BOUND,
        async || {
            let requests = receiver.requests();
            let succeeded: BTreeSet<&str> = requests
                .iter()
                .filter(|request| status(request) == 200)
                .map(Received::event_id)
                .collect();
            let missing: Vec<&String> = ids
                .iter()
                .filter(|id| !succeeded.contains(id.as_str()))
                .collect();
            if missing.is_empty() {
                Ok(())
            } else {
                Err(format!("{} of them: {missing:?}", missing.len()))
            }
        },
    )
    .await;
}

/// Waits until no job, retry or batch of records is left, so that no request can follow.
async fn wait_until_idle(stack: &Stack) {
    let broker = stack.broker_client().await;
    eventually("the queues are empty", SETTLE_BOUND, async || {
        let mut left = Vec::new();
        for stream in ["posthorn_JOBS", "posthorn_RETRIES", "posthorn_ATTEMPTS"] {
            left.push((stream, broker.count(stream).await));
        }
        if left.iter().all(|(_, count)| *count == Some(0)) {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await;
}

fn pair(request: &Received) -> Delivered {
    (request.event_id().to_owned(), request.attempt())
}

fn counted(pairs: &[Delivered]) -> BTreeMap<&Delivered, usize> {
    let mut counts = BTreeMap::new();
    for pair in pairs {
        *counts.entry(pair).or_default() += 1;
    }
    counts
}

fn assert_same(requests: &[Delivered], log: &[Delivered]) {
    let (requests, log) = (counted(requests), counted(log));
    let different: Vec<_> = requests
        .keys()
        .chain(log.keys())
        .filter(|pair| requests.get(*pair) != log.get(*pair))
        .map(|pair| (pair, requests.get(*pair), log.get(*pair)))
        .collect();
    assert!(
        different.is_empty(),
        "(event, attempt), requests, records: {different:?}"
    );
}

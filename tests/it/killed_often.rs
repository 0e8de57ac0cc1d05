//! Promises 1 and 3 under a hail of crashes: delivery is killed fifty times while thousands of requests go
//! to receivers that fail some of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, Instant},
};

use e2e::{Organisation, Service, Stack};
use serde_json::{Value, json};
use test_support::{Answer, Received, Receiver, eventually};

use crate::BOUND;

const KILLS: usize = 50;
const ENDPOINTS: usize = 5;
/// Events for each kill, and as many for the time after the last one: 5,100 jobs in all.
const EVENTS_PER_KILL: usize = 20;
/// What a kill cuts off is handed out again 30 s later, and the last one may cut that off again.
const SETTLE_BOUND: Duration = Duration::from_secs(100);
/// The longest from an answer to the acknowledgement of its job: the publishes between them on a busy
/// machine. Kills are further apart, so this tells what they cut off from what they did not.
const SETTLED_AFTER: Duration = Duration::from_millis(500);
/// How long after a kill a request may be read that was sent before it.
const READ_LATE: Duration = Duration::from_millis(200);
/// How long receivers take for most answers, and for some.
const QUICK: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_millis(400);

/// An attempt as receivers and the log tell it: endpoint, event, number.
type Attempt = (String, String, u32);

/// When a request arrived, and how long its answer took.
type Arrival = (Instant, Duration);

#[tokio::test]
async fn fifty_kills_lose_nothing_and_explain_every_duplicate() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let endpoints = endpoints(&acme).await;

    let kills = kill_while_events_flow(&mut stack, &acme, &endpoints).await;
    wait_until_idle(&stack).await;

    let requests = requests(&endpoints);
    assert_all_taken(&endpoints);
    let dead = stack.broker_client().await.count("posthorn_DEAD").await;
    assert_eq!(dead, Some(0), "every third attempt succeeds");
    let log = whole_log(&acme, &requests).await;
    assert_contiguous(&log);
    let found = explain(&requests, &kills);
    println!("{found}; {} records", log.len());
    assert!(found.unexplained.is_empty(), "{:?}", found.unexplained);
    assert!(found.repeats > 0, "the kills have cut attempts off");
}

/// An endpoint with its id and its receiver.
struct Endpoint {
    id: String,
    receiver: Receiver,
}

async fn endpoints(acme: &Organisation) -> Vec<Endpoint> {
    let policy = json!({
        "maxRetries": 20,
        "retryPolicy": {"preset": "custom", "delay": {"fixed": 200}},
    });
    let mut endpoints = Vec::new();
    for number in 0..ENDPOINTS {
        let receiver = Receiver::start(move |request| answer(request, number));
        let saved = acme
            .register(&receiver.url("/hook"), &["*"], policy.clone())
            .await;
        let id = saved["id"].as_str().unwrap().to_owned();
        endpoints.push(Endpoint { id, receiver });
    }
    endpoints
}

/// Fails one in seven of the first attempts by an answer, one by a hang-up, and answers one late; fails one
/// in five of the second ones. Never are there ten failures in a row, which would open the breaker.
fn answer(request: &Received, endpoint: usize) -> Answer {
    let number: usize = request
        .event_id()
        .trim_start_matches("evt-")
        .parse()
        .unwrap();
    match (request.attempt(), (number + endpoint) % 7) {
        (1, 0) => Answer::status(500),
        (1, 3) => Answer::Drop,
        (1, 5) => Answer::ok().after(SLOW),
        (2, _) if number.is_multiple_of(5) => Answer::status(503),
        _ => Answer::ok().after(QUICK),
    }
}

/// Sends events, and kills delivery in the midst of their requests, again and again; returns when.
async fn kill_while_events_flow(
    stack: &mut Stack,
    acme: &Organisation,
    endpoints: &[Endpoint],
) -> Vec<Instant> {
    let mut kills = Vec::new();
    for turn in 0..=KILLS {
        let first = turn * EVENTS_PER_KILL;
        let before = arrived(endpoints);
        let events: Vec<Value> = (first..first + EVENTS_PER_KILL).map(event).collect();
        acme.send(&json!(events)).await;
        // At another point of the flow each time.
        let wanted = u64::try_from(10 + turn * 37 % (EVENTS_PER_KILL * ENDPOINTS - 20)).unwrap();
        eventually(&format!("{wanted} requests arrive"), BOUND, async || {
            let count = arrived(endpoints) - before;
            if count >= wanted { Ok(()) } else { Err(count) }
        })
        .await;
        if turn < KILLS {
            let delivery = stack.service(Service::Delivery);
            kills.push(Instant::now());
            delivery.restart();
            delivery.wait_ready().await;
        }
    }
    kills
}

fn arrived(endpoints: &[Endpoint]) -> u64 {
    endpoints
        .iter()
        .map(|endpoint| endpoint.receiver.count())
        .sum()
}

fn event(number: usize) -> Value {
    json!({"id": format!("evt-{number}"), "eventSubCategory": "load-test", "payload": {}})
}

/// Waits until no job, retry or batch of records is left, so that no request can follow.
async fn wait_until_idle(stack: &Stack) {
    let broker = stack.broker_client().await;
    eventually("the queues are empty", SETTLE_BOUND, async || {
        let mut left = Vec::new();
        for stream in ["posthorn_JOBS", "posthorn_RETRIES", "posthorn_ATTEMPTS"] {
            left.push(broker.count(stream).await);
        }
        if left.iter().all(|count| *count == Some(0)) {
            Ok(())
        } else {
            Err(format!("{left:?} in JOBS, RETRIES and ATTEMPTS"))
        }
    })
    .await;
}

/// Returns the requests of each attempt, in the order of their arrival.
fn requests(endpoints: &[Endpoint]) -> BTreeMap<Attempt, Vec<Arrival>> {
    let mut requests: BTreeMap<Attempt, Vec<Arrival>> = BTreeMap::new();
    for (number, endpoint) in endpoints.iter().enumerate() {
        for request in endpoint.receiver.requests() {
            let event = request.event_id().to_owned();
            let attempt = (endpoint.id.clone(), event, request.attempt());
            let arrival = (request.at, takes(&answer(&request, number)));
            requests.entry(attempt).or_default().push(arrival);
        }
    }
    requests
}

/// Asserts that every event had an attempt at every endpoint that is answered with success.
fn assert_all_taken(endpoints: &[Endpoint]) {
    let all: BTreeSet<String> = (0..(KILLS + 1) * EVENTS_PER_KILL)
        .map(|number| format!("evt-{number}"))
        .collect();
    for (number, endpoint) in endpoints.iter().enumerate() {
        let requests = endpoint.receiver.requests();
        let taken: BTreeSet<String> = requests
            .iter()
            .filter(|request| is_taken(&answer(request, number)))
            .map(|request| request.event_id().to_owned())
            .collect();
        let missing: Vec<&String> = all.difference(&taken).collect();
        assert!(
            missing.is_empty(),
            "endpoint {number} has not got {missing:?}"
        );
    }
}

fn is_taken(answer: &Answer) -> bool {
    match answer {
        Answer::Reply { status, .. } => *status == 200,
        Answer::After(_, next) => is_taken(next),
        Answer::Drop => false,
    }
}

fn takes(answer: &Answer) -> Duration {
    match answer {
        Answer::After(pause, next) => *pause + takes(next),
        Answer::Reply { .. } | Answer::Drop => Duration::ZERO,
    }
}

/// Waits until the log has every attempt that a receiver saw, and returns it with whether each succeeded.
async fn whole_log(
    acme: &Organisation,
    requests: &BTreeMap<Attempt, Vec<Arrival>>,
) -> BTreeMap<Attempt, bool> {
    eventually("the log has every attempt", BOUND, async || {
        let mut log = BTreeMap::new();
        for record in acme.logs("").await {
            *log.entry(attempt(&record)).or_insert(false) |= record["success"] == true;
        }
        let missing = requests.keys().find(|attempt| !log.contains_key(*attempt));
        let invented = log.keys().find(|attempt| !requests.contains_key(*attempt));
        if missing.is_none() && invented.is_none() {
            Ok(log)
        } else {
            Err(format!("missing {missing:?}, invented {invented:?}"))
        }
    })
    .await
}

fn attempt(record: &Value) -> Attempt {
    let text = |field: &str| record[field].as_str().unwrap().to_owned();
    let number = record["attempt"].as_u64().unwrap();
    (
        text("webhookConfigId"),
        text("eventId"),
        u32::try_from(number).unwrap(),
    )
}

/// Asserts that the attempts of every job are numbered from 1 without a gap, and that one succeeded.
fn assert_contiguous(log: &BTreeMap<Attempt, bool>) {
    let mut jobs: BTreeMap<(&str, &str), Vec<(u32, bool)>> = BTreeMap::new();
    for ((endpoint, event, number), success) in log {
        let job = jobs.entry((endpoint, event)).or_default();
        job.push((*number, *success));
    }
    assert_eq!(jobs.len(), (KILLS + 1) * EVENTS_PER_KILL * ENDPOINTS);
    for (job, attempts) in jobs {
        let numbers = attempts.iter().map(|(number, _)| *number);
        assert!(
            numbers.eq(1..=u32::try_from(attempts.len()).unwrap()),
            "{job:?}: {attempts:?}"
        );
        assert!(
            attempts.iter().any(|(_, success)| *success),
            "{job:?}: {attempts:?}"
        );
    }
}

/// What the receivers saw, held against the kills.
#[derive(Debug, Default)]
struct Found {
    requests: usize,
    attempts: usize,
    kills: usize,
    repeats: usize,
    /// Repeats of what followed from a repeated attempt, when the broker had forgotten the first one's id.
    inherited: usize,
    unexplained: Vec<Attempt>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills: {} requests for {} attempts, {} repeats, {} of them inherited",
            self.kills, self.requests, self.attempts, self.repeats, self.inherited
        )
    }
}

/// Explains each repeat: a kill came while the request before it was under way, or its record or what
/// follows from it was not stored; or else the attempt before was repeated as well.
fn explain(requests: &BTreeMap<Attempt, Vec<Arrival>>, kills: &[Instant]) -> Found {
    let mut found = Found {
        kills: kills.len(),
        attempts: requests.len(),
        ..Found::default()
    };
    let was_cut = |at: Instant, takes: Duration| {
        kills
            .iter()
            .any(|kill| at <= *kill + READ_LATE && *kill <= at + takes + SETTLED_AFTER)
    };
    for (attempt, arrivals) in requests {
        found.requests += arrivals.len();
        let (endpoint, event, number) = attempt;
        let before = (endpoint.clone(), event.clone(), number - 1);
        let is_inherited = requests.get(&before).is_some_and(|before| before.len() > 1);
        for (at, takes) in arrivals.iter().rev().skip(1) {
            found.repeats += 1;
            match (was_cut(*at, *takes), is_inherited) {
                (true, _) => {}
                (false, true) => found.inherited += 1,
                (false, false) => found.unexplained.push(attempt.clone()),
            }
        }
    }
    found
}

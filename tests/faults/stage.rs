//! An installation under load on which one fault follows another.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use e2e::{Organisation, Service, Stack};
use parking_lot::Mutex;
use serde_json::{Value, json};
use test_support::{Answer, BrokerClient, Link, Received, Receiver, eventually};

use crate::{
    balance::{Attempt, Balance, Books, Record},
    load::Load,
    report::{self, Row},
};

/// How long an installation may take until it delivers what is sent now.
const BACK_BOUND: Duration = Duration::from_secs(150);
/// What a killed process had in its hands is handed out again after 30 s, and a fault may cut that off again.
const SETTLE_BOUND: Duration = Duration::from_secs(240);
/// How long the load goes on between two faults, and after the last one.
const CALM: Duration = Duration::from_secs(1);
/// How long a receiver takes to answer, so that faults find attempts in flight.
const ANSWER_TIME: Duration = Duration::from_millis(20);

/// What a receiver saw, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<(String, u32, Instant)>>>);

impl Seen {
    pub(crate) fn note(&self, event: &str, attempt: u32) {
        self.0
            .lock()
            .push((event.to_owned(), attempt, Instant::now()));
    }

    fn has_event_after(&self, event: &str) -> bool {
        self.0
            .lock()
            .iter()
            .any(|(seen, _, _)| seen.as_str() > event)
    }

    fn times(&self) -> Vec<Instant> {
        self.0.lock().iter().map(|(_, _, at)| *at).collect()
    }
}

#[derive(Debug)]
struct Endpoint {
    id: String,
    seen: Seen,
}

#[derive(Debug)]
struct Fault {
    name: String,
    from: Instant,
    until: Instant,
    back: Instant,
}

/// The installation, what sends to it and what it sends to.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) stack: Stack,
    pub(crate) acme: Organisation,
    /// The way from the producer to ingest.
    pub(crate) to_ingest: Link,
    /// The way from delivery to the receiver that always answers with success.
    pub(crate) to_receiver: Link,
    load: Option<Load>,
    endpoints: Vec<Endpoint>,
    receivers: Vec<Receiver>,
    faults: Vec<Fault>,
}

impl Stage {
    /// Registers two endpoints, one that is always well and one that fails now and then, sometimes for good.
    pub(crate) async fn set(stack: Stack) -> Self {
        let acme = stack.organisation("acme").await;
        let to_ingest = Link::to(address(&stack.url(Service::Ingest)));
        let well = Seen::default();
        let receiver = receiver(&well, |_| Answer::ok().after(ANSWER_TIME));
        let to_receiver = Link::to(address(&receiver.url("")));
        let url = format!("http://{}/hook", to_receiver.address());
        let mut stage = Self {
            load: None,
            stack,
            acme,
            to_ingest,
            to_receiver,
            endpoints: Vec::new(),
            receivers: vec![receiver],
            faults: Vec::new(),
        };
        stage.endpoint(&url, well, json!({})).await;
        let moody = Seen::default();
        let receiver = self::receiver(&moody, moods);
        stage
            .endpoint(&receiver.url("/hook"), moody, json!({}))
            .await;
        stage.receivers.push(receiver);
        stage
    }

    /// Starts the load, for which every endpoint must be there.
    pub(crate) async fn under_load(mut self) -> Self {
        let base = format!("http://{}", self.to_ingest.address());
        self.load = Some(Load::start(self.acme.producer.with_base(base)));
        self.goes_on(CALM).await;
        self
    }

    fn load(&self) -> &Load {
        self.load.as_ref().unwrap()
    }

    /// Registers an endpoint; retries after a wait on the broker's schedules and one in the retry lane.
    pub(crate) async fn endpoint(&mut self, url: &str, seen: Seen, more: Value) {
        let mut fields = json!({
            "maxRetries": 2,
            "retryPolicy": {"preset": "custom", "delay": {"schedule": [500, 2_200]}},
            "timeoutMs": 5_000,
        });
        let all = fields.as_object_mut().unwrap();
        all.extend(more.as_object().unwrap().clone());
        let saved = self.acme.register(url, &["*"], fields).await;
        let id = saved["id"].as_str().unwrap().to_owned();
        self.endpoints.push(Endpoint { id, seen });
    }

    /// Waits until the load has gone on for this long.
    pub(crate) async fn goes_on(&self, duration: Duration) {
        self.load().goes_on(duration).await;
    }

    /// Lets something go wrong, and waits until what is sent afterwards is delivered.
    pub(crate) async fn fault(&mut self, name: &str, inflict: impl AsyncFnOnce(&mut Self)) {
        let from = Instant::now();
        inflict(self).await;
        let until = Instant::now();
        self.come_back(name, until).await;
        self.faults.push(Fault {
            name: name.to_owned(),
            from,
            until,
            back: Instant::now(),
        });
        self.goes_on(CALM).await;
    }

    /// Stops the load, and waits until every job has had its first attempt.
    pub(crate) async fn all_attempted(&self) {
        self.load().stop().await;
        let broker = self.stack.broker_client().await;
        eventually("every job is attempted", SETTLE_BOUND, async || {
            let left = [
                broker.unsettled("posthorn_EVENTS", "fan-out").await,
                broker.count("posthorn_JOBS").await,
            ];
            if left == [Some(0); 2] {
                Ok(())
            } else {
                Err(format!("{left:?} in EVENTS and JOBS"))
            }
        })
        .await;
    }

    /// Waits until everything that was sent is settled, and balances the books.
    pub(crate) async fn settle(self, name: &str) -> Balance {
        self.load().stop().await;
        let broker = self.stack.broker_client().await;
        wait_until_idle(&broker).await;
        let books = self.books(&broker).await;
        let rows = self.rows(&books);
        report::publish(name, &rows);
        let balance = books.balance(|_| true);
        balance.assert_kept(name);
        balance
    }

    async fn come_back(&mut self, name: &str, until: Instant) {
        self.stack.wait_ready().await;
        let what = format!("after {name}, an event that was sent later is delivered");
        eventually(&what, BACK_BOUND, async || {
            let accepted = self.load().accepted();
            let later = accepted.iter().find(|(_, times)| times.offered > until);
            let (event, _) = later.ok_or("none is accepted")?;
            if self.endpoints[0].seen.has_event_after(event) {
                Ok(())
            } else {
                Err("none is delivered")
            }
        })
        .await;
    }

    async fn books(&self, broker: &BrokerClient) -> Books {
        let records = self.acme.logs("").await;
        let letters = broker.messages("posthorn_DEAD").await;
        let ids: BTreeSet<&String> = self.endpoints.iter().map(|endpoint| &endpoint.id).collect();
        let of_load = |endpoint: &String| ids.contains(endpoint);
        Books {
            endpoints: ids.iter().map(|id| (*id).clone()).collect(),
            accepted: self.load().accepted().into_keys().collect(),
            requests: self.requests(),
            records: records
                .iter()
                .map(Record::of)
                .filter(|record| of_load(&record.attempt.0))
                .collect(),
            dead: letters
                .iter()
                .filter_map(|letter| serde_json::from_str(letter.header("Posthorn-Job")?).ok())
                .map(|job: Value| {
                    let text = |field: &str| job[field].as_str().unwrap().to_owned();
                    (text("endpoint"), text("event"))
                })
                .collect(),
        }
    }

    fn requests(&self) -> Vec<Attempt> {
        let mut requests = Vec::new();
        for endpoint in &self.endpoints {
            let seen = endpoint.seen.0.lock();
            requests.extend(
                seen.iter()
                    .map(|(event, attempt, _)| (endpoint.id.clone(), event.clone(), *attempt)),
            );
        }
        requests
    }

    /// Returns a row for each fault; an event counts for the last fault that had begun when it was sent.
    fn rows(&self, books: &Books) -> Vec<Row> {
        let accepted = self.load().accepted();
        let acceptances: Vec<Instant> = accepted.values().map(|times| times.at).collect();
        let deliveries = self.endpoints[0].seen.times();
        let ends = self.faults.iter().skip(1).map(|fault| Some(fault.from));
        let ends = ends.chain([None]);
        let rows = self.faults.iter().zip(ends).map(|(fault, end)| {
            let is_within = |at: Instant| at >= fault.from && end.is_none_or(|end| at < end);
            Row {
                name: fault.name.clone(),
                lasted: fault.until - fault.from,
                back_after: fault.back - fault.until,
                balance: books.balance(|event| {
                    let times = accepted.get(event);
                    times.is_some_and(|times| is_within(times.offered))
                }),
                refused: self
                    .load()
                    .refused()
                    .into_iter()
                    .filter(|at| is_within(*at))
                    .count(),
                without_acceptance: longest_gap(&acceptances, fault.from, fault.back),
                without_delivery: longest_gap(&deliveries, fault.from, fault.back),
            }
        });
        rows.collect()
    }
}

/// Returns the longest time between two of these moments, from a beginning to an end.
fn longest_gap(moments: &[Instant], from: Instant, until: Instant) -> Duration {
    let within = moments
        .iter()
        .copied()
        .filter(|at| *at > from && *at < until);
    let mut moments: Vec<Instant> = within.chain([from, until]).collect();
    moments.sort();
    let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or_default()
}

/// Waits until nothing is left on its way: no event, job, retry or batch of records.
async fn wait_until_idle(broker: &BrokerClient) {
    eventually("everything is settled", SETTLE_BOUND, async || {
        let left = [
            broker.unsettled("posthorn_EVENTS", "fan-out").await,
            broker.unsettled("posthorn_EVENTS", "event-archive").await,
            broker.count("posthorn_JOBS").await,
            broker.count("posthorn_RETRIES").await,
            broker.count("posthorn_ATTEMPTS").await,
        ];
        if left == [Some(0); 5] {
            Ok(())
        } else {
            Err(format!(
                "{left:?} in EVENTS (twice), JOBS, RETRIES, ATTEMPTS"
            ))
        }
    })
    .await;
}

/// Fails two in seven at first, and one of them for good by an answer that is not retried: so the breaker, which counts
/// failures in a row, stays out of it.
fn moods(request: &Received) -> Answer {
    let answer = match (Load::number_of(request.event_id()) % 7, request.attempt()) {
        (0 | 3, 1) => Answer::status(503),
        (0, _) => Answer::status(400),
        _ => Answer::ok(),
    };
    answer.after(ANSWER_TIME)
}

fn receiver(seen: &Seen, script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Receiver {
    let seen = seen.clone();
    Receiver::start(move |request| {
        seen.note(request.event_id(), request.attempt());
        script(request)
    })
}

/// Returns host and port of a URL.
fn address(url: &str) -> SocketAddr {
    let (_, host) = url.split_once("://").unwrap();
    host.trim_end_matches('/').parse().unwrap()
}

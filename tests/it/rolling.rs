//! A rolling change: binaries of two versions side by side under load, and messages of a version that is not there yet.
//!
//! What the two versions say to each other goes over the broker alone, so *the next version* here is a service whose way to
//! the broker rewrites `schema: 1` to `schema: 2` in what it sends, and back in what it is sent. That is a real difference
//! on the wire, made of whatever the services really write, for the price of a proxy. A second set of binaries, built with
//! another number, would show the same and cost each test run a second build; messages written by hand would show
//! only what their author thought of.
//!
//! An event has no schema: anybody may write it, and a number in its headers would let a producer hold up everybody else's.

mod fields;
mod waiting;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    time::Duration,
};

use e2e::{Delivered, Organisation, Service, Stack};
use serde_json::{Value, json};
use test_support::{Answer, Received, Receiver, eventually, script};

use crate::BOUND;

/// The order that `docs/operations/upgrade.md` gives.
const ORDER: [Service; 5] = [
    Service::LogWriter,
    Service::Delivery,
    Service::FanOut,
    Service::Admin,
    Service::Ingest,
];
const BATCH_EVERY: Duration = Duration::from_millis(60);
/// How many events are delivered while both versions of a service run.
const SIDE_BY_SIDE: u64 = 60;
/// A message of the next version that an old replica met waits for 30 s, and may meet another one while there is one.
const SETTLE_BOUND: Duration = Duration::from_secs(150);

#[tokio::test]
async fn services_are_upgraded_one_by_one_under_load_and_nothing_is_lost() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let steady = Receiver::start(script::always(Answer::ok()));
    let flaky = Receiver::start(refusing_some_once);
    acme.register(&steady.url("/steady"), &["order.*"], json!({}))
        .await;
    let soon = json!({"retryPolicy": {"preset": "custom", "delay": {"fixed": 2_500}}});
    acme.register(&flaky.url("/flaky"), &["order.*"], soon)
        .await;
    let load = Load::new(&acme);

    let (accepted, ()) = tokio::join!(load.run(), upgrade(&mut stack, &load, &steady));

    let expected: Vec<Delivered> = accepted
        .iter()
        .flat_map(|id| {
            let attempts: &[u32] = if is_refused_once(id) {
                &[1, 1, 2]
            } else {
                &[1, 1]
            };
            attempts.iter().map(|attempt| (id.clone(), *attempt))
        })
        .collect();
    eventually("every event is delivered", SETTLE_BOUND, async || {
        let mut seen = requests(&steady);
        seen.extend(requests(&flaky));
        seen.sort();
        if seen == expected {
            Ok(())
        } else {
            Err(difference(&expected, &seen))
        }
    })
    .await;
    let acme = acme.at(&stack);
    eventually("every attempt is logged, once", SETTLE_BOUND, async || {
        let mut logged = acme.logged("").await;
        logged.retain(|(id, _)| accepted.contains(id));
        if logged == expected {
            Ok(())
        } else {
            Err(difference(&expected, &logged))
        }
    })
    .await;
    nothing_is_left(&stack).await;
    stack.stop().await;
}

/// Starts the next version of each service, lets both take part, and drains the old one. A config that was saved while both
/// were there gets the next event.
async fn upgrade(stack: &mut Stack, load: &Load, steady: &Receiver) {
    for service in ORDER {
        let next = stack.add_next_version(service).await;
        if service == Service::Ingest {
            load.also_to(stack.replica(next).url());
        }
        steady
            .wait_for(steady.count() + SIDE_BY_SIDE, SETTLE_BOUND)
            .await;
        let name = format!("upgraded.{}", service.name());
        let receiver = Receiver::start(script::always(Answer::ok()));
        let acme = load.organisation().at(stack);
        acme.register(&receiver.url("/"), &[&name], json!({})).await;
        stack.replace_by(next).await;
        let event = json!({"eventSubCategory": name});
        acme.at(stack).send_until_accepted(&event, BOUND).await;
        receiver.wait_for(1, SETTLE_BOUND).await;
    }
    load.stop();
}

/// A producer that sends until it is told to stop, to each ingest in turn; what one does not accept it sends to the next one.
struct Load {
    targets: RefCell<Vec<Organisation>>,
    stopped: Cell<bool>,
}

impl Load {
    fn new(organisation: &Organisation) -> Self {
        Self {
            targets: RefCell::new(vec![organisation.clone()]),
            stopped: Cell::new(false),
        }
    }

    fn organisation(&self) -> Organisation {
        self.targets.borrow()[0].clone()
    }

    fn also_to(&self, url: String) {
        let mut next = self.organisation();
        next.producer = next.producer.with_base(url);
        self.targets.borrow_mut().push(next);
    }

    fn stop(&self) {
        self.stopped.set(true);
    }

    async fn run(&self) -> BTreeSet<String> {
        let mut accepted = BTreeSet::new();
        let mut pace = tokio::time::interval(BATCH_EVERY);
        for batch in 0_u32.. {
            pace.tick().await;
            if self.stopped.get() {
                break;
            }
            let event =
                |n| json!({"id": format!("evt-{batch:05}-{n}"), "eventSubCategory": "order.paid"});
            let events = Value::Array((0..2).map(event).collect());
            accepted.extend(self.send(&events, batch).await);
        }
        accepted
    }

    async fn send(&self, events: &Value, turn: u32) -> Vec<String> {
        let body = bytes::Bytes::from(events.to_string());
        let turn = Cell::new(usize::try_from(turn).unwrap());
        eventually("the events are accepted", BOUND, async || {
            let targets = self.targets.borrow().clone();
            let target = &targets[turn.get() % targets.len()];
            turn.set(turn.get() + 1);
            target.try_send(body.clone()).await
        })
        .await
    }
}

/// Answers 500 to the first attempt of every other event, which is too few for a breaker to open.
fn refusing_some_once(request: &Received) -> Answer {
    let refused = request.attempt() == 1 && is_refused_once(request.event_id());
    Answer::status(if refused { 500 } else { 200 })
}

fn is_refused_once(id: &str) -> bool {
    id.ends_with("-0")
}

/// Returns what a receiver got, one for each request.
fn requests(receiver: &Receiver) -> Vec<Delivered> {
    let requests = receiver.requests();
    let pairs = requests
        .iter()
        .map(|request| (request.event_id().to_owned(), request.attempt()));
    pairs.collect()
}

/// Says what is missing in a sorted list, and what is too much.
fn difference(expected: &[Delivered], seen: &[Delivered]) -> String {
    let count = |list: &[Delivered], one: &Delivered| list.iter().filter(|it| *it == one).count();
    let all: BTreeSet<&Delivered> = expected.iter().chain(seen).collect();
    let different: Vec<String> = all
        .into_iter()
        .map(|one| (one, count(expected, one), count(seen, one)))
        .filter(|(_, wanted, found)| wanted != found)
        .map(|(one, wanted, found)| format!("{one:?} {found} instead of {wanted}"))
        .collect();
    let some = different.iter().take(10).cloned().collect::<Vec<_>>();
    format!("{} different: {}", different.len(), some.join(", "))
}

/// Everything that was under way has come to its end, and nothing was put aside.
async fn nothing_is_left(stack: &Stack) {
    let broker = stack.broker_client().await;
    for stream in ["JOBS", "RETRIES", "ATTEMPTS", "DEAD", "REJECTED"] {
        eventually(&format!("{stream} is empty"), BOUND, async || match broker
            .count(&format!("posthorn_{stream}"))
            .await
        {
            Some(0) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }
}

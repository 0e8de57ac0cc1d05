//! Three brokers that keep three copies: one of them is killed under load, and nobody notices but the operators.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use e2e::{Organisation, Stack};
use parking_lot::Mutex;
use serde_json::{Value, json};
use test_support::{Answer, HttpClient, Receiver, eventually};

use crate::BOUND;

const EVENTS: u64 = 1_500;
const BATCH: usize = 5;
const BATCH_EVERY: Duration = Duration::from_millis(60);
/// How long deliveries may pause: the others notice that a leader is gone after some seconds, and clients look for another
/// server.
const PAUSE_BOUND: Duration = Duration::from_secs(30);
/// What a killed server had handed out is handed out again after 30 s.
const SETTLE_BOUND: Duration = Duration::from_secs(120);

#[tokio::test]
async fn one_of_three_brokers_is_killed_under_load_and_nothing_is_lost() {
    let mut stack = Stack::start_clustered().await;
    scalers_see_the_consumers(&mut stack).await;
    let acme = stack.organisation("acme").await;
    let arrivals = Arrivals::default();
    let seen = arrivals.clone();
    let receiver = Receiver::start(move |_request| {
        seen.note();
        Answer::status(200)
    });
    acme.register(&receiver.url("/hook"), &["*"], json!({}))
        .await;

    let (accepted, ()) = tokio::join!(produce(&acme), kill_leaders(&mut stack, &receiver));

    assert_eq!(u64::try_from(accepted.len()).unwrap(), EVENTS);
    eventually(
        "every accepted event is delivered",
        SETTLE_BOUND,
        async || {
            let requests = receiver.requests();
            let delivered: BTreeSet<&str> = requests
                .iter()
                .map(test_support::Received::event_id)
                .collect();
            let missing = accepted
                .iter()
                .filter(|id| !delivered.contains(id.as_str()))
                .count();
            if missing == 0 { Ok(()) } else { Err(missing) }
        },
    )
    .await;
    let pause = arrivals.longest_pause();
    assert!(pause < PAUSE_BOUND, "deliveries paused for {pause:?}");
    eventually("the log has every delivery", SETTLE_BOUND, async || {
        let logged: BTreeSet<String> = acme
            .logged("")
            .await
            .into_iter()
            .map(|(event, _)| event)
            .collect();
        let missing = accepted.iter().filter(|id| !logged.contains(*id)).count();
        if missing == 0 { Ok(()) } else { Err(missing) }
    })
    .await;
}

/// Where the chart has a scaler of KEDA look, and under the account that it names there, monitoring tells of the consumers.
async fn scalers_see_the_consumers(stack: &mut Stack) {
    let leader = eventually("a server leads", BOUND, async || {
        let leader = stack.cluster().leader_of("posthorn_JOBS").await;
        leader.ok_or("none")
    })
    .await;
    let monitoring = HttpClient::new(stack.cluster().monitoring(leader));
    let account = monitoring
        .get("/jsz?acc=POSTHORN&consumers=true&config=true")
        .await
        .expect(200);
    let streams = account["account_details"][0]["stream_detail"].as_array();
    let mut streams = streams.unwrap().iter();
    let jobs = streams.find(|stream| stream["name"] == "posthorn_JOBS");
    let consumer = &jobs.unwrap()["consumer_detail"][0];
    assert_eq!(consumer["name"], "delivery");
    assert_eq!(consumer["num_pending"], 0);
}

/// Kills who leads the jobs, lets it come back, and then kills who leads the events.
async fn kill_leaders(stack: &mut Stack, receiver: &Receiver) {
    for (stream, after) in [
        ("posthorn_JOBS", EVENTS / 5),
        ("posthorn_EVENTS", EVENTS / 2),
    ] {
        receiver.wait_for(after, BOUND).await;
        let cluster = stack.cluster();
        let leader = eventually("a server leads", BOUND, async || {
            cluster.leader_of(stream).await.ok_or("none")
        })
        .await;
        cluster.server(leader).kill();
        // The load goes on while it is away.
        receiver.wait_for(after + EVENTS / 5, SETTLE_BOUND).await;
        stack.cluster().server(leader).restart();
        stack.wait_ready().await;
    }
}

async fn produce(acme: &Organisation) -> BTreeSet<String> {
    let mut accepted = BTreeSet::new();
    let mut pace = tokio::time::interval(BATCH_EVERY);
    for first in (0..EVENTS).step_by(BATCH) {
        pace.tick().await;
        let events: Vec<Value> = (first..EVENTS)
            .take(BATCH)
            .map(|n| json!({"id": format!("evt-{n:05}"), "eventSubCategory": "load-test", "payload": {"n": n}}))
            .collect();
        accepted.extend(acme.send_until_accepted(&Value::Array(events), BOUND).await);
    }
    accepted
}

/// When requests arrived.
#[derive(Clone, Default)]
struct Arrivals(std::sync::Arc<Mutex<Vec<Instant>>>);

impl Arrivals {
    fn note(&self) {
        self.0.lock().push(Instant::now());
    }

    fn longest_pause(&self) -> Duration {
        let mut times = self.0.lock().clone();
        times.sort();
        let pauses = times.windows(2).map(|pair| pair[1] - pair[0]);
        pauses.max().unwrap_or_default()
    }
}

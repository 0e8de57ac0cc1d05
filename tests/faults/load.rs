//! Events at a steady rate, whatever happens: who sends them does so until each is accepted.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;
use serde_json::{Value, json};
use test_support::{HttpClient, eventually};
use tokio::task::JoinHandle;

const BATCH: usize = 3;
const BATCH_EVERY: Duration = Duration::from_millis(100);
/// How long a sender waits before it tries again, at first and at most.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// How long the last events may take until they are accepted.
const ACCEPT_BOUND: Duration = Duration::from_secs(120);

/// An event that ingest answered with 202.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted {
    /// When it was sent first.
    pub(crate) offered: Instant,
    /// When the 202 came.
    pub(crate) at: Instant,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    offered: AtomicUsize,
    waiting: AtomicUsize,
    accepted: Mutex<BTreeMap<String, Accepted>>,
    refused: Mutex<Vec<Instant>>,
    wrong: Mutex<Vec<String>>,
}

/// A load that runs until it is stopped.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    producing: JoinHandle<()>,
}

impl Load {
    pub(crate) fn start(producer: HttpClient) -> Self {
        let shared = Arc::new(Shared::default());
        let producing = tokio::spawn(produce(producer, Arc::clone(&shared)));
        Self { shared, producing }
    }

    /// Returns the number of an event, by which scripts decide.
    pub(crate) fn number_of(event: &str) -> usize {
        event.rsplit('-').next().unwrap().parse().unwrap_or(0)
    }

    /// Waits until the load has gone on for this long: its batches are the clock of a fault.
    pub(crate) async fn goes_on(&self, duration: Duration) {
        let batches = duration.as_millis() / BATCH_EVERY.as_millis();
        let wanted =
            self.shared.offered.load(Ordering::Relaxed) + usize::try_from(batches).unwrap() * BATCH;
        let what = format!("the load goes on for {duration:?}");
        eventually(&what, duration * 3 + ACCEPT_BOUND, async || {
            let offered = self.shared.offered.load(Ordering::Relaxed);
            if offered >= wanted {
                Ok(())
            } else {
                Err(offered)
            }
        })
        .await;
    }

    /// Returns the events that were accepted so far.
    pub(crate) fn accepted(&self) -> BTreeMap<String, Accepted> {
        self.shared.accepted.lock().clone()
    }

    /// Returns when a sender was told to come back later, or got no answer.
    pub(crate) fn refused(&self) -> Vec<Instant> {
        self.shared.refused.lock().clone()
    }

    /// Sends no more new events, and waits until the last one is accepted.
    pub(crate) async fn stop(&self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        eventually("every event is accepted", ACCEPT_BOUND, async || {
            let waiting = self.shared.waiting.load(Ordering::Relaxed);
            if self.producing.is_finished() && waiting == 0 {
                Ok(())
            } else {
                Err(format!("{waiting} batches wait"))
            }
        })
        .await;
        let wrong = self.shared.wrong.lock();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

async fn produce(producer: HttpClient, shared: Arc<Shared>) {
    let mut pace = tokio::time::interval(BATCH_EVERY);
    while !shared.is_over.load(Ordering::Relaxed) {
        pace.tick().await;
        let first = shared.offered.fetch_add(BATCH, Ordering::Relaxed);
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(send(producer.clone(), Arc::clone(&shared), first));
    }
}

/// Sends a batch as a careful producer does: the same again until it is accepted.
async fn send(producer: HttpClient, shared: Arc<Shared>, first: usize) {
    let ids: Vec<String> = (first..first + BATCH)
        .map(|number| format!("evt-{number:06}"))
        .collect();
    let events: Vec<Value> = ids
        .iter()
        .map(|id| json!({"id": id, "eventSubCategory": "load-test", "payload": {"of": id}}))
        .collect();
    let body = Bytes::from(Value::Array(events).to_string());
    let offered = Instant::now();
    let mut pause = PAUSE;
    loop {
        let sent = producer
            .send(Method::POST, "/api/v2/events", body.clone())
            .await;
        match sent {
            Ok(reply) if reply.status == 202 => break,
            Ok(reply) if reply.status != 503 && reply.status != 429 => {
                shared.wrong.lock().push(reply.to_string());
                break;
            }
            Ok(_) | Err(_) => shared.refused.lock().push(Instant::now()),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    let at = Instant::now();
    let accepted = ids.into_iter().map(|id| (id, Accepted { offered, at }));
    shared.accepted.lock().extend(accepted);
    shared.waiting.fetch_sub(1, Ordering::Relaxed);
}

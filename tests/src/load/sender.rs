//! Sends events over kept-alive connections: as many as go through, or so many a second whatever happens.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::Mutex, sync::mpsc, task::JoinSet};

use super::{payload::Mark, tally::Tally};

/// How long a refused batch waits before it is sent again.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// What is sent, where to, and over how many connections.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// Replicas of ingest, which connections are spread over.
    pub(crate) addresses: Arc<[SocketAddr]>,
    pub(crate) token: String,
    pub(crate) connections: u32,
    pub(crate) batch: u64,
    pub(crate) payload_bytes: usize,
    pub(crate) tally: Arc<Tally>,
    /// Number of the next event.
    pub(crate) next: Arc<AtomicU64>,
}

/// When a sender stops: at a time, or when it is asked to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    at: Option<Instant>,
    asked: Arc<AtomicBool>,
}

impl Stop {
    pub(crate) fn at(end: Instant) -> Self {
        Self {
            at: Some(end),
            ..Self::default()
        }
    }

    pub(crate) fn after(duration: Duration) -> Self {
        Self::at(Instant::now() + duration)
    }

    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Returns whether what is due then is not to be sent any more.
    fn comes_before(&self, due: Instant) -> bool {
        self.asked.load(Ordering::Relaxed) || self.at.is_some_and(|end| due >= end)
    }
}

impl Sender {
    /// Sends the next batch as soon as the one before it is accepted, until `stop`; pauses while more than
    /// `outstanding` deliveries are still to come, so that the queue's length is not what is measured.
    pub(crate) async fn as_fast_as_possible(
        &self,
        stop: &Stop,
        outstanding: u64,
    ) -> anyhow::Result<()> {
        let mut workers = JoinSet::new();
        for number in 0..self.connections {
            let mut connection = self.connect(number).await?;
            let (sender, stop) = (self.clone(), stop.clone());
            workers.spawn(async move {
                while !stop.comes_before(Instant::now()) {
                    if sender.tally.outstanding() > outstanding {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        continue;
                    }
                    let first = sender.next.fetch_add(sender.batch, Ordering::Relaxed);
                    let due = sender.tally.origin().elapsed();
                    sender.post(&mut connection, first, due).await?;
                }
                anyhow::Ok(())
            });
        }
        all(workers).await
    }

    /// Sends so many batches a second until `stop`. Times count from when a batch was due, so that a
    /// pause of the system under test is not hidden by the sender's waiting for it.
    pub(crate) async fn at_rate(&self, stop: &Stop, per_second: f64) -> anyhow::Result<()> {
        let due = schedule(self.tally.origin(), stop.clone(), per_second);
        let due = Arc::new(Mutex::new(due));
        let mut workers = JoinSet::new();
        for number in 0..self.connections {
            let mut connection = self.connect(number).await?;
            let (sender, due) = (self.clone(), Arc::clone(&due));
            workers.spawn(async move {
                loop {
                    let next = due.lock().await.recv().await;
                    let Some(due) = next else {
                        return anyhow::Ok(());
                    };
                    let first = sender.next.fetch_add(sender.batch, Ordering::Relaxed);
                    sender.post(&mut connection, first, due).await?;
                }
            });
        }
        all(workers).await
    }

    /// Sends so many events, rounded up to whole batches, each batch as soon as the one before it on its
    /// connection is accepted. A batch that is refused is sent again.
    pub(crate) async fn exactly(&self, events: u64) -> anyhow::Result<()> {
        let end = self.next.load(Ordering::Relaxed) + events;
        let mut workers = JoinSet::new();
        for number in 0..self.connections {
            let mut connection = self.connect(number).await?;
            let sender = self.clone();
            workers.spawn(async move {
                loop {
                    let first = sender.next.fetch_add(sender.batch, Ordering::Relaxed);
                    if first >= end {
                        return anyhow::Ok(());
                    }
                    let due = sender.tally.origin().elapsed();
                    while !sender.post(&mut connection, first, due).await? {
                        tokio::time::sleep(REFUSED_PAUSE).await;
                    }
                }
            });
        }
        all(workers).await
    }

    async fn connect(&self, number: u32) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let number = usize::try_from(number)?;
        let address = self.addresses.iter().cycle().nth(number);
        let stream = TcpStream::connect(address.context("know an address of ingest")?)
            .await
            .context("connect to ingest")?;
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        let (send, connection) = handshake(TokioIo::new(stream))
            .await
            .context("speak HTTP")?;
        // It ends with its connection, which the requests on it report.
        tokio::spawn(connection);
        Ok(send)
    }

    /// Sends a batch; returns whether it was accepted.
    async fn post(
        &self,
        connection: &mut SendRequest<Full<Bytes>>,
        first: u64,
        due: Duration,
    ) -> anyhow::Result<bool> {
        let request = Request::post("/api/v2/events")
            .header(header::HOST, "load.test")
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-api-token", &self.token)
            .body(Full::new(self.body(first, due)))?;
        connection
            .ready()
            .await
            .context("wait for the connection")?;
        let response = connection
            .send_request(request)
            .await
            .context("send events")?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .context("read the answer")?;
        match status {
            StatusCode::ACCEPTED => self.tally.accepted(first, self.batch, due),
            StatusCode::SERVICE_UNAVAILABLE => self.tally.refused(self.batch),
            other => {
                let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
                anyhow::bail!("events are refused with {other}: {text}");
            }
        }
        Ok(status == StatusCode::ACCEPTED)
    }

    fn body(&self, first: u64, due: Duration) -> Bytes {
        let mut text = String::with_capacity(self.payload_bytes + 256);
        if self.batch == 1 {
            let mark = Mark { number: first, due };
            self.tally.form().write(&mut text, mark, self.payload_bytes);
            return text.into();
        }
        for number in first..first + self.batch {
            text.push(if number == first { '[' } else { ',' });
            let mark = Mark { number, due };
            self.tally.form().write(&mut text, mark, self.payload_bytes);
        }
        text.push(']');
        text.into()
    }
}

/// Says the due time of each batch when it is due, from a thread of its own: the runtime's timer counts in
/// milliseconds, which are as long as what is measured.
fn schedule(origin: Instant, stop: Stop, per_second: f64) -> mpsc::UnboundedReceiver<Duration> {
    let (tx, rx) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let start = Instant::now();
        for number in 0_u32.. {
            let due = start + Duration::from_secs_f64(f64::from(number) / per_second);
            if stop.comes_before(due) {
                return;
            }
            while let Some(rest) = due.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(rest);
            }
            if tx.send(due.duration_since(origin)).is_err() {
                return;
            }
        }
    });
    rx
}

async fn all(mut workers: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(ended) = workers.join_next().await {
        ended.context("run a sender")??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use test_support::{Answer, Receiver};

    use super::*;

    #[tokio::test]
    async fn a_rate_is_kept_and_every_event_is_sent_once() {
        let (ingest, sender) = ingest_and_sender(2);

        sender
            .at_rate(&Stop::after(Duration::from_millis(500)), 100.0)
            .await
            .unwrap();

        let bodies: Vec<Bytes> = ingest
            .requests()
            .iter()
            .map(|request| request.body.clone())
            .collect();
        assert_eq!(bodies.len(), 50);
        assert_eq!(sender.tally.accepted_count(), 100);
        let mut ids: Vec<String> = bodies.iter().flat_map(|body| ids(body)).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 100);
    }

    #[tokio::test]
    async fn as_many_as_asked_are_sent_and_numbers_go_on() {
        let (ingest, sender) = ingest_and_sender(10);

        sender.exactly(50).await.unwrap();
        sender.exactly(50).await.unwrap();

        assert_eq!(ingest.count(), 10);
        assert_eq!(sender.tally.accepted_count(), 100);
    }

    #[tokio::test]
    async fn a_sender_at_a_rate_goes_on_until_it_is_asked_to_stop() {
        let (ingest, sender) = ingest_and_sender(1);
        let stop = Stop::default();

        let asking = async {
            ingest.wait_for(20, Duration::from_secs(20)).await;
            stop.ask();
        };
        let (sent, ()) = tokio::join!(sender.at_rate(&stop, 200.0), asking);

        sent.unwrap();
        assert!(sender.tally.accepted_count() >= 20);
    }

    #[tokio::test]
    async fn a_sender_at_the_maximum_waits_for_deliveries() {
        let (_ingest, sender) = ingest_and_sender(1);

        sender
            .as_fast_as_possible(&Stop::after(Duration::from_millis(300)), 50)
            .await
            .unwrap();

        // Nothing is delivered here, so each connection stops at the first look beyond the limit.
        let accepted = sender.tally.accepted_count();
        assert!(
            (51..=51 + u64::from(sender.connections)).contains(&accepted),
            "{accepted}"
        );
    }

    fn ingest_and_sender(batch: u64) -> (Receiver, Sender) {
        let ingest = Receiver::start(|_| Answer::status(202));
        let address = ingest
            .url("")
            .strip_prefix("http://")
            .unwrap()
            .parse()
            .unwrap();
        let tally = Arc::new(Tally::new("load-test", 1));
        let token = "token".to_owned();
        let sender = Sender {
            addresses: [address].into(),
            token,
            connections: 4,
            batch,
            payload_bytes: 300,
            tally,
            next: Arc::default(),
        };
        (ingest, sender)
    }

    fn ids(body: &[u8]) -> Vec<String> {
        let events: serde_json::Value = serde_json::from_slice(body).unwrap();
        let events = events.as_array().unwrap();
        events
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

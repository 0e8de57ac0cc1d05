//! Sends events over kept-alive connections: as many as go through, or so many a second whatever happens.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
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

use super::{
    payload::{Mark, write_event},
    tally::Tally,
};

/// What is sent, where to, and over how many connections.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    pub(crate) connections: u32,
    pub(crate) batch: u64,
    pub(crate) payload_bytes: usize,
    pub(crate) tally: Arc<Tally>,
}

impl Sender {
    /// Sends the next batch as soon as the one before it is accepted, until `end`; pauses while more than
    /// `outstanding` deliveries are still to come, so that the queue's length is not what is measured.
    pub(crate) async fn as_fast_as_possible(
        &self,
        end: Instant,
        outstanding: u64,
    ) -> anyhow::Result<()> {
        let next = Arc::new(AtomicU64::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..self.connections {
            let mut connection = self.connect().await?;
            let (sender, next) = (self.clone(), Arc::clone(&next));
            workers.spawn(async move {
                while Instant::now() < end {
                    if sender.tally.outstanding() > outstanding {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        continue;
                    }
                    let first = next.fetch_add(sender.batch, Ordering::Relaxed);
                    let due = sender.tally.origin().elapsed();
                    sender.post(&mut connection, first, due).await?;
                }
                anyhow::Ok(())
            });
        }
        all(workers).await
    }

    /// Sends so many batches a second until `end`. Times count from when a batch was due, so that a
    /// pause of the system under test is not hidden by the sender's waiting for it.
    pub(crate) async fn at_rate(&self, end: Instant, per_second: f64) -> anyhow::Result<()> {
        let due = schedule(self.tally.origin(), end, per_second);
        let due = Arc::new(Mutex::new(due));
        let mut workers = JoinSet::new();
        for _ in 0..self.connections {
            let mut connection = self.connect().await?;
            let (sender, due) = (self.clone(), Arc::clone(&due));
            workers.spawn(async move {
                loop {
                    let next = due.lock().await.recv().await;
                    let Some((number, due)) = next else {
                        return anyhow::Ok(());
                    };
                    sender
                        .post(&mut connection, number * sender.batch, due)
                        .await?;
                }
            });
        }
        all(workers).await
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address)
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

    async fn post(
        &self,
        connection: &mut SendRequest<Full<Bytes>>,
        first: u64,
        due: Duration,
    ) -> anyhow::Result<()> {
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
        Ok(())
    }

    fn body(&self, first: u64, due: Duration) -> Bytes {
        let mut text = String::with_capacity(self.payload_bytes + 256);
        if self.batch == 1 {
            write_event(&mut text, Mark { number: first, due }, self.payload_bytes);
            return text.into();
        }
        for number in first..first + self.batch {
            text.push(if number == first { '[' } else { ',' });
            write_event(&mut text, Mark { number, due }, self.payload_bytes);
        }
        text.push(']');
        text.into()
    }
}

/// Says the number and due time of each batch when it is due, from a thread of its own: the runtime's
/// timer counts in milliseconds, which are as long as what is measured.
fn schedule(
    origin: Instant,
    end: Instant,
    per_second: f64,
) -> mpsc::UnboundedReceiver<(u64, Duration)> {
    let (tx, rx) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let start = Instant::now();
        for number in 0_u32.. {
            let due = start + Duration::from_secs_f64(f64::from(number) / per_second);
            if due >= end {
                return;
            }
            while let Some(rest) = due.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(rest);
            }
            if tx
                .send((u64::from(number), due.duration_since(origin)))
                .is_err()
            {
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
            .at_rate(Instant::now() + Duration::from_millis(500), 100.0)
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
    async fn a_sender_at_the_maximum_waits_for_deliveries() {
        let (_ingest, sender) = ingest_and_sender(1);

        sender
            .as_fast_as_possible(Instant::now() + Duration::from_millis(300), 50)
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
        let tally = Arc::new(Tally::new(1));
        let token = "token".to_owned();
        let sender = Sender {
            address,
            token,
            connections: 4,
            batch,
            payload_bytes: 300,
            tally,
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

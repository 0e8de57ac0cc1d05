//! Bare requests, by the client that delivery has, to the receiver that measurements have.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Serialize;
use test_support::Receiver;
use tokio::task::JoinSet;

use super::relay::{self, Relay};
use crate::{
    load::{finding::Settings, histogram::Histogram, ratio},
    process_table::threads_cpu_s,
};

/// The client's thread; the receiver's is called by the second name.
const CLIENT: &str = "floor-client";
const RECEIVER: &str = "receiver";
/// Requests at once: as many as one endpoint gets unless its config says otherwise.
const AT_ONCE: usize = 100;

/// What requests cost.
#[derive(Debug, Serialize)]
pub(super) struct Requests {
    requests: u64,
    requests_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Microseconds of processor time for each.
    client_us: f64,
    receiver_us: f64,
    /// Of the relay, if they go through one.
    relay_us: f64,
}

impl Requests {
    pub(super) fn line(&self, what: &str) -> String {
        let Self {
            requests_per_s,
            p50_ms,
            p99_ms,
            client_us,
            receiver_us,
            relay_us,
            ..
        } = self;
        format!(
            "{what}, {AT_ONCE} at once: {requests_per_s:.0}/s, p50 {p50_ms:.2} ms, p99 {p99_ms:.2}; CPU µs each: \
             client {client_us:.1}, relay {relay_us:.1}, receiver {receiver_us:.1}"
        )
    }
}

/// Sends requests to the receiver for the duration.
///
/// # Errors
/// Fails when a request does.
pub(super) async fn direct(settings: &Settings) -> anyhow::Result<Requests> {
    let receiver = Receiver::observing(|_, _| StatusCode::NO_CONTENT);
    measure(&receiver.url("/0"), settings).await
}

/// Sends requests to the receiver through a relay.
///
/// # Errors
/// Fails when a request does.
pub(super) async fn relayed(settings: &Settings) -> anyhow::Result<Requests> {
    let receiver = Receiver::observing(|_, _| StatusCode::NO_CONTENT);
    let relay = Relay::start(&receiver.url("/0"))?;
    measure(&relay.url(), settings).await
}

/// Returns a client such as delivery has, without TLS.
pub(super) fn client() -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

async fn measure(url: &str, settings: &Settings) -> anyhow::Result<Requests> {
    let url = url.to_owned();
    let body = Bytes::from(vec![b'x'; settings.payload_bytes]);
    let duration = Duration::from_secs_f64(settings.duration_s);
    let before = [RECEIVER, relay::THREAD].map(threads_cpu_s);
    let client = std::thread::Builder::new()
        .name(CLIENT.to_owned())
        .spawn(move || send(&url, &body, duration))?;
    let sent = tokio::task::spawn_blocking(move || client.join()).await?;
    let Ok(sent) = sent else {
        anyhow::bail!("the client's thread panicked");
    };
    let (histogram, client_s) = sent?;
    let [receiver_s, relay_s] = [RECEIVER, relay::THREAD].map(threads_cpu_s);
    let requests = histogram.count();
    let each_us = |cpu_s: f64| cpu_s * 1e6 / ratio(requests.max(1), 1.0);
    Ok(Requests {
        requests,
        requests_per_s: ratio(requests, duration.as_secs_f64()),
        p50_ms: histogram.per_mille_ms(500),
        p99_ms: histogram.per_mille_ms(990),
        client_us: each_us(client_s),
        receiver_us: each_us(receiver_s - before[0]),
        relay_us: each_us(relay_s - before[1]),
    })
}

/// Answers how long requests took, and the thread's processor time in seconds.
fn send(url: &str, body: &Bytes, duration: Duration) -> anyhow::Result<(Histogram, f64)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let histogram = runtime.block_on(send_all(url, body, Instant::now() + duration))?;
    Ok((histogram, threads_cpu_s(CLIENT)))
}

async fn send_all(url: &str, body: &Bytes, end: Instant) -> anyhow::Result<Histogram> {
    let client = client();
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE {
        workers.spawn(send_until(
            end,
            client.clone(),
            url.to_owned(),
            body.clone(),
        ));
    }
    let mut all = Histogram::default();
    while let Some(ended) = workers.join_next().await {
        all.add(&ended??);
    }
    Ok(all)
}

async fn send_until(
    end: Instant,
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    body: Bytes,
) -> anyhow::Result<Histogram> {
    let mut histogram = Histogram::default();
    while Instant::now() < end {
        let began = Instant::now();
        let request = Request::post(&url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.clone()))?;
        let response = client.request(request).await.context("send a request")?;
        anyhow::ensure!(response.status().is_success(), "a request is refused");
        let body = response.into_body();
        body.collect().await.context("read the answer")?;
        histogram.record(began.elapsed());
    }
    Ok(histogram)
}

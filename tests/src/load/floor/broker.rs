//! Messages of the broker: published with an acknowledgement, and consumed with one.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use domain::name::EndpointId;
use jetstream::{
    Broker,
    consumer::{Gate, Pull, Settlement},
    publisher::{Outgoing, Publisher},
    subject::{Durable, Stream},
    topology::{self, Limits},
};
use serde::Serialize;
use test_support::NatsServer;
use tokio_util::sync::CancellationToken;

use crate::{
    load::{finding::Settings, installation::connect, ratio},
    process_table::tree,
};

/// Messages on their way to the broker, and handled at once.
const AT_ONCE: usize = 1_000;
/// How long the broker may take to hand out what it has.
const CONSUME_BOUND: Duration = Duration::from_secs(120);

/// What messages of one kind cost.
#[derive(Debug, Serialize)]
struct Messages {
    count: u64,
    per_s: f64,
    /// Microseconds of the broker's processor time for each.
    broker_us: f64,
}

/// What publishing and consuming costs the broker.
#[derive(Debug, Serialize)]
pub(super) struct Costs {
    published: Messages,
    consumed: Messages,
}

impl Costs {
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |what: &str, messages: &Messages| {
            format!(
                "broker, {what}: {:.0}/s, CPU µs of the broker each {:.1}",
                messages.per_s, messages.broker_us
            )
        };
        vec![
            line("published and acknowledged", &self.published),
            line("consumed and acknowledged", &self.consumed),
        ]
    }
}

/// Publishes for the duration, then consumes it all.
///
/// # Errors
/// Fails when the broker does not store or hand out a message.
pub(super) async fn measure(settings: &Settings) -> anyhow::Result<Costs> {
    let server = NatsServer::start();
    let broker = connect(&server.url()).await?;
    topology::ensure(&broker, &Limits::default()).await?;

    let meter = Meter::begin(&server);
    let count = publish(&broker, settings).await?;
    let published = meter.end(count);
    let meter = Meter::begin(&server);
    consume(&broker, count).await?;
    let consumed = meter.end(count);
    Ok(Costs {
        published,
        consumed,
    })
}

/// The broker's processor time, and the clock, from a moment on.
struct Meter {
    broker: u32,
    used_s: f64,
    began: Instant,
}

impl Meter {
    fn begin(server: &NatsServer) -> Self {
        Self {
            broker: server.pid(),
            used_s: used_s(server.pid()),
            began: Instant::now(),
        }
    }

    fn end(&self, count: u64) -> Messages {
        let used_s = used_s(self.broker) - self.used_s;
        Messages {
            count,
            per_s: ratio(count, self.began.elapsed().as_secs_f64()),
            broker_us: used_s * 1e6 / ratio(count.max(1), 1.0),
        }
    }
}

fn used_s(pid: u32) -> f64 {
    tree(pid).iter().map(|process| process.cpu_s).sum()
}

/// Publishes jobs as fan-out does, for as long as the settings say; answers how many.
async fn publish(broker: &Broker, settings: &Settings) -> anyhow::Result<u64> {
    let publisher = Publisher::new(broker);
    let endpoint: EndpointId = "floor".parse()?;
    let subject = broker.names.job(&endpoint);
    let payload = Bytes::from(vec![b'x'; settings.payload_bytes]);
    let end = Instant::now() + Duration::from_secs_f64(settings.duration_s);
    let mut pending = VecDeque::with_capacity(AT_ONCE);
    let mut count = 0;
    while Instant::now() < end {
        if pending.len() == AT_ONCE
            && let Some(oldest) = pending.pop_front()
        {
            stored(oldest).await?;
        }
        let message = Outgoing {
            subject: subject.clone(),
            message_id: format!("floor-{count}"),
            headers: Default::default(),
            payload: payload.clone(),
        };
        pending.push_back(publisher.send(message).await?);
        count += 1;
    }
    for oldest in pending {
        stored(oldest).await?;
    }
    Ok(count)
}

async fn stored<E: std::error::Error + Send + Sync + 'static, T>(
    ack: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<()> {
    ack.await.context("publish a message")?;
    Ok(())
}

/// Consumes so many jobs as delivery does.
async fn consume(broker: &Broker, count: u64) -> anyhow::Result<()> {
    let draining = CancellationToken::new();
    let pull = Pull {
        durable: Durable::Delivery,
        places: AT_ONCE,
        gate: Gate::default(),
        draining: draining.clone(),
        abort: CancellationToken::new(),
    };
    let (handled, all) = (Arc::new(AtomicU64::new(0)), draining.clone());
    let handler = move |_message| {
        let (handled, all) = (Arc::clone(&handled), all.clone());
        async move {
            if handled.fetch_add(1, Ordering::Relaxed) + 1 == count {
                all.cancel();
            }
            Settlement::Ack
        }
    };
    let consumed = tokio::time::timeout(CONSUME_BOUND, pull.run(broker, handler)).await;
    consumed.with_context(|| {
        let stream = broker.names.stream(Stream::Jobs);
        format!("{stream} was not consumed within {CONSUME_BOUND:?}")
    })??;
    Ok(())
}

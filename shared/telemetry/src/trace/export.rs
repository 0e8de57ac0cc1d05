//! From the end of a span to the collector: a queue that never blocks, and one task that empties it.
//!
//! A collector that is away or slow costs spans, which are counted, and nothing else: the queue is bounded,
//! and one line of the log tells that it begins, one that it is over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use config::SpanBatch;
use opentelemetry::{KeyValue, metrics::Counter};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::Metrics;

/// Why a span is lost: it found no room.
const QUEUE_FULL: &str = "queue-full";
/// Why a span is lost: the collector did not take it.
const EXPORT_FAILED: &str = "export-failed";

/// Takes spans that have ended.
#[derive(Debug)]
pub(crate) struct Queue {
    spans: mpsc::Sender<SpanData>,
    fate: Arc<Fate>,
}

/// What becomes of spans.
#[derive(Debug)]
struct Fate {
    exported: Counter<u64>,
    dropped: Counter<u64>,
    /// Whether it has been said that spans are lost.
    is_losing: AtomicBool,
}

/// The task that sends spans.
#[derive(Debug)]
pub(crate) struct Exporting {
    task: JoinHandle<()>,
    closing: CancellationToken,
}

struct Sending<E> {
    exporter: E,
    settings: SpanBatch,
    spans: mpsc::Receiver<SpanData>,
    fate: Arc<Fate>,
    closing: CancellationToken,
}

/// Starts the task that sends spans; returns what takes them.
pub(crate) fn start<E: SpanExporter + 'static>(
    exporter: E,
    settings: SpanBatch,
    metrics: &Metrics,
) -> (Queue, Exporting) {
    let (sender, receiver) = mpsc::channel(settings.queue);
    let fate = Arc::new(Fate::new(metrics));
    let closing = CancellationToken::new();
    let sending = Sending {
        exporter,
        settings,
        spans: receiver,
        fate: Arc::clone(&fate),
        closing: closing.clone(),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "`Exporting::finish` waits for it, when everything that makes spans has ended"
    )]
    let task = tokio::spawn(sending.run());
    let queue = Queue {
        spans: sender,
        fate,
    };
    (queue, Exporting { task, closing })
}

impl Queue {
    /// Takes a span, or drops it if the queue is full.
    pub(crate) fn push(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.fate
                .lost(1, QUEUE_FULL, "more spans than the collector takes");
        }
    }
}

impl Exporting {
    /// Sends what is left, as far as the time suffices.
    pub(crate) async fn finish(self, within: Duration) {
        self.closing.cancel();
        let mut task = self.task;
        if timeout(within, &mut task).await.is_err() {
            task.abort();
        }
    }
}

impl<E: SpanExporter> Sending<E> {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(self.settings.spans);
        while self.gather(&mut batch).await {
            let spans = std::mem::replace(&mut batch, Vec::with_capacity(self.settings.spans));
            self.send(spans).await;
        }
        if let Err(error) = self.exporter.shutdown() {
            tracing::debug!(%error, "the exporter of spans was closed already");
        }
    }

    /// Fills a batch; returns false when there is nothing more to come.
    async fn gather(&mut self, batch: &mut Vec<SpanData>) -> bool {
        let most = self.settings.spans;
        let closing = self.closing.clone();
        tokio::select! {
            biased;
            count = self.spans.recv_many(batch, most) => if count == 0 {
                return false;
            },
            () = closing.cancelled() => return false,
        }
        let due = Instant::now() + self.settings.delay;
        while batch.len() < most {
            let room = most - batch.len();
            tokio::select! {
                biased;
                more = timeout_at(due, self.spans.recv_many(batch, room)) => {
                    if !more.is_ok_and(|count| count > 0) {
                        break;
                    }
                }
                () = closing.cancelled() => break,
            }
        }
        true
    }

    async fn send(&self, spans: Vec<SpanData>) {
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let sending = self.exporter.export(spans);
        match timeout(self.settings.export_within, sending).await {
            Ok(Ok(())) => self.fate.sent(count),
            Ok(Err(error)) => self.fate.lost(count, EXPORT_FAILED, &error.to_string()),
            Err(_elapsed) => self.fate.lost(count, EXPORT_FAILED, "no answer in time"),
        }
    }
}

impl Fate {
    fn new(metrics: &Metrics) -> Self {
        let meter = metrics.meter();
        let fate = Self {
            exported: meter
                .u64_counter("posthorn_telemetry_spans_exported")
                .with_description("Spans that a collector has taken.")
                .build(),
            dropped: meter
                .u64_counter("posthorn_telemetry_spans_dropped")
                .with_description("Spans that were lost, by reason.")
                .build(),
            is_losing: AtomicBool::new(false),
        };
        // Where there was no counter before, nobody sees its first increase.
        fate.exported.add(0, &[]);
        for reason in [QUEUE_FULL, EXPORT_FAILED] {
            fate.dropped.add(0, &[KeyValue::new("reason", reason)]);
        }
        fate
    }

    fn sent(&self, count: u64) {
        self.exported.add(count, &[]);
        if self.is_losing.swap(false, Ordering::Relaxed) {
            tracing::info!("the collector takes spans again");
        }
    }

    fn lost(&self, count: u64, reason: &'static str, error: &str) {
        self.dropped.add(count, &[KeyValue::new("reason", reason)]);
        if !self.is_losing.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                reason,
                error,
                "spans are lost, and counted, until the collector takes them"
            );
        }
    }
}

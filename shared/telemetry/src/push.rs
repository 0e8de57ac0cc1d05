//! Metrics on their way to a collector: read and sent every so often, by a task of the runtime.

use std::time::Duration;

use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::metrics::{
    data::ResourceMetrics, exporter::PushMetricExporter as _, reader::MetricReader as _,
};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::metrics::Reader;

/// The task that sends metrics.
#[derive(Debug)]
pub(crate) struct Pushing {
    task: JoinHandle<()>,
    closing: CancellationToken,
}

struct Sending {
    reader: Reader,
    exporter: MetricExporter,
    is_failing: bool,
}

/// Starts the task that sends metrics.
pub(crate) fn start(reader: Reader, exporter: MetricExporter, every: Duration) -> Pushing {
    let closing = CancellationToken::new();
    let closed = closing.clone();
    let mut sending = Sending {
        reader,
        exporter,
        is_failing: false,
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "`Pushing::finish` waits for it, when everything that is counted has ended"
    )]
    let task = tokio::spawn(async move {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once, before anything has been counted.
        ticks.tick().await;
        while !closed.is_cancelled() {
            tokio::select! {
                _ = ticks.tick() => {}
                () = closed.cancelled() => {}
            }
            sending.send().await;
        }
    });
    Pushing { task, closing }
}

impl Pushing {
    /// Sends the last figures, if the time suffices.
    pub(crate) async fn finish(self, within: Duration) {
        self.closing.cancel();
        let mut task = self.task;
        if timeout(within, &mut task).await.is_err() {
            task.abort();
        }
    }
}

impl Sending {
    async fn send(&mut self) {
        let mut metrics = ResourceMetrics::default();
        if let Err(error) = self.reader.collect(&mut metrics) {
            tracing::error!(%error, "metrics can't be read");
            return;
        }
        let failure = self.exporter.export(&metrics).await.err();
        let was_failing = std::mem::replace(&mut self.is_failing, failure.is_some());
        match failure {
            Some(error) if !was_failing => {
                tracing::warn!(%error, "metrics don't reach the collector");
            }
            None if was_failing => tracing::info!("metrics reach the collector again"),
            Some(_) | None => {}
        }
    }
}

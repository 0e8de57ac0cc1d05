//! What lies before a consumer, for the metrics of the service that reads it.

use std::time::Duration;

use jetstream::{Broker, subject::Durable};
use telemetry::{Gauge, KeyValue, Metrics};
use tokio_util::sync::CancellationToken;

/// How often the broker is asked.
const LOOK_EVERY: Duration = Duration::from_secs(5);

struct Gauges {
    pending: Gauge<u64>,
    unacknowledged: Gauge<u64>,
    messages: Gauge<u64>,
    bytes: Gauge<u64>,
    fill: Gauge<f64>,
}

impl Gauges {
    fn new(metrics: &Metrics) -> Self {
        let meter = metrics.meter();
        Self {
            pending: meter
                .u64_gauge("posthorn_consumer_pending")
                .with_description("Messages that a consumer was never handed; its lag.")
                .build(),
            unacknowledged: meter
                .u64_gauge("posthorn_consumer_unacknowledged")
                .with_description("Messages that a consumer was handed and has not settled.")
                .build(),
            messages: meter
                .u64_gauge("posthorn_stream_messages")
                .with_description("Messages in a stream.")
                .build(),
            bytes: meter
                .u64_gauge("posthorn_stream_size")
                .with_unit("By")
                .with_description("Bytes of all messages in a stream.")
                .build(),
            fill: meter
                .f64_gauge("posthorn_stream_fill")
                .with_unit("1")
                .with_description("How full a stream is of its most bytes; 0 without a limit.")
                .build(),
        }
    }
}

/// Shows the lag of a consumer until `stop`. Every replica shows the same.
pub(crate) async fn watch(
    broker: Broker,
    durable: Durable,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let gauges = Gauges::new(&metrics);
    let consumer = [KeyValue::new("consumer", durable.name())];
    let stream = [KeyValue::new("stream", durable.stream().name())];
    let watching = async {
        loop {
            match broker.backlog(durable).await {
                Ok(backlog) => {
                    gauges.pending.record(backlog.pending, &consumer);
                    (gauges.unacknowledged).record(backlog.unacknowledged, &consumer);
                    gauges.messages.record(backlog.messages, &stream);
                    gauges.bytes.record(backlog.bytes, &stream);
                    gauges.fill.record(backlog.fill, &stream);
                }
                Err(error) => tracing::debug!(error, "the lag of a consumer is not known"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = watching => {}
    }
}

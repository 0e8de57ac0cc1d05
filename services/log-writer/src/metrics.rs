//! What the log writer counts. No label takes an unbounded set of values.

use std::time::Instant;

use telemetry::{Counter, Histogram, KeyValue, Metrics};
use tokio::sync::watch;

/// The service's instruments.
#[derive(Debug)]
pub(crate) struct Instruments {
    rows: Counter<u64>,
    duration: Histogram<f64>,
    batch: Histogram<u64>,
}

/// Shows whether the attempt store answers.
pub(crate) fn watch_store(metrics: &Metrics, is_reachable: watch::Receiver<bool>) {
    // The registry keeps what it asks; the handle is not needed.
    let _gauge = metrics
        .meter()
        .u64_observable_gauge("posthorn_log_writer_store_up")
        .with_description("Whether the attempt store answers: 1 or 0.")
        .with_callback(move |gauge| gauge.observe(u64::from(*is_reachable.borrow()), &[]))
        .build();
}

/// A write under way.
#[derive(Debug)]
pub(crate) struct Timer<'a> {
    instruments: &'a Instruments,
    what: &'static str,
    begun: Instant,
}

impl Instruments {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let meter = metrics.meter();
        Self {
            rows: meter
                .u64_counter("posthorn_log_writer_rows")
                .with_description("Rows given to the attempt store.")
                .build(),
            duration: meter
                .f64_histogram("posthorn_log_writer_write_duration")
                .with_unit("s")
                .with_description("How long writes to the attempt store take, waits included.")
                .with_boundaries(vec![0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0])
                .build(),
            batch: meter
                .u64_histogram("posthorn_log_writer_batch_size")
                .with_description("Rows per write.")
                .with_boundaries(vec![1.0, 10.0, 100.0, 1_000.0, 10_000.0])
                .build(),
        }
    }

    /// Begins a write of `records` or `events`.
    pub(crate) fn write_begins(&self, what: &'static str) -> Timer<'_> {
        Timer {
            instruments: self,
            what,
            begun: Instant::now(),
        }
    }
}

impl Timer<'_> {
    /// Counts a write that succeeded.
    pub(crate) fn written(self, rows: usize) {
        let labels = [KeyValue::new("what", self.what)];
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.instruments.rows.add(rows, &labels);
        self.instruments.batch.record(rows, &labels);
        self.instruments
            .duration
            .record(self.begun.elapsed().as_secs_f64(), &labels);
    }
}

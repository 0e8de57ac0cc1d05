//! What the log writer counts. No label takes an unbounded set of values.

use std::time::Instant;

use telemetry::{Counter, Histogram, KeyValue, Metrics};

/// The service's instruments.
#[derive(Debug)]
pub(crate) struct Instruments {
    rows: Counter<u64>,
    duration: Histogram<f64>,
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
        self.instruments
            .rows
            .add(u64::try_from(rows).unwrap_or(u64::MAX), &labels);
        self.instruments
            .duration
            .record(self.begun.elapsed().as_secs_f64(), &labels);
    }
}

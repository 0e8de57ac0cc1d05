//! What fan-out counts. No label takes an unbounded set of values.

use telemetry::{Counter, Histogram, Metrics};

/// The service's instruments.
#[derive(Debug)]
pub(crate) struct Instruments {
    events: Counter<u64>,
    jobs: Counter<u64>,
    rejected: Counter<u64>,
    width: Histogram<u64>,
}

impl Instruments {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let meter = metrics.meter();
        let instruments = Self {
            events: meter
                .u64_counter("posthorn_fan_out_events")
                .with_description("Events turned into jobs.")
                .build(),
            jobs: meter
                .u64_counter("posthorn_fan_out_jobs")
                .with_description("Delivery jobs stored.")
                .build(),
            rejected: meter
                .u64_counter("posthorn_fan_out_rejected")
                .with_description("Messages that are no events.")
                .build(),
            width: meter
                .u64_histogram("posthorn_fan_out_width")
                .with_description("Endpoints that want an event.")
                .with_boundaries(vec![
                    0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 10_000.0,
                ])
                .build(),
        };
        // Where there was no counter before, nobody sees its first increase.
        for counter in [
            &instruments.events,
            &instruments.jobs,
            &instruments.rejected,
        ] {
            counter.add(0, &[]);
        }
        instruments
    }

    /// Counts an event that became so many jobs.
    pub(crate) fn fanned_out(&self, jobs: usize) {
        let jobs = u64::try_from(jobs).unwrap_or(u64::MAX);
        self.events.add(1, &[]);
        self.jobs.add(jobs, &[]);
        self.width.record(jobs, &[]);
    }

    /// Counts a message that was put aside.
    pub(crate) fn rejected(&self) {
        self.rejected.add(1, &[]);
    }
}

//! What ingest counts. No label takes an unbounded set of values.

use telemetry::{Counter, KeyValue, Metrics};

/// The service's instruments.
#[derive(Debug)]
pub(crate) struct Instruments {
    events: Counter<u64>,
}

impl Instruments {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let events = metrics
            .meter()
            .u64_counter("posthorn_ingest_events")
            .with_description("Events answered with 202, and whether they were there already.")
            .build();
        // Where there was no counter before, nobody sees its first increase.
        for label in ["true", "false"] {
            events.add(0, &[KeyValue::new("deduplicated", label)]);
        }
        Self { events }
    }

    /// Counts the events of an accepted request by whether each was a duplicate.
    pub(crate) fn accepted(&self, deduplicated: &[bool]) {
        for (label, wanted) in [("true", true), ("false", false)] {
            let count = deduplicated
                .iter()
                .filter(|duplicate| **duplicate == wanted)
                .count();
            if count > 0 {
                let labels = [KeyValue::new("deduplicated", label)];
                self.events
                    .add(u64::try_from(count).unwrap_or(u64::MAX), &labels);
            }
        }
    }
}

//! What the service counts. No label takes an unbounded set of values.

use http::StatusCode;
use telemetry::{Counter, KeyValue, Metrics};

/// The service's instruments.
#[derive(Debug)]
pub(crate) struct Instruments {
    requests: Counter<u64>,
    replayed_jobs: Counter<u64>,
}

impl Instruments {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let requests = metrics
            .meter()
            .u64_counter("posthorn_admin_requests")
            .with_description("Requests to the Admin API, by operation and class of status.")
            .build();
        let replayed_jobs = metrics
            .meter()
            .u64_counter("posthorn_admin_replayed_jobs")
            .with_description("Jobs made by replays.")
            .build();
        Self {
            requests,
            replayed_jobs,
        }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, operation: &'static str, status: StatusCode) {
        let class = match status.as_u16() {
            ..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            500.. => "5xx",
        };
        let labels = [
            KeyValue::new("operation", operation),
            KeyValue::new("status", class),
        ];
        self.requests.add(1, &labels);
    }

    /// Counts jobs that a replay made.
    pub(crate) fn replayed(&self, jobs: u64) {
        self.replayed_jobs.add(jobs, &[]);
    }
}

//! What delivery counts. No label takes an unbounded set of values.

use std::sync::Arc;

use domain::{
    attempt::AttemptRecord, flow::Parked, health::State, job::Job, outcome::ErrorKind,
    retry::Reason,
};
use jetstream::health_bucket::Healths;
use telemetry::{Counter, Histogram, KeyValue, Metrics, UpDownCounter};

/// Seconds, from what loopback takes to what a time-out allows.
const SECONDS: [f64; 14] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
];

/// The service's instruments.
#[derive(Debug)]
pub(crate) struct Instruments {
    attempts: Counter<u64>,
    duration: Histogram<f64>,
    latency: Histogram<f64>,
    dead_letters: Counter<u64>,
    parked: Counter<u64>,
    health_changes: Counter<u64>,
    in_flight: UpDownCounter<i64>,
    batch: Histogram<u64>,
    token_fetches: Counter<u64>,
}

/// Shows how many endpoints are in each state that is no good one, as this replica knows it.
pub(crate) fn watch_breakers(metrics: &Metrics, healths: &Arc<Healths>) {
    let healths = Arc::clone(healths);
    // The registry keeps what it asks; the handle is not needed.
    let _gauge = metrics
        .meter()
        .u64_observable_gauge("posthorn_delivery_breakers")
        .with_description("Endpoints by the state of their breaker; closed ones are not counted.")
        .with_callback(move |gauge| {
            for state in [State::Open, State::Disabled] {
                let count = u64::try_from(healths.count(state)).unwrap_or(u64::MAX);
                gauge.observe(count, &[KeyValue::new("state", state_name(state))]);
            }
        })
        .build();
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Closed => "closed",
        State::Open => "open",
        State::Disabled => "disabled",
    }
}

/// Counts as under way while it lives.
#[derive(Debug)]
pub(crate) struct UnderWay(UpDownCounter<i64>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.add(-1, &[]);
    }
}

impl Instruments {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let meter = metrics.meter();
        let instruments = Self {
            attempts: meter
                .u64_counter("posthorn_delivery_attempts")
                .with_description("Attempts by outcome.")
                .build(),
            duration: meter
                .f64_histogram("posthorn_delivery_attempt_duration")
                .with_unit("s")
                .with_description("How long attempts take.")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            latency: meter
                .f64_histogram("posthorn_delivery_latency")
                .with_unit("s")
                .with_description("From an event's acceptance to the end of its first attempt.")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            dead_letters: meter
                .u64_counter("posthorn_delivery_dead_letters")
                .with_description("Jobs given up, by reason.")
                .build(),
            parked: meter
                .u64_counter("posthorn_delivery_parked")
                .with_description("Jobs parked because they might not start, by reason.")
                .build(),
            health_changes: meter
                .u64_counter("posthorn_delivery_health_changes")
                .with_description("Changes of endpoints' health, by the state that they led to.")
                .build(),
            in_flight: meter
                .i64_up_down_counter("posthorn_delivery_in_flight")
                .with_description("Attempts under way.")
                .build(),
            batch: meter
                .u64_histogram("posthorn_delivery_record_batch_size")
                .with_description("Records per batch.")
                .with_boundaries(vec![1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0])
                .build(),
            token_fetches: meter
                .u64_counter("posthorn_delivery_token_fetches")
                .with_description("OAuth 2.0 tokens asked for, by outcome.")
                .build(),
        };
        instruments.show_zeroes();
        instruments
    }

    /// Shows every counter before it counts: where there was none before, nobody sees the first increase.
    fn show_zeroes(&self) {
        let zero = |counter: &Counter<u64>, label, value| {
            counter.add(0, &[KeyValue::new(label, value)]);
        };
        zero(&self.attempts, "outcome", "accepted");
        zero(&self.token_fetches, "outcome", "granted");
        for kind in ErrorKind::ALL {
            zero(&self.attempts, "outcome", kind.as_str());
            zero(&self.token_fetches, "outcome", kind.as_str());
        }
        for reason in Reason::ALL {
            zero(&self.dead_letters, "reason", reason.as_str());
        }
        for why in Parked::ALL {
            zero(&self.parked, "reason", why.as_str());
        }
        for state in [State::Closed, State::Open, State::Disabled] {
            zero(&self.health_changes, "state", state_name(state));
        }
        self.in_flight.add(0, &[]);
    }

    /// Counts an attempt as under way until the returned guard is dropped.
    pub(crate) fn attempt_begins(&self) -> UnderWay {
        self.in_flight.add(1, &[]);
        UnderWay(self.in_flight.clone())
    }

    /// Counts an attempt that was made.
    pub(crate) fn attempted(&self, job: &Job, record: &AttemptRecord) {
        let outcome = record.error_kind.map_or("accepted", |kind| kind.as_str());
        self.attempts.add(1, &[KeyValue::new("outcome", outcome)]);
        let seconds = f64::from(record.duration_ms) / 1_000.0;
        self.duration.record(seconds, &[]);
        if job.attempt == 1 {
            let waited = record.created_at.since(job.accepted_at).as_secs_f64();
            self.latency.record(waited + seconds, &[]);
        }
    }

    /// Counts a job that was given up.
    pub(crate) fn given_up(&self, reason: Reason) {
        self.dead_letters
            .add(1, &[KeyValue::new("reason", reason.as_str())]);
    }

    /// Counts a job that was parked.
    pub(crate) fn parked(&self, why: Parked) {
        self.parked.add(1, &[KeyValue::new("reason", why.as_str())]);
    }

    /// Counts a change of an endpoint's health.
    pub(crate) fn health_changes(&self, state: State) {
        let labels = [KeyValue::new("state", state_name(state))];
        self.health_changes.add(1, &labels);
    }

    /// Counts a token that was asked for, and what became of it.
    pub(crate) fn token_fetched(&self, failure: Option<ErrorKind>) {
        let outcome = failure.map_or("granted", ErrorKind::as_str);
        self.token_fetches
            .add(1, &[KeyValue::new("outcome", outcome)]);
    }

    /// Counts a batch of records.
    pub(crate) fn batch(&self, records: usize) {
        self.batch
            .record(u64::try_from(records).unwrap_or(u64::MAX), &[]);
    }
}

//! What one measurement of speed sends, to how many endpoints, and through how many replicas.

use serde::{Serialize, Serializer};

use super::installation::StoreKind;
use crate::Service;

/// The most endpoints that get one event, and the most names.
const ENDPOINTS_MAX: u32 = 1_000;
/// The most events that ingest takes in one request.
const BATCH_MAX: u64 = 1_000;
/// Without a pause: the most events in a request.
const BACKLOG_BATCH: u64 = 100;

/// What decides how many events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// As many as are delivered, with at most so many deliveries on their way.
    Max {
        /// Deliveries on their way.
        outstanding: u64,
    },
    /// So many events a second, whatever happens.
    Rate(f64),
    /// So many events while delivery is stopped, and none when it starts again.
    Backlog {
        /// How many.
        events: u64,
    },
}

/// A service that runs as several processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Replicas {
    /// Which.
    #[serde(serialize_with = "name")]
    pub service: Service,
    /// How many, 1 or more.
    pub count: usize,
}

/// What to measure.
#[derive(Clone, Debug, Serialize)]
pub struct Scenario {
    /// What it is called in the report.
    pub name: String,
    /// How fast.
    pub pace: Pace,
    /// Kept-alive connections of the producer.
    pub connections: u32,
    /// Events in one request.
    pub batch: u64,
    /// Endpoints that get each event.
    pub endpoints: u32,
    /// Names that events have in turn, each with one endpoint of its own; 1 when `endpoints` is more.
    pub names: u32,
    /// Further webhook configs that no event goes to.
    pub idle_configs: u64,
    /// One in so many events is answered with 500 at its first attempt.
    pub fails_one_in: Option<u64>,
    /// A service with several replicas.
    pub replicas: Option<Replicas>,
    /// Size of an event, in bytes.
    pub payload_bytes: usize,
    /// How long events are sent, in seconds, after a warm-up.
    pub duration_s: f64,
    /// Which store.
    pub store: StoreKind,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "one endpoint, maximum".to_owned(),
            pace: Pace::Max { outstanding: 2_000 },
            connections: 32,
            batch: 1,
            endpoints: 1,
            names: 1,
            idle_configs: 0,
            fails_one_in: None,
            replicas: None,
            payload_bytes: 1_024,
            duration_s: 20.0,
            store: StoreKind::Sqlite,
        }
    }
}

impl Scenario {
    /// Checks that it can be measured.
    ///
    /// # Errors
    /// Says what must be otherwise.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let count = 1..=ENDPOINTS_MAX;
        anyhow::ensure!(count.contains(&self.endpoints), "1 to 1,000 endpoints");
        anyhow::ensure!(count.contains(&self.names), "1 to 1,000 names");
        anyhow::ensure!(
            self.endpoints == 1 || self.names == 1,
            "several endpoints or several names"
        );
        anyhow::ensure!(
            (1..=BATCH_MAX).contains(&self.batch),
            "1 to 1,000 events in a batch"
        );
        anyhow::ensure!(self.connections > 0, "at least one connection");
        anyhow::ensure!(
            (0.1..=86_400.0).contains(&self.duration_s),
            "0.1 s to a day"
        );
        match self.pace {
            Pace::Rate(rate) => anyhow::ensure!(rate > 0.0, "more than no event a second"),
            Pace::Max { outstanding } => {
                anyhow::ensure!(outstanding > 0, "at least one delivery on its way");
            }
            Pace::Backlog { events } => anyhow::ensure!(events > 0, "at least one event"),
        }
        Ok(())
    }

    /// Returns how many events a request holds.
    pub(crate) fn request_events(&self) -> u64 {
        match self.pace {
            Pace::Backlog { events } => BACKLOG_BATCH.min(events),
            Pace::Max { .. } | Pace::Rate(_) => self.batch,
        }
    }
}

fn name<S: Serializer>(service: &Service, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(service.name())
}

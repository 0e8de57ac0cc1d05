//! The load tool's parts: a sender, a receiver that tallies, and what the services used meanwhile.

mod finding;
mod histogram;
mod installation;
mod neighbours;
mod payload;
mod recovery;
mod replicas;
mod report;
mod scenario;
mod sender;
mod site;
mod tally;
mod timeline;
mod usage;
mod waiting;

pub use finding::{Finding, Settings};
pub use installation::StoreKind;
pub use report::{table, to_json};
pub use scenario::{Outcome, Pace, Scenario, run};

/// What is measured about isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// A healthy endpoint beside bad ones with long queues.
    Neighbours,
    /// Fresh events beside many retries that wait.
    Waiting,
    /// An endpoint that comes back to a long queue.
    Recovery,
    /// Endpoints' limits, and throughput, over replicas that come and go.
    Replicas,
}

impl Isolation {
    /// Measures on a fresh installation.
    ///
    /// # Errors
    /// Fails when events are refused, or the installation does not take them.
    ///
    /// # Panics
    /// Panics when the installation does not start.
    pub async fn measure(self, settings: &Settings) -> anyhow::Result<Finding> {
        anyhow::ensure!(settings.rate > 0.0, "more than no event a second");
        anyhow::ensure!(settings.duration_s > 0, "at least one second");
        match self {
            Self::Neighbours => neighbours::run(settings).await,
            Self::Waiting => waiting::run(settings).await,
            Self::Recovery => recovery::run(settings).await,
            Self::Replicas => replicas::run(settings).await,
        }
    }
}

/// Divides counts; 0 when there is nothing to divide by.
#[expect(
    clippy::as_conversions,
    reason = "counts far below 2^53 are exact as f64"
)]
fn ratio(dividend: u64, divisor: f64) -> f64 {
    if divisor > 0.0 {
        dividend as f64 / divisor
    } else {
        0.0
    }
}

//! The load tool's parts: a sender, a receiver that tallies, and what the services used meanwhile.

mod curve;
mod endpoints;
mod finding;
mod floor;
mod histogram;
mod idle;
mod installation;
mod marks;
mod measuring;
mod named;
mod neighbours;
mod outcome;
mod payload;
mod recovery;
mod replicas;
mod report;
mod scenario;
mod sender;
mod site;
mod soak;
mod tally;
mod timeline;
mod trend;
mod usage;
mod waiting;

pub use curve::Curve;
pub use finding::{Finding, Settings};
pub use installation::StoreKind;
pub use measuring::run;
pub use named::Named;
pub use outcome::Outcome;
pub use report::finding;
pub use scenario::{Pace, Replicas, Scenario};
pub use soak::Soak;

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

//! The load tool's parts: a sender, a receiver that tallies, and what the services used meanwhile.

mod histogram;
mod payload;
mod report;
mod scenario;
mod sender;
mod tally;
mod usage;

pub use report::{table, to_json};
pub use scenario::{Outcome, Pace, Scenario, StoreKind, run};

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

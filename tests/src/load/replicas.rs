//! Endpoints' limits and throughput over replicas that come and go.

mod limits;
mod throughput;

use super::finding::{Finding, Settings};

/// How many replicas there are, one stage after the other.
const REPLICAS: [usize; 3] = [1, 2, 4];

/// Measures the limits, then the throughput, each on an installation of its own.
///
/// # Errors
/// Events are refused.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Finding> {
    let mut limits = limits::run(settings).await?;
    let throughput = throughput::run(settings).await?;
    limits.name = "replicas";
    limits.lines.extend(throughput.lines);
    limits.faults.extend(throughput.faults);
    limits.figures["throughput"] = throughput.figures;
    Ok(limits)
}

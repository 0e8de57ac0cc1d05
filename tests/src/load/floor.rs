//! What the parts that every webhook sender needs cost on this machine: a request out, and a broker's messages.
//!
//! No installation runs meanwhile. What Posthorn costs above this is its own.

mod broker;
mod requests;

use serde_json::json;

use super::finding::{Finding, Settings};

/// Measures both.
///
/// # Errors
/// Fails when a request or a message does.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Finding> {
    let requests = requests::measure(settings).await?;
    let broker = broker::measure(settings).await?;
    let mut lines = vec![requests.line()];
    lines.extend(broker.lines());
    Ok(Finding {
        name: "floor",
        lines,
        figures: json!({"requests": requests, "broker": broker}),
        faults: Vec::new(),
    })
}

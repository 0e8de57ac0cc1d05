//! What the parts that every webhook sender needs cost on this machine: a request out, and a broker's messages.
//!
//! No installation runs meanwhile. What Posthorn costs above this is its own.

mod broker;
mod relay;
mod requests;

use serde_json::json;

use super::finding::{Finding, Settings};

/// Measures requests, requests through a relay, and messages.
///
/// # Errors
/// Fails when a request or a message does.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Finding> {
    let requests = requests::direct(settings).await?;
    let relayed = requests::relayed(settings).await?;
    let broker = broker::measure(settings).await?;
    let mut lines = vec![
        requests.line("requests out"),
        relayed.line("requests through a relay"),
    ];
    lines.extend(broker.lines());
    Ok(Finding {
        name: "floor",
        lines,
        figures: json!({"requests": requests, "relayed": relayed, "broker": broker}),
        faults: Vec::new(),
    })
}

//! What was measured, for people as a table and for programs as JSON.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Outcome, ratio};

const MIB: f64 = 1024.0 * 1024.0;

/// Returns one block for each outcome: the figures of the whole, then those of each process.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> String {
    outcomes.iter().map(block).collect()
}

/// Returns all outcomes as a JSON array.
///
/// # Panics
/// Never: every field is a number, a text or a list of them.
#[must_use]
pub fn to_json(outcomes: &[Outcome]) -> Value {
    serde_json::to_value(outcomes).expect("outcomes are plain data")
}

fn block(outcome: &Outcome) -> String {
    let mut text = String::new();
    let scenario = &outcome.scenario;
    let lines = [
        format!("\n{}", scenario.name),
        format!(
            "  {} connections, {} events a request, {} endpoints, {} bytes, {} s, {:?}",
            scenario.connections,
            scenario.batch,
            scenario.endpoints,
            scenario.payload_bytes,
            scenario.duration_s,
            scenario.store,
        ),
        format!(
            "  events accepted    {:>10}   {:>9.0}/s   refused {}",
            outcome.accepted, outcome.accepted_per_s, outcome.refused
        ),
        format!(
            "  deliveries         {:>10}   {:>9.0}/s   lost {}, duplicates {}, changed {}",
            outcome.delivered,
            outcome.delivered_per_s,
            outcome.lost,
            outcome.duplicates,
            outcome.malformed
        ),
        times("due to received", outcome.delivery_ms),
        times("due to accepted", outcome.acceptance_ms),
        format!("  drained in         {:>10.1} s", outcome.drain_s),
        format!(
            "  {:<22} {:>22} {:>14}",
            "process", "CPU s/1,000 deliveries", "peak MiB"
        ),
    ];
    for line in lines {
        writeln!(text, "{line}").expect("writing into a string cannot fail");
    }
    for (name, cpu) in &outcome.cpu_s_per_1000 {
        let peak = outcome.peak_bytes.get(name).copied().unwrap_or_default();
        process(&mut text, name, *cpu, peak);
    }
    process(
        &mut text,
        "all",
        outcome.cpu_s_per_1000_total,
        outcome.peak_bytes_total,
    );
    text
}

fn times(what: &str, [p50, p90, p99, max]: [f64; 4]) -> String {
    format!("  {what:<18} p50 {p50:>8.2} ms   p90 {p90:>8.2}   p99 {p99:>8.2}   max {max:>8.2}")
}

fn process(text: &mut String, name: &str, cpu: f64, peak: u64) {
    writeln!(text, "  {name:<22} {cpu:>22.3} {:>14.1}", ratio(peak, MIB))
        .expect("writing into a string cannot fail");
}

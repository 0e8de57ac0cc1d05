//! What a measurement of speed came to, for people as lines.

use serde_json::json;

use super::{finding::Finding, outcome::Outcome, ratio};

const MIB: f64 = 1024.0 * 1024.0;

/// Returns an outcome as the finding of a scenario of this name.
#[must_use]
pub fn finding(name: &'static str, outcome: &Outcome) -> Finding {
    Finding {
        name,
        lines: lines(outcome),
        figures: json!(outcome),
        faults: outcome.faults(),
    }
}

/// Returns the figures of the whole, then those of each process.
fn lines(outcome: &Outcome) -> Vec<String> {
    let scenario = &outcome.scenario;
    let mut lines = vec![
        format!(
            "{} connections, {} events a request, {} endpoints, {} idle configs, {} bytes, {} s, {:?}",
            scenario.connections,
            scenario.request_events(),
            scenario.endpoints.max(scenario.names),
            scenario.idle_configs,
            scenario.payload_bytes,
            scenario.duration_s,
            scenario.store,
        ),
        format!(
            "events accepted    {:>10}   {:>9.0}/s   refused {}",
            outcome.accepted, outcome.accepted_per_s, outcome.refused
        ),
        format!(
            "deliveries         {:>10}   {:>9.0}/s   lost {}, duplicates {}, changed {}",
            outcome.delivered,
            outcome.delivered_per_s,
            outcome.lost,
            outcome.duplicates,
            outcome.malformed
        ),
        times("due to received", outcome.delivery_ms),
        times("due to accepted", outcome.acceptance_ms),
    ];
    if outcome.failures > 0 {
        lines.push(times("due to retried", outcome.retried_ms));
        lines.push(format!("answered with 500  {:>10}", outcome.failures));
    }
    lines.push(format!("drained in         {:>10.1} s", outcome.drain_s));
    lines.extend(processes(outcome));
    lines
}

fn times(what: &str, [p50, p90, p99, max]: [f64; 4]) -> String {
    format!("{what:<18} p50 {p50:>8.2} ms   p90 {p90:>8.2}   p99 {p99:>8.2}   max {max:>8.2}")
}

fn processes(outcome: &Outcome) -> Vec<String> {
    let header = format!(
        "{:<22} {:>22} {:>14}",
        "process", "CPU s/1,000 deliveries", "peak MiB"
    );
    let process = |name: &str, cpu: f64, peak: u64| {
        format!("{name:<22} {cpu:>22.3} {:>14.1}", ratio(peak, MIB))
    };
    let of_each = outcome.cpu_s_per_1000.iter().map(|(name, cpu)| {
        let peak = outcome.peak_bytes.get(name).copied().unwrap_or_default();
        process(name, *cpu, peak)
    });
    let of_all = process(
        "all",
        outcome.cpu_s_per_1000_total,
        outcome.peak_bytes_total,
    );
    std::iter::once(header)
        .chain(of_each)
        .chain([of_all])
        .collect()
}

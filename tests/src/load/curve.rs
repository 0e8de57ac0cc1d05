//! Curves: the same measurement again and again, with one thing that grows.

use clap::ValueEnum;
use serde_json::json;

use super::{
    finding::Finding,
    measuring::run,
    named::{of_size, with_endpoints},
    outcome::Outcome,
    ratio,
    scenario::{Pace, Replicas, Scenario},
};
use crate::Service;

const MIB: f64 = 1024.0 * 1024.0;
const PROCESSES: [(&str, &str); 6] = [
    ("posthorn-ingest", "ingest"),
    ("posthorn-fan-out", "fan-out"),
    ("posthorn-delivery", "delivery"),
    ("posthorn-log-writer", "log writer"),
    ("nats-server", "broker"),
    ("postgres", "postgres"),
];

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Curve {
    /// Webhook configs that no event goes to: 10 to 100,000
    Configs,
    /// Endpoints that events go to in turn: 1 to 1,000
    Endpoints,
    /// Endpoints that each event goes to: 1 to 1,000
    #[value(name = "fan-out")]
    FanOut,
    /// Jobs that have piled up while delivery was away: 0 to 1,000,000
    Backlog,
    /// The size of an event: 256 bytes to 1 MiB
    Payload,
    /// Replicas of each service: 1, 2 and 4
    Replicas,
}

impl Curve {
    /// All curves.
    pub const ALL: [Self; 6] = [
        Self::Configs,
        Self::Endpoints,
        Self::FanOut,
        Self::Backlog,
        Self::Payload,
        Self::Replicas,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Configs => "curve configs",
            Self::Endpoints => "curve endpoints",
            Self::FanOut => "curve fan-out",
            Self::Backlog => "curve backlog",
            Self::Payload => "curve payload",
            Self::Replicas => "curve replicas",
        }
    }

    /// Measures each point on an installation of its own, and shows it as soon as it is there.
    ///
    /// # Errors
    /// Fails when events are refused, or the installation does not take them.
    ///
    /// # Panics
    /// Panics when an installation does not start.
    pub async fn measure(self, usual: &Scenario, show: impl Fn(&str)) -> anyhow::Result<Finding> {
        show(&format!("\n{}\n{}", self.name(), header()));
        let mut outcomes = Vec::new();
        for point in self.points(usual) {
            let outcome = run(&point).await?;
            show(&row(&outcome));
            outcomes.push(outcome);
        }
        let mut lines = vec![header()];
        lines.extend(outcomes.iter().map(row));
        lines.push(spread(&outcomes));
        Ok(Finding {
            name: self.name(),
            lines,
            faults: outcomes.iter().flat_map(Outcome::faults).collect(),
            figures: json!(outcomes),
        })
    }

    fn points(self, usual: &Scenario) -> Vec<Scenario> {
        let point = |name: String| Scenario {
            name,
            ..usual.clone()
        };
        match self {
            Self::Configs => [10, 100, 1_000, 10_000, 100_000]
                .map(|idle_configs| Scenario {
                    idle_configs,
                    ..point(format!("{idle_configs} configs"))
                })
                .into(),
            Self::Endpoints => [1, 10, 100, 1_000]
                .map(|names| Scenario {
                    names,
                    ..point(format!("{names} endpoints"))
                })
                .into(),
            Self::FanOut => [1, 10, 100, 1_000]
                .map(|count| with_endpoints(count, point(format!("to {count} each"))))
                .into(),
            Self::Backlog => [0, 10_000, 100_000, 1_000_000]
                .map(|events| backlog(events, point(format!("{events} jobs"))))
                .into(),
            Self::Payload => [256, 1_024, 16 * 1_024, 64 * 1_024, 1_024 * 1_024]
                .map(|bytes| of_size(bytes, point(format!("{bytes} bytes"))))
                .into(),
            Self::Replicas => replicas(point),
        }
    }
}

/// Returns a point with so many jobs that pile up; none is the usual measurement.
fn backlog(events: u64, scenario: Scenario) -> Scenario {
    match events {
        0 => scenario,
        events => Scenario {
            pace: Pace::Backlog { events },
            ..scenario
        },
    }
}

fn replicas(point: impl Fn(String) -> Scenario) -> Vec<Scenario> {
    let several = |service: Service, count| Scenario {
        replicas: Some(Replicas { service, count }),
        ..point(format!("{count} of {}", service.name()))
    };
    let services = [
        Service::Ingest,
        Service::FanOut,
        Service::Delivery,
        Service::LogWriter,
    ];
    let mut points = vec![point("1 of each".to_owned())];
    for service in services {
        points.extend([several(service, 2), several(service, 4)]);
    }
    points
}

fn header() -> String {
    let mut text = format!(
        "{:<18} {:>9} {:>9} {:>9}",
        "", "deliv./s", "CPU s/1k", "p99 ms"
    );
    for (_, name) in PROCESSES {
        text.push_str(&format!(" {name:>10}"));
    }
    text + "   peak MiB"
}

fn row(outcome: &Outcome) -> String {
    let [_, _, p99, _] = outcome.delivery_ms;
    let mut text = format!(
        "{:<18} {:>9.0} {:>9.3} {p99:>9.1}",
        outcome.scenario.name, outcome.delivered_per_s, outcome.cpu_s_per_1000_total
    );
    for (process, _) in PROCESSES {
        let cpu = outcome.cpu_s_per_1000.get(process).copied();
        text.push_str(&format!(" {:>10.3}", cpu.unwrap_or_default()));
    }
    text + &format!(" {:>10.0}", ratio(outcome.peak_bytes_total, MIB))
}

/// Says how far the curve is from being flat.
fn spread(outcomes: &[Outcome]) -> String {
    let cpu = outcomes.iter().map(|outcome| outcome.cpu_s_per_1000_total);
    let (lowest, highest) = cpu.fold((f64::MAX, 0.0_f64), |(low, high), cpu| {
        (low.min(cpu), high.max(cpu))
    });
    format!(
        "CPU per delivery: the highest is {:.2} times the lowest",
        highest / lowest
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_of_every_curve_can_be_measured() {
        for curve in Curve::ALL {
            let points = curve.points(&Scenario::default());

            assert!(points.len() >= 4, "{curve:?}");
            for point in points {
                point.check().unwrap();
            }
        }
    }
}

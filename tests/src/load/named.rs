//! The scenarios that can be asked for by name.

use clap::ValueEnum;

use super::{
    finding::{Finding, Settings},
    floor, idle,
    measuring::run,
    neighbours, recovery, replicas,
    report::finding,
    scenario::{Pace, Scenario},
    waiting,
};

const MIB: u64 = 1024 * 1024;
/// How many bytes of events may be on their way.
const ON_THEIR_WAY_BYTES: u64 = 64 * MIB;
/// Deliveries that may be on their way, however small: enough that nobody waits for the sender.
pub(crate) const OUTSTANDING: u64 = 2_000;
const DEFAULT_CONFIGS: u64 = 100_000;

/// A scenario with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Named {
    /// One endpoint, events of 1 KiB, as many as go through
    #[value(alias = "payload-1k")]
    OneEndpoint,
    /// The same in requests of 50 events
    Batches,
    /// Each event to 10 endpoints, as many as go through
    #[value(name = "fan-out-10")]
    FanOut10,
    /// Each event to 1,000 endpoints, as many as go through
    #[value(name = "fan-out-1000")]
    FanOut1000,
    /// 100 events a second to one endpoint
    #[value(name = "rate-100")]
    Rate100,
    /// 500 events a second to one endpoint
    #[value(name = "rate-500")]
    Rate500,
    /// Events of 256 bytes, as many as go through
    #[value(name = "payload-256")]
    Payload256,
    /// Events of 64 KiB, as many as go through
    #[value(name = "payload-64k")]
    Payload64k,
    /// Events of 1 MiB, as many as go through
    #[value(name = "payload-1m")]
    Payload1m,
    /// The first attempt at one event in ten fails, as many as go through
    Failing,
    /// A healthy endpoint beside one that hangs, with a long queue
    Hanging,
    /// One endpoint beside 100,000 webhook configs that no event goes to, as many events as go through
    #[value(name = "configs-100000")]
    Configs,
    /// All five services in one process, with 10,000 webhook configs and nothing to do
    Idle,
    /// What a bare HTTP request, and a message of the broker's, cost on this machine
    Floor,
    /// A healthy endpoint beside one that hangs, one that fails and one that is slow, with long queues
    Neighbours,
    /// Fresh events beside a million retries that wait, and how these drain
    Waiting,
    /// An endpoint that comes back to a long queue
    Recovery,
    /// Limits and throughput with 1, 2 and 4 replicas, and while replicas join, leave and are killed
    Replicas,
}

impl Named {
    /// Those that are measured when none is asked for: the others take many minutes each.
    pub const USUAL: [Self; 14] = [
        Self::OneEndpoint,
        Self::Batches,
        Self::FanOut10,
        Self::FanOut1000,
        Self::Rate100,
        Self::Rate500,
        Self::Payload256,
        Self::Payload64k,
        Self::Payload1m,
        Self::Failing,
        Self::Hanging,
        Self::Configs,
        Self::Idle,
        Self::Floor,
    ];

    /// Returns the name that it is asked for by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OneEndpoint => "one-endpoint",
            Self::Batches => "batches",
            Self::FanOut10 => "fan-out-10",
            Self::FanOut1000 => "fan-out-1000",
            Self::Rate100 => "rate-100",
            Self::Rate500 => "rate-500",
            Self::Payload256 => "payload-256",
            Self::Payload64k => "payload-64k",
            Self::Payload1m => "payload-1m",
            Self::Failing => "failing",
            Self::Hanging => "hanging",
            Self::Configs => "configs-100000",
            Self::Idle => "idle",
            Self::Floor => "floor",
            Self::Neighbours => "neighbours",
            Self::Waiting => "waiting",
            Self::Recovery => "recovery",
            Self::Replicas => "replicas",
        }
    }

    /// Returns how long each of its phases is measured unless the settings say otherwise, in seconds.
    #[must_use]
    pub fn duration_s(self) -> f64 {
        match self {
            Self::OneEndpoint
            | Self::Batches
            | Self::FanOut10
            | Self::FanOut1000
            | Self::Rate100
            | Self::Rate500
            | Self::Payload256
            | Self::Payload64k
            | Self::Payload1m
            | Self::Failing
            | Self::Configs => 20.0,
            Self::Idle | Self::Floor => 5.0,
            Self::Hanging | Self::Neighbours | Self::Waiting | Self::Recovery | Self::Replicas => {
                30.0
            }
        }
    }

    /// Measures on fresh installations.
    ///
    /// # Errors
    /// Fails when events are refused, or the installation does not take them.
    ///
    /// # Panics
    /// Panics when the installation does not start.
    pub async fn measure(self, settings: &Settings) -> anyhow::Result<Finding> {
        anyhow::ensure!(settings.rate > 0.0, "more than no event a second");
        anyhow::ensure!(
            (0.1..=86_400.0).contains(&settings.duration_s),
            "0.1 s to a day"
        );
        let name = self.name();
        match self {
            Self::Hanging => neighbours::run(name, &[neighbours::HANGING], settings).await,
            Self::Neighbours => neighbours::run(name, &neighbours::ALL, settings).await,
            Self::Waiting => waiting::run(settings).await,
            Self::Recovery => recovery::run(settings).await,
            Self::Replicas => replicas::run(settings).await,
            Self::Idle => idle::run(name, settings).await,
            Self::Floor => floor::run(settings).await,
            Self::OneEndpoint
            | Self::Batches
            | Self::FanOut10
            | Self::FanOut1000
            | Self::Rate100
            | Self::Rate500
            | Self::Payload256
            | Self::Payload64k
            | Self::Payload1m
            | Self::Failing
            | Self::Configs => {
                let outcome = run(&self.scenario(settings)).await?;
                Ok(finding(name, &outcome))
            }
        }
    }

    /// Returns what a scenario of speed sends; that of the others is their own.
    fn scenario(self, settings: &Settings) -> Scenario {
        let usual = Scenario {
            name: self.name().to_owned(),
            duration_s: settings.duration_s,
            payload_bytes: settings.payload_bytes,
            store: settings.store,
            ..Scenario::default()
        };
        match self {
            Self::Batches => Scenario { batch: 50, ..usual },
            Self::FanOut10 => with_endpoints(10, usual),
            Self::FanOut1000 => with_endpoints(1_000, usual),
            Self::Rate100 => at_rate(100.0, usual),
            Self::Rate500 => at_rate(500.0, usual),
            Self::Payload256 => of_size(256, usual),
            Self::Payload64k => of_size(64 * 1024, usual),
            Self::Payload1m => of_size(1024 * 1024, usual),
            Self::Failing => Scenario {
                fails_one_in: Some(10),
                ..usual
            },
            Self::Configs => Scenario {
                idle_configs: settings.configs.unwrap_or(DEFAULT_CONFIGS),
                ..usual
            },
            Self::OneEndpoint
            | Self::Hanging
            | Self::Idle
            | Self::Floor
            | Self::Neighbours
            | Self::Waiting
            | Self::Recovery
            | Self::Replicas => usual,
        }
    }
}

/// Sends each event to so many endpoints; several events may be on their way.
pub(crate) fn with_endpoints(endpoints: u32, scenario: Scenario) -> Scenario {
    let each = u64::from(endpoints.max(1));
    let outstanding = OUTSTANDING.max(8 * each);
    // Each connection may send one event more than should be on their way.
    let connections = (outstanding / (2 * each)).clamp(1, u64::from(scenario.connections));
    Scenario {
        endpoints,
        connections: u32::try_from(connections).unwrap_or(scenario.connections),
        pace: Pace::Max { outstanding },
        ..scenario
    }
}

/// Sends events of this size; so many are on their way that they fit into memory.
pub(crate) fn of_size(payload_bytes: usize, scenario: Scenario) -> Scenario {
    let bytes = u64::try_from(payload_bytes).unwrap_or(u64::MAX).max(1);
    let outstanding = (ON_THEIR_WAY_BYTES / bytes).clamp(1, OUTSTANDING);
    Scenario {
        payload_bytes,
        pace: Pace::Max { outstanding },
        ..scenario
    }
}

fn at_rate(per_s: f64, scenario: Scenario) -> Scenario {
    Scenario {
        pace: Pace::Rate(per_s),
        ..scenario
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_asked_for_by_its_own_name() {
        for named in Named::value_variants() {
            let value = named.to_possible_value().unwrap();

            assert_eq!(value.get_name(), named.name());
        }
    }
}

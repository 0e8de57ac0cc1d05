//! What the service is configured with.

use std::time::Duration;

use config::{Common, Faults, Reader, Secret, Source, parse};

const DAY: Duration = Duration::from_secs(86_400);
/// The shortest retention: the longest preset's retries, 75.6 h, and a week to look at them.
const RETENTION_LEAST: Duration = Duration::from_secs(11 * 86_400);

/// The service's own settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long records and bodies are kept.
    pub retention: Duration,
}

impl Settings {
    /// Reads the settings.
    #[must_use]
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let retention = reader.or_default("RETENTION", 30 * DAY, parse::span(RETENTION_LEAST));
        Self { retention }
    }
}

/// Everything that the process is configured with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The settings that every service has.
    pub common: Common,
    /// The attempt store; may hold a password.
    pub store_url: Secret,
    /// The service's own settings.
    pub settings: Settings,
}

impl Config {
    /// Reads and checks every variable.
    ///
    /// # Errors
    /// [`Faults`] lists everything that is wrong.
    pub fn read(source: &Source) -> Result<Self, Faults> {
        let mut reader = Reader::new(source);
        let common = Common::read(&mut reader, ([127, 0, 0, 1], 8085).into());
        let store_url = reader.required_secret("STORE_URL", parse::secret(1));
        let settings = Settings::read(&mut reader);
        reader.finish(|| {
            Some(Self {
                common,
                store_url: store_url?,
                settings,
            })
        })
    }
}

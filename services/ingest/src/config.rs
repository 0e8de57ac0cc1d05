//! What the service is configured with.

use config::{Common, Faults, Reader, Source};
use http_api::rate_limit::Rates;

/// Everything that the process is configured with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The settings that every service has.
    pub common: Common,
    /// The service's own settings.
    pub settings: Settings,
}

/// The service's own settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many events a second are taken.
    pub rates: Rates,
}

impl Settings {
    /// Reads the settings; nothing is limited unless it is set.
    #[must_use]
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            rates: Rates::read(reader, "INGEST", (0, 0)),
        }
    }
}

impl Config {
    /// Reads and checks every variable.
    ///
    /// # Errors
    /// [`Faults`] lists everything that is wrong.
    pub fn read(source: &Source) -> Result<Self, Faults> {
        let mut reader = Reader::new(source);
        let common = Common::read(&mut reader, ([127, 0, 0, 1], 8081).into());
        let settings = Settings::read(&mut reader);
        reader.finish(|| Some(Self { common, settings }))
    }
}

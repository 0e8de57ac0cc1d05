//! What the service is configured with.

use config::{Common, Faults, Reader, Source, parse};

/// The service's own settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many events may be under way at once.
    pub places: usize,
}

/// Everything that the process is configured with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The settings that every service has.
    pub common: Common,
    /// The service's own settings.
    pub settings: Settings,
}

impl Settings {
    /// Reads the settings.
    #[must_use]
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            places: reader.or_default("FAN_OUT_PLACES", 1_024, parse::integer(1..=20_000)),
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
        let common = Common::read(&mut reader, ([127, 0, 0, 1], 8082).into());
        let settings = Settings::read(&mut reader);
        reader.finish(|| Some(Self { common, settings }))
    }
}

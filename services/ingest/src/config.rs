//! What the service is configured with.

use config::{Common, Faults, Reader, Source};

/// Everything that the process is configured with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The settings that every service has.
    pub common: Common,
}

impl Config {
    /// Reads and checks every variable.
    ///
    /// # Errors
    /// [`Faults`] lists everything that is wrong.
    pub fn read(source: &Source) -> Result<Self, Faults> {
        let mut reader = Reader::new(source);
        let common = Common::read(&mut reader, ([127, 0, 0, 1], 8081).into());
        reader.finish(|| Some(Self { common }))
    }
}

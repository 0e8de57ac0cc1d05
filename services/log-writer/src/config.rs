//! What the service is configured with.

use config::{Common, Faults, Reader, Secret, Source, parse};

/// Everything that the process is configured with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The settings that every service has.
    pub common: Common,
    /// The attempt store; may hold a password.
    pub store_url: Secret,
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
        reader.finish(|| {
            Some(Self {
                common,
                store_url: store_url?,
            })
        })
    }
}

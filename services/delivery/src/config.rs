//! What the service is configured with.

use std::sync::Arc;

use config::{Common, Faults, Reader, Source, parse};
use domain::destination::Policy;
use jetstream::sealing::Keyring;

/// The service's own settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many jobs of each lane may be under way at once.
    pub places: usize,
    /// Opens secrets.
    pub keyring: Arc<Keyring>,
    /// Which addresses may be called.
    pub destinations: Arc<Policy>,
}

/// Everything that the process is configured with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The settings that every service has.
    pub common: Common,
    /// The service's own settings.
    pub settings: Settings,
}

/// Reads how many jobs of each lane may be under way at once.
pub fn places(reader: &mut Reader<'_>) -> usize {
    reader.or_default("DELIVERY_PLACES", 1_024, parse::integer(1..=20_000))
}

impl Config {
    /// Reads and checks every variable.
    ///
    /// # Errors
    /// [`Faults`] lists everything that is wrong.
    pub fn read(source: &Source) -> Result<Self, Faults> {
        let mut reader = Reader::new(source);
        let common = Common::read(&mut reader, ([127, 0, 0, 1], 8083).into());
        let keyring =
            reader.required_secret("SECRETS_KEY", |secret| Keyring::parse(secret.expose()));
        let destinations = Policy {
            allow_http: reader.or_default("ALLOW_HTTP", false, parse::boolean),
            ..reader.or_default("EGRESS_ALLOW", Policy::default(), |text| {
                parse::egress_allow(text).map(|allow| Policy {
                    allow_http: false,
                    networks: allow.networks,
                    hosts: allow.hosts,
                })
            })
        };
        let places = places(&mut reader);
        reader.finish(|| {
            let settings = Settings {
                places,
                keyring: Arc::new(keyring?),
                destinations: Arc::new(destinations),
            };
            Some(Self { common, settings })
        })
    }
}

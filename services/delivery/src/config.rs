//! What the service is configured with.

use std::{sync::Arc, time::Duration};

use config::{Common, Faults, Reader, Source, parse};
use domain::destination::Policy;
use jetstream::sealing::Keyring;

use crate::egress::Egress;

const DAY: Duration = Duration::from_secs(86_400);

/// The service's own settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What has a default everywhere.
    pub limits: Limits,
    /// Opens secrets.
    pub keyring: Arc<Keyring>,
    /// Which addresses may be called.
    pub destinations: Arc<Policy>,
    /// How requests get out.
    pub egress: Egress,
}

/// The settings that have a default everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many jobs of each lane may be under way at once.
    pub places: usize,
    /// After how long of nothing but failures an endpoint is disabled; `None` is never.
    pub disable_after: Option<Duration>,
}

/// Everything that the process is configured with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The settings that every service has.
    pub common: Common,
    /// The service's own settings.
    pub settings: Settings,
}

impl Limits {
    /// Reads the limits.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let span = parse::span(Duration::from_secs(1));
        Self {
            places: reader.or_default("DELIVERY_PLACES", 1_024, parse::integer(1..=20_000)),
            disable_after: reader.or_default("DISABLE_AFTER", Some(5 * DAY), |text| match text {
                "never" => Ok(None),
                span_text => span(span_text).map(Some),
            }),
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
        let egress = Egress::read(&mut reader);
        let limits = Limits::read(&mut reader);
        reader.finish(|| {
            let settings = Settings {
                limits,
                keyring: Arc::new(keyring?),
                destinations: Arc::new(destinations),
                egress,
            };
            Some(Self { common, settings })
        })
    }
}

//! What the service is configured with.

use std::sync::Arc;

use config::{Common, Faults, Reader, Secret, Source, parse};
use domain::destination::Policy;
use http_api::rate_limit::Rates;
use jetstream::sealing::Keyring;

use crate::panel::TraceLink;

/// The fewest bytes of the operator's token: shorter ones can be guessed.
const OPERATOR_TOKEN_MIN_BYTES: usize = 16;

/// The service's own settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The token of the first operator.
    pub operator_token: Secret,
    /// Seals and opens secrets.
    pub keyring: Arc<Keyring>,
    /// Which URLs may be saved.
    pub destinations: Arc<Policy>,
    /// Whether names in URLs are looked up when they are saved: not where delivery asks name servers of
    /// its own, for the system's may know the same names differently.
    pub resolves_names: bool,
    /// How many requests a second are answered.
    pub rates: Rates,
    /// Where the panel's trace ids lead.
    pub trace_link: Option<TraceLink>,
}

/// Reads how many requests a second are answered: the limits of [`Settings`], which `posthorn dev` has too.
#[must_use]
pub fn rates(reader: &mut Reader<'_>) -> Rates {
    Rates::read(reader, "API", (100, 200))
}

/// Reads where trace ids lead: one of the [`Settings`], which `posthorn dev` has too.
#[must_use]
pub fn trace_link(reader: &mut Reader<'_>) -> Option<TraceLink> {
    reader.optional("TRACE_URL", |text| text.parse())
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
        let common = Common::read(&mut reader, ([127, 0, 0, 1], 8084).into());
        let store_url = reader.required_secret("STORE_URL", parse::secret(1));
        let operator_token =
            reader.required_secret("OPERATOR_TOKEN", parse::secret(OPERATOR_TOKEN_MIN_BYTES));
        let keyring =
            reader.required_secret("SECRETS_KEY", |secret| Keyring::parse(secret.expose()));
        let allow_http = reader.or_default("ALLOW_HTTP", false, parse::boolean);
        let egress = reader
            .optional("EGRESS_ALLOW", parse::egress_allow)
            .unwrap_or_default();
        let dns_servers = reader.or_default("DNS_SERVERS", Vec::new(), parse::dns_servers);
        let rates = rates(&mut reader);
        let trace_link = trace_link(&mut reader);
        reader.finish(|| {
            let destinations = Policy {
                allow_http,
                networks: egress.networks,
                hosts: egress.hosts,
            };
            let settings = Settings {
                operator_token: operator_token?,
                keyring: Arc::new(keyring?),
                destinations: Arc::new(destinations),
                resolves_names: dns_servers.is_empty(),
                rates,
                trace_link,
            };
            Some(Self {
                common,
                store_url: store_url?,
                settings,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use config::Source;

    use super::Config;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn what_is_needed_is_asked_for_at_once_and_no_secret_is_printed() {
        let faults = Config::read(&Source::from_pairs(&[
            ("POSTHORN_OPERATOR_TOKEN", "too-short"),
            ("POSTHORN_SECRETS_KEY", "no key"),
        ]))
        .unwrap_err()
        .to_string();

        for name in [
            "POSTHORN_STORE_URL",
            "POSTHORN_OPERATOR_TOKEN",
            "POSTHORN_SECRETS_KEY",
        ] {
            assert!(faults.contains(name), "{name} is not in {faults}");
        }
        assert!(
            !faults.contains("too-short") && !faults.contains("no key"),
            "{faults}"
        );
    }

    #[test]
    fn destinations_are_closed_unless_they_are_opened() {
        let required = [
            ("POSTHORN_STORE_URL", "sqlite:x.db"),
            ("POSTHORN_OPERATOR_TOKEN", "an-operator-token"),
            ("POSTHORN_SECRETS_KEY", KEY),
        ];
        let open = [
            ("POSTHORN_ALLOW_HTTP", "true"),
            ("POSTHORN_EGRESS_ALLOW", "127.0.0.0/8,a.b"),
        ];

        let closed = Config::read(&Source::from_pairs(&required)).unwrap();
        let opened = Config::read(&Source::from_pairs(&[&required[..], &open].concat())).unwrap();

        assert_eq!(closed.common.listen.to_string(), "127.0.0.1:8084");
        assert!(
            closed
                .settings
                .destinations
                .check_url("http://127.0.0.1/")
                .is_err()
        );
        assert!(
            opened
                .settings
                .destinations
                .check_url("http://127.0.0.1/")
                .is_ok()
        );
        assert_eq!(opened.settings.destinations.hosts, ["a.b"]);
    }
}

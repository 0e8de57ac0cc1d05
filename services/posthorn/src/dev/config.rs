//! What `posthorn dev` is configured with: as the services, with defaults that need no set-up.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use ::config::{Common, Faults, Reader, Secret, Source, parse};
use domain::destination::Policy;
use jetstream::sealing::Keyring;

use super::state::DataDir;

/// Everything that the process is configured with.
#[derive(Debug)]
pub(crate) struct DevConfig {
    pub(crate) common: Common,
    pub(crate) fan_out: fan_out::Settings,
    pub(crate) delivery: delivery::Limits,
    pub(crate) log_writer: log_writer::Settings,
    pub(crate) ingest: ingest::Settings,
    pub(crate) api_rates: http_api::rate_limit::Rates,
    pub(crate) trace_link: Option<admin::TraceLink>,
    pub(crate) destinations: Arc<Policy>,
    pub(crate) egress: delivery::Egress,
    /// The broker's binary, if it is not to be looked for.
    pub(crate) nats_server: Option<PathBuf>,
    pub(crate) operator_token: Option<Secret>,
    pub(crate) keyring: Option<Keyring>,
    store_url: Option<Secret>,
}

impl DevConfig {
    /// Reads and checks every variable; the address comes from the command line unless
    /// `POSTHORN_LISTEN` names one.
    pub(crate) fn read(source: &Source, listen: SocketAddr) -> Result<Self, Faults> {
        let mut reader = Reader::new(source);
        let common = Common::read(&mut reader, listen);
        let fan_out = fan_out::Settings::read(&mut reader);
        let delivery = delivery::Limits::read(&mut reader);
        let egress = delivery::Egress::read(&mut reader);
        let log_writer = log_writer::Settings::read(&mut reader);
        let ingest = ingest::Settings::read(&mut reader);
        let api_rates = admin::rates(&mut reader);
        let trace_link = admin::trace_link(&mut reader);
        let allow_http = reader.or_default("ALLOW_HTTP", true, parse::boolean);
        let open = reader.optional("EGRESS_ALLOW", parse::egress_allow);
        let nats_server = reader.optional("NATS_SERVER", parse::file);
        let store_url = reader.optional_secret("STORE_URL", parse::secret(1));
        let operator_token = reader.optional_secret("OPERATOR_TOKEN", parse::secret(16));
        let keyring =
            reader.optional_secret("SECRETS_KEY", |secret| Keyring::parse(secret.expose()));
        let (networks, hosts) = match open {
            Some(open) => (open.networks, open.hosts),
            None => (loopback(), Vec::new()),
        };
        reader.finish(|| {
            Some(Self {
                common,
                fan_out,
                delivery,
                log_writer,
                ingest,
                api_rates,
                trace_link,
                destinations: Arc::new(Policy {
                    allow_http,
                    networks,
                    hosts,
                }),
                egress,
                nats_server,
                operator_token,
                keyring,
                store_url,
            })
        })
    }

    /// Returns where the attempt store is: a file in the data directory unless given.
    pub(crate) fn store_url(&self, data: &DataDir) -> String {
        match &self.store_url {
            Some(url) => url.expose().to_owned(),
            None => format!("sqlite:{}", data.path("attempts.sqlite").display()),
        }
    }
}

fn loopback() -> Vec<ipnet::IpNet> {
    ["127.0.0.0/8", "::1/128"]
        .iter()
        .filter_map(|network| network.parse().ok())
        .collect()
}

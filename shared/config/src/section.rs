//! The settings that every service has.

use std::{io::IsTerminal as _, net::SocketAddr, path::PathBuf, time::Duration};

use crate::{parse, reader::Reader};

pub(crate) mod telemetry;
#[cfg(test)]
mod tests;

use self::telemetry::Telemetry;

/// The smallest limit of a stream, in bytes: room for one batch of records and for one event.
const LEAST_STREAM_BYTES: u64 = 16 * 1024 * 1024;

/// The settings that every service has.
#[derive(Debug, Clone)]
pub struct Common {
    /// The broker.
    pub nats: Nats,
    /// Where the service's HTTP listens.
    pub listen: SocketAddr,
    /// The log.
    pub log: Log,
    /// Where spans and metrics are sent.
    pub telemetry: Telemetry,
    /// How long work in flight may take after a signal to stop.
    pub shutdown_grace: Duration,
}

/// Where the broker is, how to log in, and what Posthorn's things in it are called.
#[derive(Debug, Clone)]
pub struct Nats {
    /// One URL or several, separated by commas. May hold a password: not for the log.
    pub url: String,
    /// Whether the URL was given; `posthorn dev` starts its own broker if not.
    pub url_given: bool,
    /// A credentials file.
    pub creds: Option<PathBuf>,
    /// The root certificate of the broker's TLS.
    pub tls_ca: Option<PathBuf>,
    /// The prefix of all names.
    pub prefix: String,
    /// Replicas of streams and buckets: 1, 3 or 5.
    pub replicas: usize,
    /// The most bytes of accepted events on the broker; `None` leaves it to the broker.
    pub events_max_bytes: Option<u64>,
    /// The most bytes of attempt records that wait for the store; `None` leaves it to the broker.
    pub attempts_max_bytes: Option<u64>,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct Log {
    /// Directives such as `info,delivery=debug`.
    pub filter: String,
    /// Whether lines are JSON; otherwise they are made for people.
    pub json: bool,
}

impl Common {
    /// Reads the settings; `listen` is the service's own default address.
    #[must_use]
    pub fn read(reader: &mut Reader<'_>, listen: SocketAddr) -> Self {
        Self {
            nats: Nats::read(reader),
            listen: reader.or_default("LISTEN", listen, parse::address),
            log: Log::read(reader),
            telemetry: Telemetry::read(reader),
            shutdown_grace: reader.or_default(
                "SHUTDOWN_GRACE_S",
                Duration::from_secs(60),
                parse::seconds(1..=300),
            ),
        }
    }
}

impl Nats {
    fn read(reader: &mut Reader<'_>) -> Self {
        let url = reader.optional("NATS_URL", parse::broker_urls);
        Self {
            url_given: url.is_some(),
            url: url.unwrap_or_else(|| "nats://127.0.0.1:4222".to_owned()),
            creds: reader.optional("NATS_CREDS", parse::file),
            tls_ca: reader.optional("NATS_TLS_CA", parse::file),
            prefix: reader.or_default("PREFIX", "posthorn".to_owned(), parse::name_prefix),
            replicas: reader.or_default(
                "REPLICAS",
                1,
                parse::choice(&[("1", 1), ("3", 3), ("5", 5)]),
            ),
            events_max_bytes: reader.optional("EVENTS_MAX_BYTES", parse::size(LEAST_STREAM_BYTES)),
            attempts_max_bytes: reader
                .optional("ATTEMPTS_MAX_BYTES", parse::size(LEAST_STREAM_BYTES)),
        }
    }
}

impl Log {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            filter: reader.or_default("LOG", "info".to_owned(), parse::log_filter),
            json: reader.or_default(
                "LOG_FORMAT",
                !std::io::stderr().is_terminal(),
                parse::choice(&[("json", true), ("text", false)]),
            ),
        }
    }
}

//! The connection to the broker.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{
    ConnectOptions, Event, ServerAddr,
    connection::State,
    jetstream::{self, consumer::PullConsumer, stream::Info},
};
use percent_encoding::percent_decode_str;

use crate::subject::{Durable, Names, Stream};

/// How long one request to the broker may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the first connection may take, with all its tries.
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);
/// What is kept free of `max_payload` for headers and framing.
const HEADER_ROOM_BYTES: usize = 64 * 1024;
/// How long a flush may take.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);
/// How many publishes may wait for their `PubAck` at once.
const PUBLISHES_IN_FLIGHT: usize = 16_384;

/// Where the broker is and how to log in.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// One URL or several, separated by commas.
    pub url: String,
    /// A credentials file.
    pub credentials: Option<PathBuf>,
    /// The root certificate of the broker's TLS.
    pub tls_ca: Option<PathBuf>,
    /// The prefix of all names.
    pub prefix: String,
    /// Replicas of streams and buckets.
    pub replicas: usize,
}

/// The broker could not be reached or refused us.
#[derive(Debug, thiserror::Error)]
#[error("{kind} at {url}")]
pub struct ConnectError {
    kind: async_nats::ConnectErrorKind,
    url: String,
}

/// A connection to the broker; cheap to clone.
#[derive(Debug, Clone)]
pub struct Broker {
    pub(crate) client: async_nats::Client,
    pub(crate) context: jetstream::Context,
    /// The names of streams and subjects.
    pub names: Names,
    pub(crate) replicas: usize,
    /// Whether the retries stream takes schedules, as its configuration says.
    pub(crate) takes_schedules: Arc<AtomicBool>,
}

/// A version of `nats-server`, as far as it decides what is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerVersion(pub u64, pub u64);

impl ServerVersion {
    /// Schedules are safe from here on: 2.12 loses some after a SIGKILL.
    pub const SCHEDULES: Self = Self(2, 14);
    /// The oldest version that works.
    pub const MINIMUM: Self = Self(2, 10);

    fn parse(text: &str) -> Self {
        let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
        Self(parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }
}

/// What lies before a consumer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backlog {
    /// Messages that were never handed out.
    pub pending: u64,
    /// Messages that are handed out, or wait to be handed out again.
    pub unacknowledged: u64,
    /// All messages of the stream.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How full the stream is: from 0 to 1 of its most bytes, 0 if it has no such limit.
    pub fill: f64,
}

impl Broker {
    /// Connects, trying for up to 20 s. Later losses of the connection heal by themselves.
    ///
    /// # Errors
    /// [`ConnectError`] when the broker can't be reached or refuses the login.
    pub async fn connect(options: &Options, service: &str) -> Result<Self, ConnectError> {
        let fail = |kind| ConnectError {
            kind,
            url: without_user_info(&options.url),
        };
        let client = tokio::time::timeout(CONNECT_PATIENCE, connect_patiently(options, service))
            .await
            .map_err(|_elapsed| fail(async_nats::ConnectErrorKind::TimedOut))?
            .map_err(|error| fail(error.kind()))?;
        let context = jetstream::ContextBuilder::new()
            .timeout(REQUEST_TIMEOUT)
            .max_ack_inflight(PUBLISHES_IN_FLIGHT)
            .build(client.clone());
        Ok(Self {
            client,
            context,
            names: Names::new(&options.prefix),
            replicas: options.replicas.max(1),
            takes_schedules: Arc::default(),
        })
    }

    /// Returns whether the connection stands at the moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Returns the version of the server that we are connected to.
    #[must_use]
    pub fn server_version(&self) -> ServerVersion {
        ServerVersion::parse(&self.client.server_info().version)
    }

    /// Returns how many bytes a message's payload may have beside its headers.
    #[must_use]
    pub fn payload_limit(&self) -> usize {
        self.client.max_payload().saturating_sub(HEADER_ROOM_BYTES)
    }

    /// Returns what lies before a consumer, and how full its stream is.
    ///
    /// # Errors
    /// The broker's word when it does not answer.
    pub async fn backlog(&self, durable: Durable) -> Result<Backlog, String> {
        let name = self.names.stream(durable.stream());
        let stream = self.context.get_stream(&name).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let consumer = stream.consumer_info(durable.name()).await;
        let consumer = consumer.map_err(|error| error.to_string())?;
        let info = stream.cached_info();
        Ok(Backlog {
            pending: consumer.num_pending,
            unacknowledged: u64::try_from(consumer.num_ack_pending).unwrap_or(0),
            messages: info.state.messages,
            bytes: info.state.bytes,
            fill: fill(info),
        })
    }

    /// Returns how many messages of a consumer are handed out or wait on it.
    ///
    /// # Errors
    /// The broker's word when it does not answer.
    pub async fn waiting(&self, durable: Durable) -> Result<u64, String> {
        let stream = self.names.stream(durable.stream());
        let info: Result<PullConsumer, _> = self
            .context
            .get_consumer_from_stream(durable.name(), stream)
            .await;
        let consumer = info.map_err(|error| error.to_string())?;
        Ok(u64::try_from(consumer.cached_info().num_ack_pending).unwrap_or(0))
    }

    /// Returns how full a stream is: from 0 to 1 of its most bytes, 0 if it has no such limit.
    ///
    /// # Errors
    /// The broker's word when it does not answer.
    pub async fn fill(&self, stream: Stream) -> Result<f64, String> {
        let stream = self
            .context
            .get_stream(self.names.stream(stream))
            .await
            .map_err(|error| error.to_string())?;
        Ok(fill(stream.cached_info()))
    }

    /// Returns whether a wait may be a schedule: the server keeps them safely, and the stream takes
    /// them.
    #[must_use]
    pub fn keeps_schedules(&self) -> bool {
        self.server_version() >= ServerVersion::SCHEDULES
            && self.takes_schedules.load(Ordering::Relaxed)
    }

    /// Waits until everything that was published has left for the broker, for at most a second: a
    /// broker that is away is not waited for.
    pub async fn flush(&self) {
        match tokio::time::timeout(FLUSH_PATIENCE, self.client.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = %error, "flush did not finish"),
            Err(_elapsed) => tracing::debug!("flush took too long"),
        }
    }

    /// Returns how often a connection was made: a higher number than before means a new one.
    pub(crate) fn connects(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }
}

/// Tries until a server answers; a refused login is final.
async fn connect_patiently(
    options: &Options,
    service: &str,
) -> Result<async_nats::Client, async_nats::ConnectError> {
    loop {
        let addresses: Vec<&str> = options.url.split(',').map(str::trim).collect();
        match connect_options(options, service)
            .await?
            .connect(addresses)
            .await
        {
            Ok(client) => return Ok(client),
            Err(error) if is_final(error.kind()) => return Err(error),
            Err(error) => {
                tracing::info!(error = %error, "broker not reachable yet");
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    }
}

async fn connect_options(
    options: &Options,
    service: &str,
) -> Result<ConnectOptions, std::io::Error> {
    let mut connect = ConnectOptions::new()
        .name(format!("posthorn-{service}"))
        // An inbox of its own, so that the broker can keep one service from reading another's answers.
        .custom_inbox_prefix(format!("_INBOX.{service}"))
        .request_timeout(Some(REQUEST_TIMEOUT))
        .connection_timeout(Duration::from_secs(5))
        .ping_interval(Duration::from_secs(10))
        .subscription_capacity(65_536)
        .client_capacity(16_384)
        .reconnect_delay_callback(|attempts| {
            Duration::from_millis(100 * u64::try_from(attempts.min(20)).unwrap_or(20))
        })
        .event_callback(|event| async move { log(&event) });
    match login(&options.url) {
        Some(Login::Password { user, password }) => {
            connect = connect.user_and_password(user, password);
        }
        Some(Login::Token(token)) => connect = connect.token(token),
        None => {}
    }
    if let Some(file) = &options.credentials {
        connect = connect.credentials_file(file).await?;
    }
    if let Some(file) = &options.tls_ca {
        connect = connect
            .add_root_certificates(file.clone())
            .require_tls(true);
    }
    Ok(connect)
}

fn is_final(kind: async_nats::ConnectErrorKind) -> bool {
    use async_nats::ConnectErrorKind as Kind;
    matches!(
        kind,
        Kind::Authentication | Kind::AuthorizationViolation | Kind::ServerParse | Kind::Tls
    )
}

fn log(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to the broker"),
        Event::Disconnected => tracing::warn!("connection to the broker lost"),
        // What the broker refuses is answered by nothing else: a request runs into its time-out.
        Event::ServerError(error) => tracing::warn!(%error, "the broker refused something"),
        Event::LameDuckMode
        | Event::Draining
        | Event::Closed
        | Event::SlowConsumer(_)
        | Event::ClientError(_) => tracing::debug!(event = %event, "broker connection event"),
    }
}

/// How to log in, if a URL says it.
#[derive(PartialEq, Eq)]
enum Login {
    Password { user: String, password: String },
    Token(String),
}

/// Returns the first login that stands in one of the URLs; the client looks for none there.
fn login(url: &str) -> Option<Login> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    url.split(',').find_map(|one| {
        let address: ServerAddr = one.trim().parse().ok()?;
        let user = decoded(address.username()?);
        Some(match address.password() {
            Some(password) => Login::Password {
                user,
                password: decoded(password),
            },
            None => Login::Token(user),
        })
    })
}

/// Leaves user name and password out of a URL.
fn without_user_info(url: &str) -> String {
    url.split(',')
        .map(|one| match (one.split_once("://"), one.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            (None, Some((_, host))) => host.to_owned(),
            (_, None) => one.to_owned(),
        })
        .collect::<Vec<_>>()
        .join(",")
}

fn fill(info: &Info) -> f64 {
    match u32::try_from(info.config.max_bytes / 1024) {
        Ok(limit_kib) if limit_kib > 0 => {
            let used_kib = u32::try_from(info.state.bytes / 1024).unwrap_or(u32::MAX);
            f64::from(used_kib) / f64::from(limit_kib)
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Login, ServerVersion, login, without_user_info};

    #[test]
    fn versions_compare_by_number() {
        assert!(ServerVersion::parse("2.15.1") >= ServerVersion::SCHEDULES);
        assert!(ServerVersion::parse("2.9.10") < ServerVersion::MINIMUM);
        assert!(ServerVersion::parse("2.12.8-beta") < ServerVersion::SCHEDULES);
        assert_eq!(ServerVersion::parse("odd"), ServerVersion(0, 0));
    }

    #[test]
    fn the_first_url_with_a_login_says_how_to_log_in() {
        let password = |user: &str, password: &str| {
            Some(Login::Password {
                user: user.to_owned(),
                password: password.to_owned(),
            })
        };

        assert!(login("nats://a:4222,b").is_none());
        assert!(login("a, nats://u:p%40%2f@b:4222,v:q@c") == password("u", "p@/"));
        assert!(login("tls://s3cret@a") == Some(Login::Token("s3cret".to_owned())));
    }

    #[test]
    fn errors_show_no_password() {
        assert_eq!(
            without_user_info("nats://u:p@a:4222,b:4222"),
            "nats://a:4222,b:4222"
        );
    }
}

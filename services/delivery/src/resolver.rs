//! Name resolution that lets only allowed addresses through: what is checked here is what is dialled.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use anyhow::Context as _;
use domain::{destination::Policy, outcome::ErrorKind};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};
use hyper_util::client::legacy::connect::dns::Name;

/// How long a look-up may take, over all servers and tries.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one server is given for one try.
const TRY: Duration = Duration::from_secs(2);
/// The most queries under way at once on one connection to a server.
const AT_ONCE: usize = 1_024;
/// The most answers that are remembered, for as long as they say themselves.
const REMEMBERED: u64 = 8_192;
/// The longest that a name is taken for missing without being asked for again.
const MISSING_MAX: Duration = Duration::from_secs(30);

/// Why a name leads nowhere. It tells no address: they may be those of an internal network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such name.
    #[error("host name does not resolve")]
    NoSuchName,
    /// No server answered usefully.
    #[error("host name can't be looked up")]
    NotLookedUp,
    /// No server answered in time.
    #[error("host name was not looked up within {} ms", PATIENCE.as_millis())]
    Late,
    /// It resolves to addresses that may not be called, and to no other.
    #[error("host name has no address that is public")]
    Blocked,
}

impl Error {
    pub(crate) fn kind(self) -> ErrorKind {
        match self {
            Self::NoSuchName | Self::NotLookedUp | Self::Late => ErrorKind::Dns,
            Self::Blocked => ErrorKind::BlockedAddress,
        }
    }
}

/// Resolves names and checks every address; cheap to clone.
#[derive(Clone)]
pub(crate) struct Resolver {
    policy: Arc<Policy>,
    names: Arc<TokioResolver>,
}

impl Resolver {
    /// Makes a resolver that asks these servers, or those of the system if there are none.
    ///
    /// # Errors
    /// When the system's configuration can't be used.
    pub(crate) fn new(policy: Arc<Policy>, servers: &[SocketAddr]) -> anyhow::Result<Self> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = if servers.is_empty() {
            // Without a configuration the system's own resolver asks this host, too.
            TokioResolver::builder(provider.clone()).unwrap_or_else(|error| {
                tracing::warn!(error = %error, "no usable dns configuration, asking 127.0.0.1");
                TokioResolver::builder_with_config(asking(&[([127, 0, 0, 1], 53).into()]), provider)
            })
        } else {
            TokioResolver::builder_with_config(asking(servers), provider)
        };
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = TRY;
        options.max_active_requests = AT_ONCE;
        options.cache_size = REMEMBERED;
        options.negative_max_ttl = Some(MISSING_MAX);
        let names = Arc::new(builder.build().context("make the resolver")?);
        Ok(Self { policy, names })
    }

    /// Looks a name up once, and returns those of its addresses that may be dialled.
    ///
    /// # Errors
    /// [`Error`] if there are none.
    pub(crate) async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        let found = tokio::time::timeout(PATIENCE, self.names.lookup_ip(name))
            .await
            .map_err(|_elapsed| Error::Late)?
            .map_err(|error| not_found(&error))?;
        let mut is_empty = true;
        let allowed: Vec<IpAddr> = found
            .iter()
            .inspect(|_| is_empty = false)
            .filter(|address| self.policy.check_resolved(name, *address).is_ok())
            .collect();
        match (allowed.is_empty(), is_empty) {
            (false, _) => Ok(allowed),
            (true, false) => Err(Error::Blocked),
            (true, true) => Err(Error::NoSuchName),
        }
    }

    /// Checks an address that stands in a URL itself.
    ///
    /// # Errors
    /// [`Error::Blocked`].
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Error> {
        self.policy
            .check_address(address)
            .map_err(|_refused| Error::Blocked)
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl tower_service::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.resolve(name.as_str()).await?;
            let addresses: Vec<_> = found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect();
            Ok(addresses.into_iter())
        })
    }
}

fn not_found(error: &NetError) -> Error {
    if error.is_no_records_found() {
        Error::NoSuchName
    } else {
        Error::NotLookedUp
    }
}

/// A configuration of these servers, without search domains.
fn asking(servers: &[SocketAddr]) -> ResolverConfig {
    let servers = servers.iter().map(|server| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut way| {
            way.port = server.port();
            way
        });
        NameServerConfig::new(server.ip(), true, connections.into())
    });
    ResolverConfig::from_name_servers(servers.collect())
}

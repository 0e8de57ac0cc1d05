//! Makes connections: straight or through a proxy, and in either case to an address that was checked.
//!
//! **Invariant:** every connection begins here, with one look-up at most, and the addresses that it tries
//! are the ones that this look-up gave and the policy allows. What is pooled was made here for the same
//! scheme, host and port, under a policy that does not change while the process lives.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use domain::destination::{Policy, Refused};
use http::{Uri, uri::Scheme};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::net::TcpStream;

use crate::{
    config::Settings,
    proxy::Proxy,
    resolver::{self, Resolver},
};

/// How long a connection may take to be made.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, BoxError>> + Send>>;

/// Makes connections; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    straight: HttpConnector<Resolver>,
    resolver: Resolver,
    proxy: Option<Arc<Proxy>>,
}

impl Dial {
    /// Makes what dials only what the policy allows, the way that is configured.
    ///
    /// # Errors
    /// When there is no resolver.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let egress = &settings.egress;
        let resolver = Resolver::new(Arc::clone(&settings.destinations), &egress.dns_servers)?;
        let mut straight = HttpConnector::new_with_resolver(resolver.clone());
        straight.set_connect_timeout(Some(CONNECT_TIMEOUT));
        straight.set_nodelay(true);
        straight.enforce_http(false);
        let proxy = egress
            .proxy
            .as_ref()
            .map(|proxy| Arc::new(Proxy::new(proxy)));
        Ok(Self {
            straight,
            resolver,
            proxy,
        })
    }
}

impl tower_service::Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.straight.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        // The connector asks the resolver for names only.
        let checked = match literal(&uri) {
            Some(address) => self.resolver.check(address),
            None => Ok(()),
        };
        if let Err(error) = checked {
            return Box::pin(std::future::ready(Err(error.into())));
        }
        match &self.proxy {
            None => {
                let connecting = self.straight.call(uri);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
            Some(proxy) => {
                let (resolver, proxy) = (self.resolver.clone(), Arc::clone(proxy));
                Box::pin(async move {
                    let addresses = addresses(&resolver, &uri).await?;
                    Ok(TokioIo::new(proxy.connect(&addresses).await?))
                })
            }
        }
    }
}

/// Returns a URL in the form that is dialled, if it may be called.
///
/// # Errors
/// [`Refused`] says why it may not.
pub(crate) fn callable(policy: &Policy, url: &str) -> Result<Uri, Refused> {
    let url = policy.check_url(url)?;
    url.as_str().parse().map_err(|_error| Refused::NotAUrl)
}

/// Returns the address that stands in a URL in the place of a name.
fn literal(uri: &Uri) -> Option<IpAddr> {
    let host = uri.host()?;
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    inner.unwrap_or(host).parse().ok()
}

/// Returns where a URL leads to, checked.
async fn addresses(resolver: &Resolver, uri: &Uri) -> Result<Vec<SocketAddr>, resolver::Error> {
    let is_https = uri.scheme() == Some(&Scheme::HTTPS);
    let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let found = match literal(uri) {
        Some(address) => vec![address],
        None => resolver.resolve(uri.host().unwrap_or_default()).await?,
    };
    Ok(found
        .into_iter()
        .map(|ip| SocketAddr::new(ip, port))
        .collect())
}

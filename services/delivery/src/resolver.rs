//! Name resolution that lets only allowed addresses through: what is checked here is what is dialled.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use domain::destination::{Policy, Refused};
use hyper_util::client::legacy::connect::dns::Name;

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It did not resolve.
    #[error("host name does not resolve")]
    Dns(#[source] std::io::Error),
    /// It resolves to addresses that may not be called, and to no other.
    #[error("address may not be called")]
    Blocked(#[source] Refused),
}

/// Resolves names and checks every address.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    policy: Arc<Policy>,
}

impl Resolver {
    pub(crate) fn new(policy: Arc<Policy>) -> Self {
        Self { policy }
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
        let policy = Arc::clone(&self.policy);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(Error::Dns)?;
            let mut allowed = Vec::new();
            let mut refused = None;
            for address in found {
                match policy.check_resolved(name.as_str(), address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(why) => refused = Some(why),
                }
            }
            match (allowed.is_empty(), refused) {
                (true, Some(why)) => Err(Error::Blocked(why)),
                (true, None) => Err(Error::Dns(std::io::Error::other(
                    "the name has no addresses",
                ))),
                (false, _) => Ok(allowed.into_iter()),
            }
        })
    }
}

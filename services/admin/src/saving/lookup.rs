//! What the names in URLs resolve to at the moment of saving.
//!
//! Delivery checks the address that it dials, so this is only to tell people early: what does not
//! resolve, or not in time, can be saved.

use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    sync::Arc,
    time::Duration,
};

use domain::{destination::Policy, draft::Fault};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// How long a name may take to resolve.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many names are resolved at once, those included that nobody waits for any more.
const AT_ONCE: usize = 32;

/// Resolves names, unless delivery asks other servers than the system's, whose answers count.
#[derive(Debug)]
pub(super) struct Lookups(Option<Arc<Semaphore>>);

impl Lookups {
    pub(super) fn new(resolves_names: bool) -> Self {
        Self(resolves_names.then(|| Arc::new(Semaphore::new(AT_ONCE))))
    }

    /// Checks a URL, if its host is a name: one of its addresses must be allowed.
    ///
    /// # Errors
    /// [`Fault`]; it does not tell the addresses, which may be those of an internal network.
    pub(super) async fn check(&self, policy: &Policy, field: &str, url: &str) -> Result<(), Fault> {
        let Some(places) = &self.0 else {
            return Ok(());
        };
        let url = policy.check_url(url).ok();
        let Some(name) = url.as_ref().and_then(|url| url.domain()) else {
            return Ok(());
        };
        let resolved = timeout(PATIENCE, resolve(places, name.to_owned())).await;
        let addresses = resolved.unwrap_or_default();
        let is_open = |address: &IpAddr| policy.check_resolved(name, *address).is_ok();
        if addresses.is_empty() || addresses.iter().any(is_open) {
            return Ok(());
        }
        Err(Fault {
            field: field.to_owned(),
            problem: format!("must not point to {name}, which has no address that is public"),
        })
    }
}

async fn resolve(places: &Arc<Semaphore>, name: String) -> Vec<IpAddr> {
    let Ok(place) = Arc::clone(places).acquire_owned().await else {
        return Vec::new();
    };
    // The place is held until the resolver is done, which can't be told to stop.
    let addresses = spawn_blocking(move || {
        let _place = place;
        let found = (name.as_str(), 0).to_socket_addrs().ok()?;
        Some(found.map(|address: SocketAddr| address.ip()).collect())
    });
    addresses.await.ok().flatten().unwrap_or_default()
}

//! How much a token, an organisation and an address may ask for. Each replica counts for itself, in memory, so
//! what may be asked for altogether is as many times as much as there are replicas.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use config::{Reader, parse};
use domain::{
    name::OrganisationId,
    rate::{Bucket, Rate},
    token::Token,
};
use parking_lot::Mutex;

#[cfg(test)]
mod tests;

/// How many of whatever is counted have a bucket of their own; all others share one.
const BUCKETS_MAX: usize = 50_000;
/// How often buckets that are full again are looked for once there is no room.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How many calls without a live token an address may make, in calls per second.
const FAILURES_PER_SECOND: u32 = 20;
/// The highest limit that can be set.
const RATE_MAX: u32 = 1_000_000;

/// The limits of a service, in requests or events a second; `None` is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// For each token.
    pub per_token: Option<Rate>,
    /// For each organisation, all its tokens together.
    pub per_organisation: Option<Rate>,
}

/// Too much was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMuch {
    /// Whose limit it is.
    pub(crate) whose: &'static str,
    /// The limit, in things a second.
    pub(crate) per_second: u32,
    /// How long it takes until something may be asked for again.
    pub(crate) wait: Duration,
}

/// Counts what is asked for.
#[derive(Debug)]
pub(crate) struct RateLimit {
    rates: Rates,
    failures: Option<Rate>,
    origin: Instant,
    of_tokens: Buckets<String>,
    of_organisations: Buckets<OrganisationId>,
    of_addresses: Buckets<IpAddr>,
}

/// A bucket for each key, up to a bound.
#[derive(Debug)]
struct Buckets<K>(Mutex<Kept<K>>);

#[derive(Debug)]
struct Kept<K> {
    own: HashMap<K, Bucket>,
    shared: Bucket,
    most: usize,
    swept_at: Option<Duration>,
}

impl Rates {
    /// Reads the limits from `POSTHORN_<service>_RATE_PER_TOKEN` and `…_PER_ORGANISATION`; 0 is no limit.
    #[must_use]
    pub fn read(reader: &mut Reader<'_>, service: &str, default: (u32, u32)) -> Self {
        let mut rate = |of: &str, default| {
            let name = format!("{service}_RATE_PER_{of}");
            Rate::new(reader.or_default(&name, default, parse::integer(0..=RATE_MAX)))
        };
        let (token, organisation) = default;
        Self {
            per_token: rate("TOKEN", token),
            per_organisation: rate("ORGANISATION", organisation),
        }
    }
}

impl RateLimit {
    pub(crate) fn new(rates: Rates) -> Self {
        Self {
            rates,
            failures: Rate::new(FAILURES_PER_SECOND),
            origin: Instant::now(),
            of_tokens: Buckets::new(BUCKETS_MAX),
            of_organisations: Buckets::new(BUCKETS_MAX),
            of_addresses: Buckets::new(BUCKETS_MAX),
        }
    }

    /// Counts so many things of a token, and of an organisation if they are its own.
    pub(crate) fn spend(
        &self,
        token: &Token,
        organisation: Option<&OrganisationId>,
        things: u32,
    ) -> Result<(), TooMuch> {
        let now = self.origin.elapsed();
        if let Some(rate) = self.rates.per_token {
            self.of_tokens
                .take(token.id.as_str(), things, (now, rate))
                .map_err(|wait| TooMuch::new("token", rate, wait))?;
        }
        if let (Some(rate), Some(organisation)) = (self.rates.per_organisation, organisation) {
            self.of_organisations
                .take(organisation, things, (now, rate))
                .map_err(|wait| TooMuch::new("organisation", rate, wait))?;
        }
        Ok(())
    }

    /// Counts a call without a live token.
    pub(crate) fn fail(&self, peer: SocketAddr) -> Result<(), TooMuch> {
        let Some(rate) = self.failures else {
            return Ok(());
        };
        self.of_addresses
            .take(&network(peer.ip()), 1, (self.origin.elapsed(), rate))
            .map_err(|wait| TooMuch::new("address", rate, wait))
    }
}

impl TooMuch {
    fn new(whose: &'static str, rate: Rate, wait: Duration) -> Self {
        Self {
            whose,
            per_second: rate.per_second(),
            wait,
        }
    }
}

/// Returns what stands for an address: whoever has one of version 6 has its whole network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

impl<K: Hash + Eq> Buckets<K> {
    fn new(most: usize) -> Self {
        Self(Mutex::new(Kept {
            own: HashMap::new(),
            shared: Bucket::default(),
            most,
            swept_at: None,
        }))
    }

    fn take<Q>(&self, key: &Q, things: u32, (now, rate): (Duration, Rate)) -> Result<(), Duration>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let kept = &mut *self.0.lock();
        if let Some(bucket) = kept.own.get_mut(key) {
            return bucket.take(things, now, rate);
        }
        kept.make_room(now);
        if kept.own.len() < kept.most {
            let bucket = kept.own.entry(key.to_owned()).or_default();
            bucket.take(things, now, rate)
        } else {
            kept.shared.take(things, now, rate)
        }
    }
}

impl<K: Hash + Eq> Kept<K> {
    /// Forgets buckets that are as good as new ones when there is no room, from time to time.
    fn make_room(&mut self, now: Duration) {
        let is_due = self.swept_at.is_none_or(|at| at + SWEEP_EVERY <= now);
        if self.own.len() >= self.most && is_due {
            self.own.retain(|_, bucket| !bucket.is_full(now));
            self.swept_at = Some(now);
        }
    }
}

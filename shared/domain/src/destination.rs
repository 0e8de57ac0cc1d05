//! Which addresses may be called at all.
//!
//! The same rules run when a config is saved, at a test and at every send: on the URL, and on the
//! address that is dialled. An operator's allow-list opens what is otherwise closed.
//!
//! Of a name that has public and other addresses, only the public ones are dialled. It is not refused
//! as a whole: where DNS64 adds an address of NAT64 to every name, nothing could be called any more,
//! and what is dialled is checked either way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

/// The most bytes of a URL.
pub const URL_MAX_BYTES: usize = 2_048;

/// What an operator allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether `http` URLs may be called.
    pub allow_http: bool,
    /// Networks that are open although the rules close them.
    pub networks: Vec<IpNet>,
    /// Host names, in lower case, that may resolve to any address.
    pub hosts: Vec<String>,
}

/// Why a destination is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The text is no absolute URL.
    #[error("must be an absolute URL")]
    NotAUrl,
    /// The URL is too long.
    #[error("must be at most {URL_MAX_BYTES} bytes")]
    TooLong,
    /// The scheme is not allowed.
    #[error("must be https")]
    NotHttps,
    /// The scheme is neither http nor https.
    #[error("must be http or https")]
    NotHttp,
    /// The URL holds a user name or a password.
    #[error("must not hold a user name or password")]
    UserInfo,
    /// The URL holds a fragment.
    #[error("must not hold a fragment")]
    Fragment,
    /// The address may not be called.
    #[error("must not point to {0}, an address that is not public")]
    Blocked(IpAddr),
}

impl Policy {
    /// Checks a URL's form, and its address where it holds one instead of a name.
    ///
    /// # Errors
    /// [`Refused`] says what must be different.
    pub fn check_url(&self, text: &str) -> Result<Url, Refused> {
        if text.len() > URL_MAX_BYTES {
            return Err(Refused::TooLong);
        }
        let url = Url::parse(text).map_err(|_error| Refused::NotAUrl)?;
        // Written out, with its characters encoded, it may be longer than it was.
        if url.as_str().len() > URL_MAX_BYTES {
            return Err(Refused::TooLong);
        }
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            "http" => return Err(Refused::NotHttps),
            _ => return Err(Refused::NotHttp),
        }
        // An empty one (`https://@host/`) leaves no trace in the parsed URL.
        if authority(text).contains('@') {
            return Err(Refused::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(Refused::Fragment);
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(IpAddr::V4(address))?,
            Some(Host::Ipv6(address)) => self.check_address(IpAddr::V6(address))?,
            // A resolver might read past an empty label, and take the rest for something else.
            Some(Host::Domain(name)) if !name.contains("..") => {}
            Some(Host::Domain(_)) | None => return Err(Refused::NotAUrl),
        }
        Ok(url)
    }

    /// Checks an address that is about to be dialled.
    ///
    /// # Errors
    /// [`Refused::Blocked`].
    pub fn check_address(&self, address: IpAddr) -> Result<(), Refused> {
        let address = address.to_canonical();
        // Opening NAT64 opens the way through it, not what may be at its other end.
        let is_allowed = match behind_nat64(address) {
            Some(inner) => self.opens(address) && self.allows(inner),
            None => self.allows(address),
        };
        if is_allowed {
            Ok(())
        } else {
            Err(Refused::Blocked(address))
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.opens(address)
    }

    fn opens(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Checks an address that a name resolved to.
    ///
    /// # Errors
    /// [`Refused::Blocked`].
    pub fn check_resolved(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if self.hosts.contains(&host) {
            Ok(())
        } else {
            self.check_address(address)
        }
    }
}

/// Returns what stands between the slashes behind the scheme and the path; a parser takes any number of
/// slashes of either kind.
fn authority(text: &str) -> &str {
    let behind_scheme = text.split_once(':').map_or("", |(_, rest)| rest);
    let begins = behind_scheme.trim_start_matches(['/', '\\', '\t', '\n', '\r']);
    begins
        .split(['/', '\\', '?', '#'])
        .next()
        .unwrap_or_default()
}

/// Returns the IPv4 address that an address of NAT64's well-known prefix, `64:ff9b::/96`, leads to.
fn behind_nat64(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let [0x64, 0xff9b, 0, 0, 0, 0, _, _] = address.segments() else {
        return None;
    };
    let [.., a, b, c, d] = address.octets();
    Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
}

/// Returns whether an address belongs to the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// The blocks of the IANA registry of special-purpose IPv4 addresses that are not for webhooks.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        (0 | 10 | 127 | 224..=255, _, _) => true,
        (100, 64..=127, _) => true, // carrier-grade NAT
        (169, 254, _) => true,      // link-local and metadata
        (172, 16..=31, _) => true,
        (192, 0, 0 | 2) => true, // protocol assignments, documentation
        (192, 31, 196) | (192, 52, 193) | (192, 175, 48) => true, // AS112, AMT
        (192, 88, 99) => true,   // 6to4 relays
        (192, 168, _) => true,
        (198, 18..=19, _) => true,              // benchmarks
        (198, 51, 100) | (203, 0, 113) => true, // documentation
        (168, 63, 129) => address == Ipv4Addr::new(168, 63, 129, 16), // a cloud's metadata
        _ => false,
    };
    !special
}

/// Only global unicast (`2000::/3`) is public, without its special blocks.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let special = match (a, b) {
        (0x2001, 0x0000..=0x01ff | 0x0db8) => true, // Teredo, ORCHID and the like, documentation
        (0x2002, _) => true,                        // 6to4
        (0x3fff, 0x0000..=0x0fff) => true,          // documentation
        (0x2620, 0x004f) => true,                   // AS112
        _ => false,
    };
    a & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests;

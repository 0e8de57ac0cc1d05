//! Which addresses may be called at all.
//!
//! The same rules run when a config is saved, at a test and at every send: on the URL, and on the
//! address that is dialled. An operator's allow-list opens what is otherwise closed.

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
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            "http" => return Err(Refused::NotHttps),
            _ => return Err(Refused::NotHttp),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(Refused::Fragment);
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(IpAddr::V4(address))?,
            Some(Host::Ipv6(address)) => self.check_address(IpAddr::V6(address))?,
            Some(Host::Domain(_)) => {}
            None => return Err(Refused::NotAUrl),
        }
        Ok(url)
    }

    /// Checks an address that is about to be dialled.
    ///
    /// # Errors
    /// [`Refused::Blocked`].
    pub fn check_address(&self, address: IpAddr) -> Result<(), Refused> {
        let address = address.to_canonical();
        if is_public(address)
            || self
                .networks
                .iter()
                .any(|network| network.contains(&address))
        {
            Ok(())
        } else {
            Err(Refused::Blocked(address))
        }
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
mod tests {
    use super::{Policy, Refused};

    #[test]
    fn addresses_that_are_not_public_are_refused_in_every_spelling() {
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.1",
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.88.99.1",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[fc00::1]",
            "[fd12::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[2001::1]",
            "[3fff::1]",
            "[100::1]",
            "[5f00::1]",
        ] {
            let refused = policy()
                .check_url(&format!("https://{host}/x"))
                .unwrap_err();

            assert!(matches!(refused, Refused::Blocked(_)), "{host}: {refused}");
        }
    }

    #[test]
    fn public_addresses_and_names_pass() {
        for host in [
            "1.1.1.1",
            "8.8.8.8:8443",
            "[2606:4700:4700::1111]",
            "hooks.example.com",
            "xn--bcher-kva.example",
        ] {
            assert!(
                policy().check_url(&format!("https://{host}/x?y=z")).is_ok(),
                "{host}"
            );
        }
    }

    #[test]
    fn a_url_is_refused_for_its_form() {
        let check = |text: &str, refused: Refused| {
            assert_eq!(policy().check_url(text), Err(refused), "{text}");
        };
        check("", Refused::NotAUrl);
        check("/relative", Refused::NotAUrl);
        check("https://", Refused::NotAUrl);
        check("http://a.example/", Refused::NotHttps);
        check("ftp://a.example/", Refused::NotHttp);
        check("https://user@a.example/", Refused::UserInfo);
        check("https://:pass@a.example/", Refused::UserInfo);
        check("https://a.example/#x", Refused::Fragment);
        check(
            &format!("https://a.example/{}", "x".repeat(2_048)),
            Refused::TooLong,
        );
    }

    #[test]
    fn an_operator_opens_networks_and_hosts() {
        let open = Policy {
            allow_http: true,
            networks: vec!["127.0.0.0/8".parse().unwrap()],
            hosts: vec!["receiver.internal".to_owned()],
        };

        assert!(open.check_url("http://127.0.0.1:8080/").is_ok());
        assert!(open.check_url("http://[::ffff:127.0.0.1]/").is_ok());
        assert!(open.check_url("http://10.0.0.1/").is_err());
        assert!(
            open.check_resolved("Receiver.internal.", "10.0.0.1".parse().unwrap())
                .is_ok()
        );
        assert!(
            open.check_resolved("other.internal", "10.0.0.1".parse().unwrap())
                .is_err()
        );
    }

    fn policy() -> Policy {
        Policy::default()
    }
}

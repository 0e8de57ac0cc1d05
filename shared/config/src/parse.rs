//! Parsers for the kinds of values that variables hold.

use std::{
    borrow::Cow,
    fmt::Display,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::secret::Secret;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

/// The most name servers.
const DNS_SERVERS_MAX: usize = 8;

/// Why a text is refused, such as `must be true or false`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(Cow<'static, str>);

/// What delivery may call although the rules close it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EgressAllow {
    /// Networks in CIDR form.
    pub networks: Vec<IpNet>,
    /// Host names in lower case.
    pub hosts: Vec<String>,
}

/// An HTTP proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Its host: a name or an address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What it knows us by: `user:password`.
    pub credentials: Option<Secret>,
}

/// Takes any text of so many bytes.
pub fn text(bytes: RangeInclusive<usize>) -> impl Fn(&str) -> Result<String, Invalid> {
    move |text| {
        if bytes.contains(&text.len()) {
            Ok(text.to_owned())
        } else {
            Err(must(format!(
                "be {} to {} bytes",
                bytes.start(),
                bytes.end()
            )))
        }
    }
}

/// Takes `true`, `false`, `1` or `0`.
///
/// # Errors
/// Any other text.
pub fn boolean(text: &str) -> Result<bool, Invalid> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(must("be true or false")),
    }
}

/// Takes an IP address with a port; port 0 lets the system choose one.
///
/// # Errors
/// Any other text.
pub fn address(text: &str) -> Result<SocketAddr, Invalid> {
    text.parse()
        .map_err(|_ignored| must("be an address such as 127.0.0.1:8080"))
}

/// Takes a whole number within bounds.
pub fn integer<T>(bounds: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, Invalid>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| {
        text.parse()
            .ok()
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| {
                must(format!(
                    "be a number from {} to {}",
                    bounds.start(),
                    bounds.end()
                ))
            })
    }
}

/// Takes a whole number of seconds within bounds; for names that end in `_S`.
pub fn seconds(bounds: RangeInclusive<u64>) -> impl Fn(&str) -> Result<Duration, Invalid> {
    move |text| {
        text.parse()
            .ok()
            .filter(|seconds| bounds.contains(seconds))
            .map(Duration::from_secs)
            .ok_or_else(|| {
                must(format!(
                    "be whole seconds from {} to {}",
                    bounds.start(),
                    bounds.end()
                ))
            })
    }
}

/// Takes a number with a unit: `90s`, `15m`, `12h` or `30d`, of at least `least`.
pub fn span(least: Duration) -> impl Fn(&str) -> Result<Duration, Invalid> {
    move |text| {
        span_of(text).filter(|span| *span >= least).ok_or_else(|| {
            must(format!(
                "be a time such as 12h or 30d of at least {} s",
                least.as_secs()
            ))
        })
    }
}

fn span_of(text: &str) -> Option<Duration> {
    let (number, unit_s) = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let number: u64 = number.parse().ok()?;
    number.checked_mul(unit_s).map(Duration::from_secs)
}

/// Takes a size with a unit: `512MiB` or `2GiB`, of at least `least` bytes.
pub fn size(least: u64) -> impl Fn(&str) -> Result<u64, Invalid> {
    move |text| {
        size_of(text)
            .filter(|bytes| *bytes >= least)
            .ok_or_else(|| {
                must(format!(
                    "be a size such as 512MiB or 2GiB of at least {least} bytes"
                ))
            })
    }
}

fn size_of(text: &str) -> Option<u64> {
    let (number, unit) = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]
        .into_iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)))?;
    let number: u64 = number.parse().ok()?;
    number.checked_mul(unit)
}

/// Takes one of the given words.
pub fn choice<T: Clone>(words: &[(&'static str, T)]) -> impl Fn(&str) -> Result<T, Invalid> {
    move |text| {
        words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| value.clone())
            .ok_or_else(|| {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                must(format!("be one of {}", words.join(", ")))
            })
    }
}

/// Takes one or several of the given words, separated by commas.
pub fn words(
    known: &'static [&'static str],
) -> impl Fn(&str) -> Result<Vec<&'static str>, Invalid> {
    move |text| {
        text.split(',')
            .map(|word| known.iter().copied().find(|known| *known == word.trim()))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| must(format!("be one of {}", known.join(", "))))
    }
}

/// Takes a part of the whole, from 0 to 1.
///
/// # Errors
/// Any other text.
pub fn ratio(text: &str) -> Result<f64, Invalid> {
    text.parse()
        .ok()
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| must("be a number from 0 to 1"))
}

/// Takes pairs such as `deployment.environment=test,team=a%2Cb`, their values percent-encoded.
///
/// # Errors
/// Any part without a name or a value.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, Invalid> {
    pairs_of(text).ok_or_else(|| must("be pairs such as name=value, separated by commas"))
}

fn pairs_of(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=')?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            let name = name.trim();
            (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
        })
        .collect()
}

/// Takes headers as pairs, see [`pairs`]; names come out in lower case.
///
/// # Errors
/// Whatever fits into no header. What is wrong is said without repeating any of it.
pub fn headers(secret: &Secret) -> Result<Vec<(String, Secret)>, Invalid> {
    let is_name = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let is_value = |value: &str| value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    pairs_of(secret.expose())
        .filter(|pairs| {
            pairs
                .iter()
                .all(|(name, value)| is_name(name) && is_value(value))
        })
        .map(|pairs| {
            let pair = |(name, value): (String, _)| (name.to_ascii_lowercase(), Secret::new(value));
            pairs.into_iter().map(pair).collect()
        })
        .ok_or_else(|| must("be headers such as name=value, separated by commas"))
}

/// Takes an absolute URL with one of the given schemes.
pub fn url(schemes: &'static [&'static str]) -> impl Fn(&str) -> Result<Url, Invalid> {
    move |text| {
        Url::parse(text)
            .ok()
            .filter(|url| schemes.contains(&url.scheme()))
            .ok_or_else(|| must(format!("be a URL with scheme {}", schemes.join(" or "))))
    }
}

/// Takes one URL of a broker or several, separated by commas; `nats://` may be left out.
///
/// # Errors
/// Any part that names no host, or has another scheme than `nats`, `tls`, `ws` and `wss`.
pub fn broker_urls(text: &str) -> Result<String, Invalid> {
    let fits = |part: &str| {
        let part = part.trim();
        let url = if part.contains("://") {
            Url::parse(part)
        } else {
            Url::parse(&format!("nats://{part}"))
        };
        url.is_ok_and(|url| {
            ["nats", "tls", "ws", "wss"].contains(&url.scheme())
                && url.host_str().is_some_and(|host| !host.is_empty())
        })
    };
    if text.split(',').all(fits) {
        Ok(text.to_owned())
    } else {
        Err(must(
            "be a URL such as nats://127.0.0.1:4222, or several separated by commas",
        ))
    }
}

/// Takes the path of a file that exists.
///
/// # Errors
/// A path where no file is.
pub fn file(text: &str) -> Result<PathBuf, Invalid> {
    let path = PathBuf::from(text);
    if path.is_file() {
        Ok(path)
    } else {
        Err(must("name a file that exists"))
    }
}

/// Takes 1 to 32 of `a-z`, `0-9` and `-`, the alphabet that names of streams and subjects share.
///
/// # Errors
/// Any other text.
pub fn name_prefix(text: &str) -> Result<String, Invalid> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(must("be 1 to 32 of a-z, 0-9 and -"))
    }
}

/// Takes networks in CIDR form, addresses and host names, separated by commas; may be empty.
///
/// # Errors
/// The first part that is neither.
pub fn egress_allow(text: &str) -> Result<EgressAllow, Invalid> {
    let mut allow = EgressAllow::default();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        if let Ok(network) = part.parse::<IpNet>() {
            allow.networks.push(network.trunc());
        } else if let Ok(address) = part.parse::<IpAddr>() {
            allow.networks.push(IpNet::from(address));
        } else if is_host_name(part) {
            allow.hosts.push(part.to_ascii_lowercase());
        } else {
            return Err(must(
                "hold networks such as 10.0.0.0/8 and host names, separated by commas",
            ));
        }
    }
    Ok(allow)
}

/// Takes addresses of name servers, the port being 53 unless given, separated by commas; may be empty.
///
/// # Errors
/// Any part that is no address, and more than eight of them.
pub fn dns_servers(text: &str) -> Result<Vec<SocketAddr>, Invalid> {
    let server = |part: &str| {
        let alone = part.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
        alone.or_else(|_no_ip| part.parse::<SocketAddr>())
    };
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(server)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|servers| servers.len() <= DNS_SERVERS_MAX)
        .ok_or_else(|| {
            must(format!(
                "be up to {DNS_SERVERS_MAX} addresses such as 10.0.0.53 or 10.0.0.53:5353, separated by commas"
            ))
        })
}

/// Takes the URL of an HTTP proxy, `http://[user:password@]host:port`; none if it is empty.
///
/// # Errors
/// Any other text. What is wrong is said without repeating any of it.
pub fn proxy(secret: &Secret) -> Result<Option<Proxy>, Invalid> {
    let text = secret.expose();
    if text.is_empty() {
        return Ok(None);
    }
    proxy_of(text)
        .map(Some)
        .ok_or_else(|| must("be a URL such as http://user:password@proxy.example:3128"))
}

fn proxy_of(text: &str) -> Option<Proxy> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "http")?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let decoded = |part: &str| {
        let text = percent_decode_str(part).decode_utf8().ok()?.into_owned();
        (!text.contains(char::is_control)).then_some(text)
    };
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => {
            let user = decoded(user).filter(|user| !user.contains(':'))?;
            let password = decoded(password.unwrap_or_default())?;
            Some(Secret::new(format!("{user}:{password}")))
        }
    };
    is_bare.then_some(Proxy {
        host,
        port: url.port_or_known_default()?,
        credentials,
    })
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    // Digits and dots alone are a mistyped address, not a name.
    text.len() <= 253
        && text.split('.').all(label)
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Takes directives for the log, such as `info` or `info,delivery=debug`.
///
/// # Errors
/// What `tracing` does not understand.
pub fn log_filter(text: &str) -> Result<String, Invalid> {
    // `tracing` panics on some texts that are not ASCII.
    Some(text)
        .filter(|text| text.is_ascii() && EnvFilter::try_new(text).is_ok())
        .map(str::to_owned)
        .ok_or_else(|| must("be a log filter such as info or info,delivery=debug"))
}

/// Takes a secret of at least so many bytes.
pub fn secret(least_bytes: usize) -> impl Fn(&Secret) -> Result<Secret, Invalid> {
    move |secret| {
        if secret.expose().len() >= least_bytes {
            Ok(secret.clone())
        } else if secret.expose().is_empty() {
            Err(must("not be empty"))
        } else {
            Err(must(format!("be at least {least_bytes} bytes")))
        }
    }
}

fn must(rest: impl Into<Cow<'static, str>>) -> Invalid {
    Invalid(Cow::Owned(format!("must {}", rest.into())))
}

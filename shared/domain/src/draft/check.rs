//! The bounds of a draft's fields, one function for each.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use http::{HeaderName, Uri, header};
use serde_json::Value;

use super::{
    Fault,
    form::{Filters, HeaderPairs, Metadata, SecretText},
};
use crate::{
    destination::Policy,
    endpoint::{Endpoint, EventPattern, Header, HeaderValue, Method},
    name::EventName,
    redaction::{self, MASK},
    request::may_set,
    retry::{MAX_RETRIES_LIMIT, RetryPolicy},
    signing::Scheme,
};

const EVENTS_MAX: usize = 100;
const FILTERS_MAX: usize = 100;
const FILTER_IDS_MAX: usize = 1_000;
const FILTER_ID_MAX_CHARS: usize = 128;
/// An endpoint must fit into one message of a broker with the default `max_payload` of 1 MiB.
const FILTERS_MAX_BYTES: usize = 512 * 1024;
const HEADERS_MAX: usize = 50;
const HEADER_NAME_MAX_BYTES: usize = 128;
const HEADER_VALUE_MAX_BYTES: usize = 4_096;
const TIMEOUT_MS: RangeInclusive<i64> = 1_000..=60_000;
const RATE_LIMIT_MAX: f64 = 10_000.0;
const IN_FLIGHT: RangeInclusive<i64> = 1..=1_000;
const DESCRIPTION_MAX_CHARS: usize = 1_000;
const METADATA_MAX: usize = 50;
const METADATA_KEY_MAX_CHARS: usize = 64;
const METADATA_VALUE_MAX_CHARS: usize = 500;
const GIVEN_TWICE: &str = "must not be given twice";

pub(super) fn url_in(field: &str, text: &str, policy: &Policy) -> Result<(), Fault> {
    // A parser of URLs drops or mends them silently, and what is kept is what was sent.
    if text
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || is_invisible(c))
    {
        return Err(Fault::new(field, "must not hold spaces"));
    }
    if text.contains('\\') {
        return Err(Fault::new(field, "must not hold a backslash"));
    }
    let url = policy
        .check_url(text)
        .map_err(|refused| Fault::new(field, refused))?;
    let behind_scheme = text.split_once(':').map_or("", |(_, rest)| rest);
    if !behind_scheme.starts_with("//") || behind_scheme.starts_with("///") {
        return Err(Fault::new(field, "must be an absolute URL"));
    }
    if url.port() == Some(0) {
        return Err(Fault::new(field, "must not have port 0"));
    }
    url.as_str()
        .parse::<Uri>()
        .map(|_uri| ())
        .map_err(|_error| Fault::new(field, "must be an absolute URL"))
}

pub(super) fn events(texts: &[String]) -> Result<Vec<EventPattern>, Fault> {
    at_most("events", texts.len(), EVENTS_MAX)?;
    let mut patterns: Vec<EventPattern> = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let field = || format!("events[{at}]");
        let pattern = EventPattern::parse(text).map_err(|invalid| Fault::new(field(), invalid))?;
        if patterns.contains(&pattern) {
            return Err(Fault::new(field(), "must not be listed twice"));
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}

pub(super) fn entity_filters(
    filters: &Filters,
) -> Result<BTreeMap<EventName, BTreeSet<String>>, Fault> {
    at_most("entityFilters", filters.0.len(), FILTERS_MAX)?;
    let ids = filters.0.iter().flat_map(|(_, ids)| ids);
    let bytes: usize = ids.map(|id| id.len() + 3).sum();
    if bytes > FILTERS_MAX_BYTES {
        return Err(Fault::new("entityFilters", "must be at most 512 KiB"));
    }
    let mut checked = BTreeMap::new();
    for (name, ids) in &filters.0 {
        let field = format!("entityFilters.{}", excerpt(name));
        let name = EventName::try_new(name).map_err(|invalid| Fault::new(&field, invalid))?;
        if ids.is_empty() {
            return Err(Fault::new(field, "must hold at least one id"));
        }
        at_most(&field, ids.len(), FILTER_IDS_MAX)?;
        if let Some(at) = ids.iter().position(|id| !is_entity_id(id)) {
            return Err(Fault::new(
                format!("{field}[{at}]"),
                format!("must be 1 to {FILTER_ID_MAX_CHARS} printable characters"),
            ));
        }
        if checked
            .insert(name, ids.iter().cloned().collect())
            .is_some()
        {
            return Err(Fault::new(field, GIVEN_TWICE));
        }
    }
    Ok(checked)
}

/// Checks that every filter is for an event that the endpoint takes: another one would never apply.
pub(super) fn filters_fit(endpoint: &Endpoint) -> Result<(), Fault> {
    let stray = endpoint.entity_filters.keys().find(|name| {
        !endpoint
            .events
            .iter()
            .any(|pattern| pattern.matches(name.as_str()))
    });
    match stray {
        Some(name) => Err(Fault::new(
            format!("entityFilters.{name}"),
            "must be an event that events takes",
        )),
        None => Ok(()),
    }
}

pub(super) fn method(text: &str) -> Result<Method, Fault> {
    [Method::Post, Method::Put, Method::Get]
        .into_iter()
        .find(|method| method.as_str() == text)
        .ok_or_else(|| Fault::new("httpMethod", "must be POST, PUT or GET"))
}

/// Checks headers; a value that is what is shown of the earlier one keeps that.
pub(super) fn headers(pairs: &HeaderPairs, earlier: &[Header]) -> Result<Vec<Header>, Fault> {
    at_most("headers", pairs.0.len(), HEADERS_MAX)?;
    let mut headers: Vec<Header> = Vec::with_capacity(pairs.0.len());
    for (name, value) in &pairs.0 {
        let fault = |problem: &str| Fault::new(format!("headers.{}", excerpt(name)), problem);
        if name.len() > HEADER_NAME_MAX_BYTES || HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(fault("must be a header name"));
        }
        if !may_set(name) {
            return Err(fault("may not be set"));
        }
        if headers.iter().any(|h| h.name.eq_ignore_ascii_case(name)) {
            return Err(fault(GIVEN_TWICE));
        }
        let known = earlier.iter().find(|h| h.name.eq_ignore_ascii_case(name));
        let value = header_value(name, value.expose(), known).map_err(fault)?;
        headers.push(Header {
            name: name.clone(),
            value,
        });
    }
    Ok(headers)
}

fn header_value(
    name: &str,
    value: &str,
    known: Option<&Header>,
) -> Result<HeaderValue, &'static str> {
    let is_mask = redaction::is_sensitive(name)
        && (value == MASK || (value.ends_with(MASK) && redaction::mask(value) == value));
    match known.map(|header| &header.value) {
        Some(sealed @ HeaderValue::Sealed { shown, .. }) if is_mask || value == shown => {
            return Ok(sealed.clone());
        }
        _ if is_mask => return Err("is masked, and there is none to keep"),
        _ => {}
    }
    if value.len() > HEADER_VALUE_MAX_BYTES {
        return Err("must be at most 4096 bytes");
    }
    if http::HeaderValue::from_str(value).is_err() {
        return Err("must hold visible characters only");
    }
    Ok(HeaderValue::Value(value.to_owned()))
}

pub(super) fn signing(value: &Value) -> Result<Scheme, Fault> {
    Scheme::parse(value)
        .map_err(|invalid| Fault::new(format!("signing{}", invalid.place), invalid.problem))
}

/// Checks that the header of the signature is no other one's. `is_asked` says whether the draft names the
/// scheme, and so what the fault is about.
pub(super) fn signature_is_alone(endpoint: &Endpoint, is_asked: bool) -> Result<(), Fault> {
    let Some(own) = endpoint.signing.own_header() else {
        return Ok(());
    };
    let header = endpoint
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(own.as_str()));
    match header {
        Some(_) if is_asked => Err(Fault::new("signing.header", "must not be one of headers")),
        Some(header) => Err(Fault::new(
            format!("headers.{}", header.name),
            "must not be set beside signing, which sets it",
        )),
        None if endpoint.oauth2.is_some() && *own == header::AUTHORIZATION => Err(Fault::new(
            if is_asked { "signing.header" } else { "oauth2" },
            "must not be given beside the other, which sets authorization too",
        )),
        None => Ok(()),
    }
}

pub(super) fn secret(secret: &SecretText, scheme: &Scheme) -> Result<(), Fault> {
    scheme
        .key(secret.expose())
        .map(|_key| ())
        .map_err(|invalid| Fault::new("secret", invalid))
}

pub(super) fn retry_policy(policy: &RetryPolicy) -> Result<RetryPolicy, Fault> {
    policy.check().map_err(|invalid| {
        Fault::new(
            format!("retryPolicy.{}", invalid.field),
            format!("must be {}", invalid.must),
        )
    })?;
    Ok(policy.clone())
}

pub(super) fn max_retries(value: i64) -> Result<u32, Fault> {
    within("maxRetries", value, 0..=i64::from(MAX_RETRIES_LIMIT))
}

pub(super) fn timeout_ms(value: i64) -> Result<u32, Fault> {
    within("timeoutMs", value, TIMEOUT_MS)
}

pub(super) fn max_in_flight(value: i64) -> Result<u32, Fault> {
    within("maxInFlight", value, IN_FLIGHT)
}

pub(super) fn rate_limit(value: f64) -> Result<f64, Fault> {
    if value > 0.0 && value <= RATE_LIMIT_MAX {
        Ok(value)
    } else {
        Err(Fault::new("rateLimit", "must be above 0 and at most 10000"))
    }
}

pub(super) fn description(text: &str) -> Result<String, Fault> {
    if text.chars().count() > DESCRIPTION_MAX_CHARS {
        return Err(Fault::new("description", "must be at most 1000 characters"));
    }
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\t'))
    {
        return Err(Fault::new(
            "description",
            "must hold no control characters but line feeds and tabs",
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn metadata(labels: &Metadata) -> Result<BTreeMap<String, String>, Fault> {
    at_most("metadata", labels.0.len(), METADATA_MAX)?;
    let mut checked = BTreeMap::new();
    for (key, value) in &labels.0 {
        if key.is_empty() || key.chars().count() > METADATA_KEY_MAX_CHARS {
            return Err(Fault::new("metadata", "keys must be 1 to 64 characters"));
        }
        let fault = |problem: &str| Fault::new(format!("metadata.{}", excerpt(key)), problem);
        if value.chars().count() > METADATA_VALUE_MAX_CHARS {
            return Err(fault("must be at most 500 characters"));
        }
        if key.chars().chain(value.chars()).any(char::is_control) {
            return Err(fault("must hold no control characters"));
        }
        if checked.insert(key.clone(), value.clone()).is_some() {
            return Err(fault(GIVEN_TWICE));
        }
    }
    Ok(checked)
}

fn at_most(field: &str, count: usize, most: usize) -> Result<(), Fault> {
    if count > most {
        return Err(Fault::new(
            field,
            format!("must hold at most {most} entries"),
        ));
    }
    Ok(())
}

pub(super) fn within(field: &str, value: i64, bounds: RangeInclusive<i64>) -> Result<u32, Fault> {
    u32::try_from(value)
        .ok()
        .filter(|_| bounds.contains(&value))
        .ok_or_else(|| {
            Fault::new(
                field,
                format!("must be from {} to {}", bounds.start(), bounds.end()),
            )
        })
}

fn is_entity_id(id: &str) -> bool {
    !id.is_empty() && id.chars().count() <= FILTER_ID_MAX_CHARS && !id.chars().any(char::is_control)
}

/// Returns whether a character formats text and is not seen: two URLs that look the same must be the
/// same.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Returns what of a name that somebody sent is repeated in a fault.
fn excerpt(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

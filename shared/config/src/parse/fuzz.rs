use std::time::Duration;

use fuzzing::Target;
use proptest::prelude::*;

use super::{
    Invalid, address, boolean, broker_urls, dns_servers, egress_allow, headers, integer,
    log_filter, name_prefix, pairs, proxy, ratio, seconds, size, span, url,
};
use crate::secret::Secret;

const WORDS: &[&str] = &[
    "nats://",
    "http://",
    "d",
    "GiB",
    "18446744073709551615",
    "=",
    ",",
    "/129",
    "::",
    "@",
    "[",
    "=debug",
    "NaN",
    "inf",
    "e-999",
];

#[test]
fn a_value_is_taken_within_its_bounds_or_refused_in_a_few_words() {
    Target::new(env!("CARGO_MANIFEST_DIR"), "value", WORDS).check_text(|text| {
        let secret = Secret::new(text.to_owned());
        bounded(text, seconds(1..=60)(text), |time| time.as_secs() <= 60)?;
        bounded(text, span(Duration::from_secs(5))(text), |time| {
            time.as_secs() >= 5
        })?;
        bounded(text, size(1_024)(text), |size| *size >= 1_024)?;
        bounded(text, integer(1..=9_u16)(text), |number| {
            (1..=9).contains(number)
        })?;
        bounded(text, ratio(text), |ratio| (0.0..=1.0).contains(ratio))?;
        bounded(text, boolean(text), |_| true)?;
        bounded(text, address(text), |_| true)?;
        bounded(text, url(&["http", "https"])(text), |url| url.has_host())?;
        bounded(text, broker_urls(text), |urls| !urls.is_empty())?;
        bounded(text, name_prefix(text), |prefix| prefix.len() <= 32)?;
        bounded(text, dns_servers(text), |servers| servers.len() <= 8)?;
        bounded(text, log_filter(text), |_| true)?;
        bounded(text, pairs(text), |pairs| {
            pairs.iter().all(|(name, _)| !name.is_empty())
        })?;
        bounded(text, egress_allow(text), |allow| {
            allow.hosts.iter().all(|host| host.len() <= 253)
        })?;
        bounded(text, headers(&secret), |pairs| {
            pairs
                .iter()
                .all(|(name, value)| fits(name) && fits(value.expose()))
        })?;
        bounded(text, proxy(&secret), |proxy| {
            proxy
                .iter()
                .all(|proxy| !proxy.host.is_empty() && fits(&proxy.host))
        })?;
        Ok(())
    });
}

fn bounded<T>(
    text: &str,
    parsed: Result<T, Invalid>,
    is_within: impl Fn(&T) -> bool,
) -> Result<(), TestCaseError> {
    match parsed {
        Ok(value) => prop_assert!(is_within(&value), "{}", text),
        Err(invalid) => {
            let words = invalid.to_string();
            prop_assert!(words.len() <= 200, "{}", words);
            prop_assert!(text.len() < 20 || !words.contains(text), "it is repeated");
        }
    }
    Ok(())
}

fn fits(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

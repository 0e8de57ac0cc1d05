//! How long a receiver asks us to wait, as its answer's headers say it.

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;

use crate::{retry::LONGEST_DELAY, time::Timestamp};

/// The headers that are looked at, the first one first.
const HEADERS: [&str; 4] = [
    "retry-after",
    "x-ratelimit-reset",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
];
/// The longest value that is looked at.
const VALUE_MAX_BYTES: usize = 64;
/// Digits behind the point that count; further ones are below a billionth of a nanosecond.
const FRACTION_MAX_DIGITS: usize = 18;
const SECOND_NS: u64 = 1_000_000_000;

/// Returns the wait that an answer asks for, rounded up to the millisecond; zero means now.
///
/// `Retry-After` comes before `X-RateLimit-Reset`, `-Reset-Requests` and `-Reset-Tokens`. A value is
/// a number of seconds, an HTTP date, or a duration such as `6m5s`. One that can't be read, or asks
/// for more than a day, is passed over.
#[must_use]
pub fn asked_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    HEADERS
        .into_iter()
        .flat_map(|name| headers.get_all(name))
        .filter_map(|value| read(value.as_bytes(), now))
        .find(|wait| *wait <= LONGEST_DELAY)
}

/// Reads one value, or `None` if it is not understood.
fn read(value: &[u8], now: Timestamp) -> Option<Duration> {
    if value.len() > VALUE_MAX_BYTES {
        return None;
    }
    let text = str::from_utf8(value).ok()?.trim_ascii();
    seconds(text)
        .or_else(|| duration(text))
        .or_else(|| date(text, now))
}

fn seconds(text: &str) -> Option<Duration> {
    let (nanos, rest) = amount(text, |rest| Some((SECOND_NS, rest)))?;
    rest.is_empty().then(|| round_up(nanos))?
}

/// Reads a duration as Go writes it: `1.5h`, `6m5s`, `300ms`.
fn duration(text: &str) -> Option<Duration> {
    let (mut sum, mut rest) = amount(text, unit)?;
    while !rest.is_empty() {
        let (nanos, behind) = amount(rest, unit)?;
        sum = sum.checked_add(nanos)?;
        rest = behind;
    }
    round_up(sum)
}

/// Reads a date in any of the three forms of RFC 9110; one that has passed is now.
fn date(text: &str, now: Timestamp) -> Option<Duration> {
    let time = httpdate::parse_http_date(text).ok()?;
    let millis = time.duration_since(UNIX_EPOCH).ok()?.as_millis();
    let due = Timestamp::from_millis(i64::try_from(millis).ok()?);
    Some(due.since(now))
}

/// Reads a decimal number and its unit; returns nanoseconds and what follows.
fn amount<'a>(
    text: &'a str,
    unit: impl FnOnce(&'a str) -> Option<(u64, &'a str)>,
) -> Option<(u128, &'a str)> {
    let (whole, behind) = digits(text);
    let (fraction, rest) = behind.strip_prefix('.').map_or(("", behind), digits);
    if whole.is_empty() || (fraction.is_empty() && rest.len() != behind.len()) {
        return None;
    }
    let (unit_ns, rest) = unit(rest)?;
    let unit_ns = u128::from(unit_ns);
    let whole = u128::from(whole.parse::<u64>().ok()?).checked_mul(unit_ns)?;
    let counted = fraction.get(..FRACTION_MAX_DIGITS).unwrap_or(fraction);
    let scale = 10_u128.checked_pow(u32::try_from(counted.len()).ok()?)?;
    let part = match counted {
        "" => 0,
        digits => digits.parse::<u128>().ok()?.checked_mul(unit_ns)?,
    };
    Some((whole.checked_add(part.div_ceil(scale))?, rest))
}

/// Reads a unit; returns it in nanoseconds, and what follows.
fn unit(text: &str) -> Option<(u64, &str)> {
    const UNITS: [(&str, u64); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("\u{b5}s", 1_000),
        ("\u{3bc}s", 1_000),
        ("ms", 1_000_000),
        ("s", SECOND_NS),
        ("m", 60 * SECOND_NS),
        ("h", 3_600 * SECOND_NS),
    ];
    UNITS
        .into_iter()
        .find_map(|(name, nanos)| Some((nanos, text.strip_prefix(name)?)))
}

/// Splits a text behind the digits that it begins with.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, ""))
}

fn round_up(nanos: u128) -> Option<Duration> {
    let millis = nanos.div_ceil(1_000_000);
    u64::try_from(millis).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests;

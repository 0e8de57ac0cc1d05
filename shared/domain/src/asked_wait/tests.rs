use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::asked_wait;
use crate::{retry::LONGEST_DELAY, time::Timestamp};

#[test]
fn seconds_durations_and_dates_are_read() {
    for (value, millis) in [
        ("0", 0),
        ("5", 5_000),
        (" 5\t", 5_000),
        ("007", 7_000),
        ("1.5", 1_500),
        ("0.0001", 1),
        ("1.0000000000000000000000", 1_000),
        ("86400", 86_400_000),
        ("6m5s", 365_000),
        ("1.5h", 5_400_000),
        ("300ms", 300),
        ("1h2m3s4ms", 3_723_004),
        ("0s", 0),
        ("1ns", 1),
        ("1500us", 2),
        ("1500\u{b5}s", 2),
        ("1500\u{3bc}s", 2),
        ("24h", 86_400_000),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60_000),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60_000),
        ("Sun Nov  6 08:50:37 1994", 60_000),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ] {
        assert_eq!(asked(&[("retry-after", value)]), Some(millis), "{value}");
    }
}

#[test]
fn what_is_rubbish_or_more_than_a_day_is_passed_over() {
    let long = "0".repeat(65);
    for value in [
        "",
        " ",
        "-1",
        "+1",
        "-5s",
        ".5",
        "5.",
        "1.2.3",
        "1e3",
        "NaN",
        "inf",
        "0x10",
        "1 s",
        "5 m",
        "s",
        "5d",
        "5s5",
        "5sm",
        "1,5",
        "soon",
        "5;",
        &long,
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999h",
        "86401",
        "86400.001",
        "24h1ms",
        "1440m1s",
        "1700000000",
        "Sun, 06 Nov 1994 08:49:37",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Tue, 08 Nov 1994 08:49:37 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        assert_eq!(asked(&[("retry-after", value)]), None, "{value}");
    }
    assert_eq!(asked(&[]), None);
}

#[test]
fn the_first_header_that_can_be_used_wins() {
    let all = [
        ("x-ratelimit-reset-tokens", "4"),
        ("x-ratelimit-reset-requests", "3"),
        ("x-ratelimit-reset", "2"),
        ("retry-after", "1"),
    ];
    for left_out in 0..4 {
        let millis = u64::try_from(left_out + 1).unwrap() * 1_000;
        assert_eq!(asked(&all[..4 - left_out]), Some(millis));
    }
    let spoilt = [
        ("retry-after", "soon"),
        ("x-ratelimit-reset", "1700000000"),
        ("x-ratelimit-reset-requests", "6m0s"),
        ("x-ratelimit-reset-tokens", "1"),
    ];
    assert_eq!(asked(&spoilt), Some(360_000));
    let twice = [
        ("retry-after", "x"),
        ("retry-after", "7"),
        ("retry-after", "8"),
    ];
    assert_eq!(asked(&twice), Some(7_000));
    assert_eq!(asked(&[("x-retry-after", "1")]), None);
}

#[test]
fn bytes_that_are_no_text_are_rubbish() {
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", HeaderValue::from_bytes(b"5\xff").unwrap());

    assert_eq!(asked_wait(&headers, now()), None);
}

proptest! {
    #[test]
    fn no_value_makes_it_panic_and_no_wait_is_beyond_a_day(
        value in prop_oneof!["\\PC{0,70}", "[0-9.]{0,66}", "([0-9]{1,3}\\.?[0-9]{0,3}(ns|us|ms|s|m|h)){0,9}"],
        now in any::<i64>(),
    ) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.insert("x-ratelimit-reset", value);
        }
        let wait = asked_wait(&headers, Timestamp::from_millis(now));

        prop_assert!(wait.is_none_or(|wait| wait <= LONGEST_DELAY));
    }

    #[test]
    fn whole_seconds_up_to_a_day_are_taken_as_they_are(seconds in 0..=86_400_u64) {
        let millis = Some(seconds * 1_000);

        prop_assert_eq!(asked(&[("retry-after", &seconds.to_string())]), millis);
        prop_assert_eq!(asked(&[("retry-after", &format!("{seconds}s"))]), millis);
    }
}

/// Returns the wait in milliseconds.
fn asked(pairs: &[(&'static str, &str)]) -> Option<u64> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(HeaderName::from_static(name), value);
    }
    asked_wait(&headers, now()).map(|wait| u64::try_from(wait.as_millis()).unwrap())
}

/// Sun, 06 Nov 1994 08:49:37 GMT.
fn now() -> Timestamp {
    Timestamp::parse("1994-11-06T08:49:37Z").unwrap()
}

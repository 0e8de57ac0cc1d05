use domain::{asked_wait::asked_wait, retry::LONGEST_DELAY};
use fuzzing::near;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use crate::now;

const EXAMPLES: &[&str] = &[
    "0",
    "120",
    "1.5",
    "6m5s",
    "1h2m3.5s",
    "250ms",
    "Sat, 14 Mar 2026 10:25:45 GMT",
    "Saturday, 14-Mar-26 10:25:45 GMT",
    "Sat Mar 14 10:25:45 2026",
];
const WORDS: &[&str] = &[
    "s",
    "ms",
    "µs",
    "ns",
    "h",
    "m",
    "GMT",
    "9999999999999999999",
    ".",
    "-",
];
const NAMES: [&str; 4] = [
    "retry-after",
    "x-ratelimit-reset",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
];

proptest! {
    #![proptest_config(fuzzing::config())]

    #[test]
    fn a_wait_that_is_asked_for_is_at_most_a_day(
        values in prop::collection::vec((prop::sample::select(&NAMES[..]), near(EXAMPLES, WORDS)), 0..5),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in &values {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                headers.append(*name, value);
            }
        }
        if let Some(wait) = asked_wait(&headers, now()) {
            prop_assert!(wait <= LONGEST_DELAY);
        }
    }
}

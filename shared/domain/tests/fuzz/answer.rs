//! What receivers and token servers answer.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    asked_wait::asked_wait,
    attempt::BodyEncoding,
    oauth2::read_answer,
    redaction::{Scrubber, excerpt},
    retry::LONGEST_DELAY,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use crate::{assert_short, now, target};

const SECRETS: [&str; 2] = ["secret-of-the-endpoint-42", "Bearer b-e-a-r-e-r-text"];

#[test]
fn a_wait_that_is_asked_for_is_at_most_a_day() {
    let words = &[
        "retry-after: ",
        "x-ratelimit-reset: ",
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
    target("asked-wait", words).check(|input| {
        let (headers, _) = fuzzing::message(input);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_bytes(value),
            ) {
                map.append(name, value);
            }
        }
        if let Some(wait) = asked_wait(&map, now()) {
            prop_assert!(wait <= LONGEST_DELAY);
        }
        Ok(())
    });
}

#[test]
fn a_token_that_is_granted_can_be_sent() {
    let words = &[
        "\"access_token\":",
        "\"expires_in\":",
        "\"token_type\":\"mac\"",
    ];
    target("token-answer", words).check(|input| {
        match read_answer(200, input) {
            Err(none) => assert_short(&none.failure().message),
            Ok(granted) => prop_assert!(HeaderValue::from_str(&granted.token).is_ok()),
        }
        let refused = read_answer(401, input).err().unwrap();
        assert_short(&refused.failure().message);
        Ok(())
    });
}

#[test]
fn an_answer_is_kept_without_secrets_and_no_longer_than_it_may_be() {
    let words = &[
        "secret-of-the-endpoint-42",
        "b-e-a-r-e-r-text",
        "c2VjcmV0LW9mLXRoZS1lbmRwb2ludC00Mg",
        "\u{20ac}",
    ];
    let scrubber = Scrubber::new(SECRETS.into_iter());
    target("answer", words).check(|input| {
        for is_cut in [false, true] {
            let clean = scrubber.scrub_bytes(input, is_cut);
            let shown = String::from_utf8_lossy(&clean);
            for secret in ["secret-of-the-endpoint-42", "b-e-a-r-e-r-text"] {
                prop_assert!(!shown.contains(secret), "{shown}");
            }
        }
        for limit in [0, 1, 5, 64, 4_096] {
            let (text, encoding) = excerpt(input, limit);
            prop_assert!(text.len() <= limit);
            match encoding {
                BodyEncoding::Text => prop_assert!(input.starts_with(text.as_bytes())),
                BodyEncoding::Base64 => {
                    prop_assert!(input.starts_with(&STANDARD.decode(text).unwrap()));
                }
            }
        }
        Ok(())
    });
}

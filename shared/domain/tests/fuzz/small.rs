//! The parsers of single values.

use domain::{
    destination::Policy, endpoint::EventPattern, signing::SigningKey, token, trace::TraceParent,
};
use fuzzing::near_text;
use proptest::prelude::*;

use crate::assert_short;

const URLS: &[&str] = &[
    "https://a.example/hook",
    "https://A.example.:443/x?y=z#f",
    "https://user:pass@a.example",
    "https://127.0.0.1:8443/",
    "https://0x7f.1/",
    "https://[::ffff:10.0.0.1]/",
    "https://xn--bcher-kva.example/",
    "https://8.8.8.8/",
];

proptest! {
    #![proptest_config(fuzzing::config())]

    #[test]
    fn a_url_that_is_taken_is_taken_again_as_it_is_written_out(
        input in near_text(URLS, &["://", "@", "[", "]", "%2e", "。", "\u{ff10}", "127.0.0.1", "localhost"]),
    ) {
        let policy = Policy::default();
        match policy.check_url(&input) {
            Err(refused) => assert_short(&refused),
            Ok(url) => {
                prop_assert_eq!(url.scheme(), "https");
                prop_assert!(url.username().is_empty() && url.password().is_none());
                prop_assert_eq!(policy.check_url(url.as_str()).unwrap(), url);
            }
        }
    }

    #[test]
    fn a_pattern_prints_what_it_parses(input in near_text(&["*", "reward.*", "challenge-*", "auth.email"], &["**"])) {
        match EventPattern::parse(&input) {
            Err(error) => assert_short(&error),
            Ok(pattern) => prop_assert_eq!(String::from(pattern), input),
        }
    }

    #[test]
    fn a_secret_is_never_repeated(
        input in near_text(&["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"], &["whsec_", "=="]),
    ) {
        if let Err(error) = SigningKey::decode(&input) {
            assert_short(&error);
            prop_assert!(input.len() < 8 || !error.to_string().contains(&input));
        }
    }

    #[test]
    fn headers_of_callers_are_read_without_harm(
        text in near_text(&["Bearer pht_abc", "pht_abc", "bearer  x", "Basic dTpw"], &["Bearer "]),
        parent in near_text(&["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"], &["-", "ff", "0000"]),
    ) {
        if let Some(found) = token::presented(Some(&text), None) {
            prop_assert!(!found.is_empty() && text.contains(found));
        }
        if let Some(parsed) = TraceParent::parse(&parent) {
            prop_assert_eq!(TraceParent::parse(&parsed.to_string()), Some(parsed));
        }
    }
}

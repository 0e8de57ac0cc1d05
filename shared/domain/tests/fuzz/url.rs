use domain::{
    destination::Policy,
    redaction::{MASK, mask_url, secrets_in_url},
};
use proptest::prelude::*;

use crate::{assert_short, target};

#[test]
fn a_url_that_is_taken_is_taken_again_as_it_is_written_out() {
    let words = &[
        "://",
        "@",
        "[",
        "]",
        "%2e",
        "。",
        "\u{ff10}",
        "127.0.0.1",
        "localhost",
    ];
    let policy = Policy::default();
    target("url", words).check_text(|input| {
        match policy.check_url(input) {
            Err(refused) => assert_short(&refused),
            Ok(url) => {
                prop_assert_eq!(url.scheme(), "https");
                prop_assert!(url.username().is_empty() && url.password().is_none());
                prop_assert_eq!(policy.check_url(url.as_str()).unwrap(), url);
            }
        }
        Ok(())
    });
}

#[test]
fn no_value_of_a_query_is_shown() {
    target("shown-url", &["?", "&", "=", "#", "%3d", "***"]).check_text(|input| {
        let shown = mask_url(input);
        prop_assert_eq!(&mask_url(&shown), &shown);
        if let Some((_, query)) = shown.split_once('?') {
            for pair in query.split('&') {
                let value = pair.split_once('=').map_or("", |(_, value)| value);
                prop_assert!(value.is_empty() || value == MASK, "{value}");
            }
        }
        let _secrets = secrets_in_url(input);
        Ok(())
    });
}

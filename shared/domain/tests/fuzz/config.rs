use domain::{
    destination::Policy,
    draft::{ConfigDraft, Context, RotationDraft},
    endpoint::Endpoint,
    retry::RetryPolicy,
};
use proptest::prelude::*;

use crate::{acme, assert_short, now, target};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const WORDS: &[&str] = &[
    "\"url\":",
    "\"events\":",
    "\"headers\":",
    "\"secret\":",
    "\"signing\":",
    "\"retryPolicy\":",
    "\"delay\":",
    "\"fixed\":",
    "\"schedule\":",
    "\"expression\":",
    "\"metadata\":",
    "\"oauth2\":",
    "\"clientCertificate\":",
    "\"http://127.0.0.1\"",
    "\"https://[::1]\"",
    "\"***\"",
    "\"jwt\"",
    "\"none\"",
];

#[test]
fn a_draft_becomes_an_endpoint_or_a_short_word_about_a_field() {
    let policy = Policy::default();
    let context = context(&policy);
    target("config", WORDS).check_text(|input| {
        let Ok(draft) = serde_json::from_str::<ConfigDraft>(input) else {
            return Ok(());
        };
        match draft.apply(None, &context) {
            Err(fault) => {
                assert_short(&fault);
                prop_assert!(!fault.to_string().contains(SECRET));
            }
            Ok(change) => {
                prop_assert!(policy.check_url(&change.endpoint.url).is_ok());
                prop_assert!(change.endpoint.max_retries() <= 100);
                prop_assert!((1_000..=60_000).contains(&change.endpoint.timeout_ms));
                let again = draft.apply(Some(&change.endpoint), &context).unwrap();
                prop_assert_eq!(&again.endpoint.url, &change.endpoint.url);
                prop_assert_eq!(&again.endpoint.events, &change.endpoint.events);
                prop_assert_eq!(&again.endpoint.retry_policy, &change.endpoint.retry_policy);
                prop_assert_eq!(&stored(&change.endpoint), &change.endpoint);
            }
        }
        let shown = format!("{draft:?}");
        prop_assert!(!shown.contains(SECRET), "it is printed");
        Ok(())
    });
}

#[test]
fn a_rotation_that_is_taken_overlaps_for_a_week_at_most() {
    let policy = Policy::default();
    let draft: ConfigDraft =
        serde_json::from_str(r#"{"url": "https://a.example", "events": ["*"]}"#).unwrap();
    let endpoint = draft.apply(None, &context(&policy)).unwrap().endpoint;
    target("rotation", &["\"overlapMs\":", "604800001", "\"secret\":"]).check_text(|input| {
        let Ok(draft) = serde_json::from_str::<RotationDraft>(input) else {
            return Ok(());
        };
        match draft.check(&endpoint) {
            Err(fault) => {
                assert_short(&fault);
                prop_assert!(!fault.to_string().contains(SECRET));
            }
            Ok(rotation) => prop_assert!(rotation.overlap.as_secs() <= 604_800),
        }
        Ok(())
    });
}

#[test]
fn a_policy_that_is_taken_is_written_as_it_was_read() {
    let words = &[
        "\"delay\":",
        "\"statuses\":",
        "\"5xx\"",
        "\"fixed\":",
        "86400001",
    ];
    target("retry-policy", words).check_text(|input| {
        let Ok(policy) = serde_json::from_str::<RetryPolicy>(input) else {
            return Ok(());
        };
        match policy.check() {
            Err(invalid) => assert_short(&invalid.must),
            Ok(()) => {
                for retry in [1, 2, 100, u32::MAX] {
                    for jitter in [0.0, 0.5, 0.999_999] {
                        let delay = policy.delay_before(retry, jitter);
                        prop_assert!(delay <= domain::retry::LONGEST_DELAY, "{delay:?}");
                    }
                }
                let text = serde_json::to_string(&policy).unwrap();
                prop_assert_eq!(serde_json::from_str::<RetryPolicy>(&text).unwrap(), policy);
            }
        }
        Ok(())
    });
}

fn context(policy: &Policy) -> Context<'_> {
    Context {
        id: "ep_1".parse().unwrap(),
        organisation: acme(),
        now: now(),
        destination: policy,
    }
}

/// Returns the endpoint as it is read from where it is kept.
fn stored(endpoint: &Endpoint) -> Endpoint {
    serde_json::from_slice(&serde_json::to_vec(endpoint).unwrap()).unwrap()
}

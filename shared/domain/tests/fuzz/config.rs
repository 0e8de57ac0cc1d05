use domain::{
    destination::Policy,
    draft::{ConfigDraft, Context},
};
use fuzzing::near_text;
use proptest::prelude::*;

use crate::{acme, assert_short, now};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const EXAMPLES: &[&str] = &[
    r#"{"url": "https://a.example/hook", "events": ["*"]}"#,
    r#"{"url": "https://a.example/hook?x=1", "events": ["challenge-completion", "reward.*", "auth.email"], "httpMethod": "PUT",
        "isEnabled": false, "maxRetries": 5, "headers": {"Authorization": "Bearer abc", "X-Source": "acme"},
        "entityFilters": {"challenge-completion": ["c-1"]}, "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "signing": {"scheme": "hmac-hex", "header": "x-signature"}, "timeoutMs": 5000, "rateLimit": 2.5, "maxInFlight": 8,
        "description": "d", "metadata": {"team": "a"}}"#,
    r#"{"url":"https://a.example","events":[],"retryPolicy":{"preset":"custom","delay":{"expression":"pow(2, retried) * 1000"},
        "jitter":0.2,"retryOn":{"statuses":["5xx",429],"errorKinds":["connect","timeout"]},"honourRetryAfter":true}}"#,
    r#"{"url":"https://a.example","events":["a"],"retryPolicy":{"preset":"qstash","delay":{"exponential":{"base":1000,"factor":2,"cap":3600000}}}}"#,
    r#"{"url":"https://a.example","events":["a"],"signing":{"scheme":"standard","asymmetric":true},"maxRetries":null}"#,
];
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

proptest! {
    #![proptest_config(fuzzing::config())]

    #[test]
    fn a_draft_becomes_an_endpoint_or_a_short_word_about_a_field(input in near_text(EXAMPLES, WORDS)) {
        let Ok(draft) = serde_json::from_str::<ConfigDraft>(&input) else {
            return Ok(());
        };
        let policy = Policy::default();
        let context = Context {
            id: "ep_1".parse().unwrap(),
            organisation: acme(),
            now: now(),
            destination: &policy,
        };
        match draft.apply(None, &context) {
            Err(fault) => {
                assert_short(&fault);
                prop_assert!(!fault.to_string().contains(SECRET));
            }
            Ok(change) => {
                prop_assert!(change.endpoint.url.starts_with("https:"));
                prop_assert!(change.endpoint.max_retries() <= 100);
                prop_assert!((1_000..=60_000).contains(&change.endpoint.timeout_ms));
                let again = draft.apply(Some(&change.endpoint), &context).unwrap();
                prop_assert_eq!(&again.endpoint.url, &change.endpoint.url);
                prop_assert_eq!(&again.endpoint.events, &change.endpoint.events);
                prop_assert_eq!(&again.endpoint.retry_policy, &change.endpoint.retry_policy);
            }
        }
        let shown = format!("{draft:?}");
        prop_assert!(!shown.contains(SECRET), "it is printed");
    }
}

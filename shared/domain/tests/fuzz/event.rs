use bytes::Bytes;
use domain::{
    event::{Event, stored_max_bytes},
    incoming::{Headers, read_request},
};
use fuzzing::near;
use proptest::prelude::*;

use crate::{acme, assert_short, now};

const LIMIT: usize = 4_096;
const EXAMPLES: &[&str] = &[
    r#"{"eventSubCategory": "reward-claim"}"#,
    r#"{ "id": "evt-1", "eventCategory": "challenge", "eventSubCategory": "challenge-completion", "organisationId": "acme",
        "communityId": "c-1", "userId": "u-1", "eventSourceId": "ch-1", "payload": {"points": 10, "tags": ["a", "b"]},
        "createdAt": "2026-03-14T10:21:45.102Z" }"#,
    r#"[{"eventSubCategory": "auth.email", "payload": null}, {"id": "b", "eventSubCategory": "b", "x": {"y": [{}]}}]"#,
    r#"{"eventSubCategory":"a","payload":{"text":"\u00e9\ud83d\ude00 \\ \" \/ é"},"n":-1.5e-7}"#,
];
const WORDS: &[&str] = &[
    "\"id\":",
    "\"eventSubCategory\":",
    "\"eventCategory\":",
    "\"organisationId\":",
    "\"eventSourceId\":",
    "\"createdAt\":",
    "\"payload\":",
    "\"acme\"",
    "\"globex\"",
    "\"a.b\"",
    "\"2026-03-14T10:21:45Z\"",
];

proptest! {
    #![proptest_config(fuzzing::config())]

    #[test]
    fn an_event_is_read_twice_alike_and_its_bytes_are_kept(input in near(EXAMPLES, WORDS)) {
        let sent = Bytes::from(input);
        match Event::read(&acme(), &sent, now(), LIMIT) {
            Err(fault) => assert_short(&fault),
            Ok(event) => {
                prop_assert_eq!(&event.organisation, &acme());
                prop_assert!(event.body.len() <= stored_max_bytes(LIMIT));
                let text = std::str::from_utf8(&sent).unwrap();
                let inside = text.trim_ascii_start().strip_prefix('{').unwrap();
                prop_assert!(event.body.ends_with(inside.as_bytes()), "its own bytes come last, unchanged");
                serde_json::from_slice::<serde::de::IgnoredAny>(&event.body).unwrap();

                let again = Event::read(&acme(), &event.body, now(), stored_max_bytes(LIMIT)).unwrap();
                prop_assert_eq!(&again, &event);
                prop_assert_eq!(Event::read(&acme(), &sent, now(), LIMIT).unwrap(), event);
            }
        }
    }

    #[test]
    fn a_request_is_taken_whole_or_not_at_all(input in near(EXAMPLES, WORDS)) {
        let sent = Bytes::from(input);
        match read_request(&acme(), &Headers::default(), &sent, now(), LIMIT) {
            Err(refused) => assert_short(&refused.fault),
            Ok(events) => prop_assert!((1..=1_000).contains(&events.len())),
        }
    }
}

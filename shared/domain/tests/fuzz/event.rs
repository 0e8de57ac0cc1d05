use bytes::Bytes;
use domain::{
    event::{Event, stored_max_bytes},
    incoming::{Headers, read_request},
    payload::Payload,
};
use proptest::prelude::*;

use crate::{acme, assert_short, now, target};

const LIMIT: usize = 4_096;
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

#[test]
fn an_event_is_read_twice_alike_and_its_bytes_are_kept() {
    target("event", WORDS).check(|input| {
        let sent = Bytes::copy_from_slice(input);
        match Event::read(&acme(), &sent, now(), LIMIT) {
            Err(fault) => assert_short(&fault),
            Ok(event) => {
                prop_assert_eq!(&event.organisation, &acme());
                prop_assert!(event.body.len() <= stored_max_bytes(LIMIT));
                let text = std::str::from_utf8(&sent).unwrap();
                let inside = text.trim_ascii_start().strip_prefix('{').unwrap();
                prop_assert!(
                    event.body.ends_with(inside.as_bytes()),
                    "its own bytes come last, unchanged"
                );
                serde_json::from_slice::<serde::de::IgnoredAny>(&event.body).unwrap();

                let limit = stored_max_bytes(LIMIT);
                let again = Event::read(&acme(), &event.body, now(), limit).unwrap();
                prop_assert_eq!(&again, &event);
                prop_assert_eq!(&Event::read(&acme(), &sent, now(), LIMIT).unwrap(), &event);
                if let Err(fault) = Payload::of(&event) {
                    assert_short(&fault);
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_request_is_taken_whole_or_not_at_all() {
    target("events", WORDS).check(|input| {
        let sent = Bytes::copy_from_slice(input);
        match read_request(&acme(), &Headers::default(), &sent, now(), LIMIT) {
            Err(refused) => assert_short(&refused.fault),
            Ok(events) => prop_assert!((1..=1_000).contains(&events.len())),
        }
        Ok(())
    });
}

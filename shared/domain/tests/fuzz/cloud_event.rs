use bytes::Bytes;
use domain::{
    event::stored_max_bytes,
    incoming::{Headers, read_message, read_request},
    payload::Payload,
};
use proptest::prelude::*;

use crate::{acme, assert_short, now, target};

const LIMIT: usize = 16_384;
const WORDS: &[&str] = &[
    "\"specversion\":\"1.0\"",
    "\"specversion\":\"0.3\"",
    "\"type\":",
    "\"source\":",
    "\"subject\":",
    "\"time\":",
    "\"data\":",
    "\"data_base64\":",
    "\"datacontenttype\":",
    "\"text/plain\"",
];
const LINES: &[&str] = &[
    "ce-specversion: 1.0\n",
    "ce-type: a.b\n",
    "ce-source: /s\n",
    "ce-id: 1\n",
    "ce-time: ",
    "ce-x: ",
    "content-type: application/cloudevents+json\n",
    "content-type: application/cloudevents-batch+json\n",
    "content-type: text/plain\n",
    "\n\n",
    "%zz",
    "\u{7f}",
];

fn headers(content_type: &str) -> Headers<'_> {
    [("content-type", content_type.as_bytes())]
        .into_iter()
        .collect()
}

#[test]
fn a_structured_event_is_delivered_as_it_was_sent() {
    let headers = headers("application/cloudevents+json");
    target("cloud-event", WORDS).check(|input| {
        let sent = Bytes::copy_from_slice(input);
        match read_message(&acme(), &headers, &sent, now(), LIMIT) {
            Err(fault) => assert_short(&fault),
            Ok(event) => {
                prop_assert_eq!(event.body.trim_ascii(), sent.trim_ascii());
                let again = read_message(&acme(), &headers, &event.body, now(), LIMIT);
                prop_assert_eq!(again.unwrap(), event);
            }
        }
        Ok(())
    });
}

#[test]
fn a_batch_is_taken_whole_or_not_at_all() {
    let headers = headers("application/cloudevents-batch+json");
    target("cloud-events", WORDS).check(|input| {
        let sent = Bytes::copy_from_slice(input);
        match read_request(&acme(), &headers, &sent, now(), LIMIT) {
            Err(refused) => assert_short(&refused.fault),
            Ok(events) => prop_assert!((1..=1_000).contains(&events.len())),
        }
        Ok(())
    });
}

#[test]
fn a_message_is_read_twice_alike_whatever_its_headers_say() {
    target("message", LINES).check(|input| {
        let (headers, data) = fuzzing::message(input);
        let headers: Headers<'_> = headers.into_iter().collect();
        let data = Bytes::copy_from_slice(data);
        match read_message(&acme(), &headers, &data, now(), LIMIT) {
            Err(fault) => assert_short(&fault),
            Ok(event) => {
                prop_assert!(event.body.len() <= stored_max_bytes(LIMIT));
                let kept = event.content.headers().iter();
                let kept: Headers<'_> = kept
                    .map(|(name, value)| (name.as_str(), value.as_bytes()))
                    .collect();
                let limit = stored_max_bytes(LIMIT);
                let again = read_message(&acme(), &kept, &event.body, now(), limit);
                prop_assert_eq!(&again.unwrap(), &event);
                if let Err(fault) = Payload::of(&event) {
                    assert_short(&fault);
                }
            }
        }
        Ok(())
    });
}

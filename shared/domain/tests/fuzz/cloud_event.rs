use bytes::Bytes;
use domain::incoming::{Headers, read_message, read_request};
use fuzzing::near;
use proptest::prelude::*;

use crate::{acme, assert_short, now};

const LIMIT: usize = 16_384;
const STRUCTURED: &[&str] = &[
    r#"{"specversion":"1.0","type":"reward.earned","source":"/shop","id":"1"}"#,
    r#"{"specversion": "1.0", "type": "order.paid", "source": "https://a.example/x", "id": "A-1", "subject": "o-7",
        "time": "2026-03-14T10:21:45.102Z", "datacontenttype": "application/json", "dataschema": "https://a.example/s",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "data": {"n": 1}}"#,
    r#"{"specversion":"1.0","type":"a","source":"s","id":"i","data_base64":"AAECAw=="}"#,
];
const BATCHES: &[&str] = &[
    r#"[{"specversion":"1.0","type":"a","source":"s","id":"1"},{"specversion":"1.0","type":"b","source":"s","id":"2","data":[1]}]"#,
    "[]",
];
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
const ATTRIBUTES: &[&str] = &[
    "1.0",
    "reward.earned",
    "/shop",
    "A%20B",
    "o-7",
    "2026-03-14T10:21:45Z",
    "text/plain",
];
const NAMES: [&str; 8] = [
    "ce-specversion",
    "ce-type",
    "ce-source",
    "ce-id",
    "ce-subject",
    "ce-time",
    "ce-tenant",
    "content-type",
];

fn headers(content_type: &str) -> Headers<'_> {
    [("content-type", content_type.as_bytes())]
        .into_iter()
        .collect()
}

proptest! {
    #![proptest_config(fuzzing::config())]

    #[test]
    fn a_structured_event_is_delivered_as_it_was_sent(input in near(STRUCTURED, WORDS)) {
        let sent = Bytes::from(input);
        match read_message(&acme(), &headers("application/cloudevents+json"), &sent, now(), LIMIT) {
            Err(fault) => assert_short(&fault),
            Ok(event) => {
                prop_assert_eq!(event.body.trim_ascii(), sent.trim_ascii());
                let again = read_message(&acme(), &headers("application/cloudevents+json"), &event.body, now(), LIMIT);
                prop_assert_eq!(again.unwrap(), event);
            }
        }
    }

    #[test]
    fn a_batch_is_taken_whole_or_not_at_all(input in near(BATCHES, WORDS)) {
        let sent = Bytes::from(input);
        match read_request(&acme(), &headers("application/cloudevents-batch+json"), &sent, now(), LIMIT) {
            Err(refused) => assert_short(&refused.fault),
            Ok(events) => prop_assert!((1..=1_000).contains(&events.len())),
        }
    }

    #[test]
    fn a_binary_event_is_its_data_whatever_its_headers_say(
        values in prop::collection::vec(near(ATTRIBUTES, &["%", "%zz", "\u{7f}"]), NAMES.len()),
        left_out in 0..NAMES.len() * 2,
        data in near(STRUCTURED, WORDS),
    ) {
        let data = Bytes::from(data);
        let headers: Headers<'_> = NAMES
            .iter()
            .zip(&values)
            .enumerate()
            .filter(|(at, _)| *at != left_out)
            .map(|(_, (name, value))| (*name, value.as_slice()))
            .collect();
        match read_message(&acme(), &headers, &data, now(), LIMIT) {
            Err(fault) => assert_short(&fault),
            Ok(event) => {
                prop_assert_eq!(&event.body, &data);
                prop_assert_eq!(read_message(&acme(), &headers, &data, now(), LIMIT).unwrap(), event);
            }
        }
    }
}

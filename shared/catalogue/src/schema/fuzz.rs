use bytes::Bytes;
use domain::{event::Event, payload::Payload, time::Timestamp};
use fuzzing::Target;
use proptest::prelude::*;

use super::Schema;

const WORDS: &[&str] = &[
    "\"$ref\":\"#\"",
    "\"$ref\":\"#/$defs/a\"",
    "\"allOf\":",
    "\"items\":",
    "\"contains\":",
    "\"pattern\":\"(a*)*$\"",
    "\"pattern\":\"a{1000}{1000}\"",
    "\"$id\":\"https://a.example/\"",
    "\"unevaluatedProperties\":false",
    "\"uniqueItems\":true",
];

/// An input is a schema in one line, and the payloads that it is asked about in the others.
#[test]
fn a_schema_that_is_taken_judges_every_payload_in_bounded_time() {
    let target = Target::new(env!("CARGO_MANIFEST_DIR"), "schema", WORDS);
    target.check_text(|text| {
        let mut lines = text.lines();
        let document = lines.next().unwrap_or_default();
        let Ok(document) = serde_json::from_str(document) else {
            return Ok(());
        };
        let schema = match Schema::compile(&document) {
            Ok(schema) => schema,
            Err(fault) => {
                prop_assert!(!fault.field.is_empty());
                return Ok(());
            }
        };
        for payload in lines.filter_map(payload) {
            let judged = schema.check(&payload);
            prop_assert_eq!(judged.is_ok(), schema.check(&payload).is_ok());
        }
        Ok(())
    });
}

fn payload(text: &str) -> Option<Payload> {
    let body = Bytes::from(format!("{{\"eventSubCategory\":\"a\",\"payload\":{text}}}"));
    let now = Timestamp::from_millis(0);
    let event = Event::read(&"acme".parse().ok()?, &body, now, 1 << 20).ok()?;
    Payload::of(&event).ok()
}

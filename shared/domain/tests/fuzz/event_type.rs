use domain::{
    event_type::{EventType, draft::EventTypeDraft},
    payload_schema::{Shape, room},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{assert_short, now, target};

#[test]
fn an_event_type_is_kept_as_it_is_asked_for() {
    let words = &[
        "\"name\":",
        "\"schema\":",
        "\"category\":",
        "\"entityType\":",
    ];
    target("event-type", words).check_text(|input| {
        let Ok(draft) = serde_json::from_str::<EventTypeDraft>(input) else {
            return Ok(());
        };
        let new = EventType::unsaved(draft.name.clone(), None, now());
        match draft.apply(&new) {
            Err(fault) => assert_short(&fault),
            Ok(event_type) => {
                prop_assert_eq!(&draft.apply(&event_type).unwrap(), &event_type);
                let text = serde_json::to_string(&event_type).unwrap();
                prop_assert_eq!(
                    serde_json::from_str::<EventType>(&text).unwrap(),
                    event_type
                );
            }
        }
        Ok(())
    });
}

#[test]
fn the_work_of_a_schema_that_is_taken_is_bounded() {
    let words = &[
        "\"$ref\":\"#\"",
        "\"$ref\":\"#/$defs/a\"",
        "\"allOf\":",
        "\"items\":",
        "\"pattern\":\"(a*)*$\"",
        "\"$dynamicRef\":",
        "\"$id\":",
        "\"https://json-schema.org/draft/2019-09/schema\"",
        "\"unevaluatedProperties\":",
    ];
    let payload = json!({"points": 1, "tags": ["a", {"left": {}}], "x-a": "long"});
    target("payload-schema", words).check_text(|input| {
        let Ok(schema) = serde_json::from_str::<Value>(input) else {
            return Ok(());
        };
        prop_assert!(room(&schema) <= 5_000 * (input.len() + 1));
        match Shape::of(&schema) {
            Err(fault) => assert_short(&fault),
            Ok(shape) => {
                let _effort = shape.effort(&schema, &payload);
                prop_assert!(shape.most_work(10) <= shape.most_work(11));
            }
        }
        Ok(())
    });
}

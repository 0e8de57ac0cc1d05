use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    EventType,
    draft::{EventTypeDraft, SCHEMA_MAX_BYTES},
    seed,
};
use crate::{name::EventName, time::Timestamp};

#[test]
fn every_seed_has_a_valid_name_of_its_own() {
    let names: BTreeSet<&str> = seed::all().map(|one| one.name).collect();
    assert_eq!(names.len(), seed::all().count());
    for one in seed::all() {
        assert!(EventName::try_new(one.name).is_ok(), "{}", one.name);
        assert_eq!(seed::find(one.name), Some(one));
    }
    assert_eq!(seed::find("challenge"), None);
}

#[test]
fn a_seed_can_be_saved_back_as_it_is() {
    for one in seed::all() {
        let unsaved = EventType::unsaved(one.name.parse().unwrap(), Some(one), at(1));
        let sent_back = draft(json!({
            "name": one.name, "category": unsaved.category, "description": unsaved.description,
            "entityType": unsaved.entity_type, "schema": null,
        }));

        assert_eq!(sent_back.apply(&unsaved).unwrap(), unsaved, "{}", one.name);
    }
}

#[test]
fn a_draft_changes_what_it_names() {
    let there = EventType::unsaved(
        "reward.earned".parse().unwrap(),
        seed::find("reward.earned"),
        at(1),
    );
    let schema = json!({"type": "object"});

    let with_schema = apply(&there, json!({"schema": schema})).unwrap();
    let cleared = apply(&with_schema, json!({"category": null, "schema": null})).unwrap();

    assert_eq!(with_schema.category.as_deref(), Some("reward"));
    assert_eq!(with_schema.payload_schema, Some(schema));
    assert_eq!(cleared.category, None);
    assert_eq!(cleared.payload_schema, None);
    assert_eq!(cleared.description, there.description);
}

#[test]
fn what_is_out_of_bounds_is_named() {
    let long = |n: usize| "x".repeat(n);
    for (field, value, problem) in [
        (
            "category",
            json!(" "),
            "must be 1 to 64 printable characters",
        ),
        (
            "category",
            json!("a\nb"),
            "must be 1 to 64 printable characters",
        ),
        (
            "entityType",
            json!(long(65)),
            "must be 1 to 64 printable characters",
        ),
        (
            "description",
            json!(long(1_001)),
            "must be at most 1000 characters",
        ),
        (
            "description",
            json!("a\u{7}"),
            "must hold no control characters but line feeds and tabs",
        ),
        ("schema", json!(true), "must be an object"),
        ("schema", json!([]), "must be an object"),
        (
            "schema",
            json!({"description": long(SCHEMA_MAX_BYTES)}),
            "must be at most 64 KiB",
        ),
    ] {
        let there = EventType::unsaved("a".parse().unwrap(), None, at(1));
        let fault = apply(&there, json!({field: value})).unwrap_err();
        assert_eq!(
            (fault.field.as_str(), fault.problem.as_str()),
            (field, problem)
        );
    }
}

#[test]
fn read_only_fields_are_ignored_and_unknown_ones_refused() {
    let all = json!({
        "name": "a", "isSeeded": true, "createdAt": "x", "updatedAt": 7, "revision": {},
    });
    draft(all);
    let unknown = json!({"name": "a", "colour": "red"});
    assert!(serde_json::from_value::<EventTypeDraft>(unknown).is_err());
}

fn apply(there: &EventType, mut fields: Value) -> Result<EventType, crate::draft::Fault> {
    fields["name"] = json!(there.name);
    draft(fields).apply(there)
}

fn draft(fields: Value) -> EventTypeDraft {
    serde_json::from_value(fields).unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

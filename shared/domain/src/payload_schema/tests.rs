use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};
use serde_json::{Value, json};

use super::{
    Effort, LEVELS_MAX, Shape, WORK_MAX, room,
    wording::{place, problem},
};

#[test]
fn usual_schemas_are_taken() {
    for schema in [
        json!({}),
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://a.example/x"}),
        json!({
            "type": "object", "required": ["points"],
            "properties": {
                "points": {"type": "integer", "minimum": 0},
                "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
                // A field may be called like a keyword.
                "$ref": {"type": "string"}, "id": {"type": "string"}, "$id": {"$ref": "#/$defs/item"},
            },
            "$defs": {"item": {"anyOf": [{"type": "string"}, true]}},
        }),
        json!({"dependencies": {"a": ["b"], "c": {"required": ["d"]}}}),
    ] {
        assert!(Shape::of(&schema).is_ok(), "{schema}");
    }
}

#[test]
fn a_reference_stays_in_the_schema_and_never_leads_back() {
    refused([
        (
            json!({"$schema": "https://a.example/own"}),
            "$schema: must be JSON Schema draft",
        ),
        (
            json!({"properties": {"a": 7}}),
            "properties.a: must be an object or a boolean",
        ),
        (
            json!({"$ref": "https://a.example/x.json"}),
            "$ref: must point into the schema itself",
        ),
        (
            json!({"items": {"$ref": "file:///etc/passwd"}}),
            "items.$ref: must point into",
        ),
        (
            json!({"$ref": "#name"}),
            "$ref: must point into the schema itself",
        ),
        (
            json!({"$ref": 7}),
            "$ref: must point into the schema itself",
        ),
        (
            json!({"$ref": "#/$defs/a"}),
            "$ref: points to nothing in the schema",
        ),
        (json!({"$ref": "#"}), "$ref: must not lead back to itself"),
        (
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}),
            ".$ref: must not lead back to itself",
        ),
        (
            json!({"properties": {"a": {"properties": {"b": {"$ref": "#/properties/a"}}}}}),
            "properties.a.properties.b.$ref",
        ),
    ]);
}

#[test]
fn what_can_not_be_checked_in_bounds_is_refused_with_its_place() {
    let deep = (0..=LEVELS_MAX).fold(json!({}), |inner, _| json!({"not": inner}));
    let names: Vec<String> = (0..12).map(|n| format!("d{n}")).collect();
    let doubling: serde_json::Map<String, Value> = (names.iter().zip(names.iter().skip(1)))
        .map(|(own, next)| {
            let to = json!({"$ref": format!("#/$defs/{next}")});
            (own.clone(), json!({"allOf": [to, to, to]}))
        })
        .chain([("d11".to_owned(), json!({}))])
        .collect();
    refused([
        (
            json!({"allOf": [{"$dynamicRef": "#a"}]}),
            "allOf[0].$dynamicRef: is not supported",
        ),
        (
            json!({"properties": {"a": {"$id": "https://a.example/"}}}),
            "properties.a.$id: is supported at the root only",
        ),
        (
            json!({"pattern": "a".repeat(257)}),
            "pattern: must be at most 256 bytes",
        ),
        (
            json!({"patternProperties": {"a".repeat(257): {}}}),
            "patternProperties: must be at most 256 bytes",
        ),
        (deep, "must stand at most 32 deep"),
        (
            json!({"$ref": "#/$defs/d0", "$defs": doubling}),
            "schema: must hold at most 10000 values, references followed",
        ),
    ]);
}

#[test]
fn looking_again_at_what_is_unevaluated_is_counted() {
    let nested = (0..20).fold(
        json!({}),
        |inner, _| json!({"allOf": [inner], "unevaluatedProperties": false}),
    );

    let fault = Shape::of(&nested).unwrap_err();

    assert!(fault.to_string().contains("must hold at most"), "{fault}");
}

#[test]
fn regular_expressions_take_more_room_than_their_text() {
    let plain = json!({"properties": {"pattern": {"type": "string"}}});
    let three = json!({"pattern": "a", "items": [{"patternProperties": {"b": {}, "c": {}}}]});

    assert_eq!(room(&plain), plain.to_string().len());
    assert_eq!(room(&three), three.to_string().len() + 3 * 4_096);
}

#[test]
fn the_work_with_a_payload_is_known_before_it_is_done() {
    let wide: Vec<Value> = (0..500).map(|n| json!({"minimum": n})).collect();
    let items = json!({"items": {"anyOf": wide}});
    let numbers = |n: usize| json!(vec![0; n]);
    check(&items, &numbers(10), Effort::Detailed);
    check(&items, &numbers(5_000), Effort::Plain);
    check(&items, &numbers(500_000), Effort::TooMuch);

    let matching = json!({"properties": {"text": {"pattern": "^(a{1,9})*$"}}});
    let text = |n: usize| json!({"text": "a".repeat(n)});
    check(&matching, &text(1_000), Effort::Detailed);
    check(&matching, &text(200_000), Effort::Plain);
    check(&matching, &text(1_000_000), Effort::TooMuch);

    // Much of both, where little of one meets little of the other.
    let apart = json!({"properties": {"few": {"anyOf": wide}, "many": {"type": "array"}}});
    check(
        &apart,
        &json!({"few": 1, "many": vec![0; 500_000]}),
        Effort::Plain,
    );
    let unique = json!({"items": {"uniqueItems": true}});
    check(&unique, &json!([vec![0; 500_000]]), Effort::Plain);
    let twice = json!({"items": {"allOf": [{"uniqueItems": true}, {"uniqueItems": true}]}});
    check(&twice, &json!([vec![0; 1_000_000]]), Effort::TooMuch);
}

#[test]
fn a_place_shows_only_names_that_the_schema_knows() {
    let schema = json!({
        "properties": {"items": {"items": {"required": ["points"]}}, "a/b": {}},
        "additionalProperties": {"properties": {"age": {}}},
    });
    let shape = Shape::of(&schema).unwrap();
    let payload = json!({
        "items": [{}, {"points": "x"}], "a/b": 1, "ann@example.com": {"age": "x"}, "7": {"age": 1},
    });
    for (pointer, written) in [
        ("", "payload"),
        ("/items/1/points", "payload.items[1].points"),
        ("/a~1b", "payload.a/b"),
        ("/ann@example.com/age", "payload.*.age"),
        ("/7/age", "payload.*.age"),
    ] {
        assert_eq!(place("payload", &payload, pointer, &shape), written);
    }
}

#[test]
fn faults_are_worded_after_the_schema() {
    for (keyword, wanted, message) in [
        ("type", json!("integer"), "must be a whole number"),
        (
            "type",
            json!(["string", "null"]),
            "must be a string or null",
        ),
        ("minimum", json!(0), "must be at least 0"),
        ("exclusiveMaximum", json!(1.5), "must be below 1.5"),
        ("maxLength", json!(3), "must be at most 3 characters"),
        ("minItems", json!(1), "must hold at least 1 items"),
        ("required", json!(["a"]), "is required"),
        (
            "enum",
            json!(["secret"]),
            "must be one of the values that the schema lists",
        ),
        ("strange", json!(1), "must fit the schema of its event type"),
        // Draft 4 has a boolean here.
        (
            "exclusiveMinimum",
            json!(true),
            "must fit the schema of its event type",
        ),
    ] {
        assert_eq!(problem(keyword, Some(&wanted)), message);
    }
}

proptest! {
    #[test]
    fn any_json_is_looked_at_without_a_panic(schema in json_value(), payload in json_value()) {
        if let Ok(shape) = Shape::of(&schema) {
            // What is small never is too much.
            prop_assert!(shape.effort(&schema, &payload) != Effort::TooMuch);
        }
    }
}

/// Makes sure that each schema is refused with a message that holds the text.
fn refused<const N: usize>(cases: [(Value, &str); N]) {
    for (schema, message) in cases {
        let fault = Shape::of(&schema).unwrap_err().to_string();
        assert!(
            fault.starts_with("schema") && fault.contains(message),
            "{schema}: {fault}"
        );
    }
}

fn check(schema: &Value, payload: &Value, effort: Effort) {
    let shape = Shape::of(schema).unwrap();
    assert_eq!(
        shape.effort(schema, payload),
        effort,
        "of {WORK_MAX} for {schema}"
    );
}

/// Makes JSON whose objects are full of keywords.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop_oneof!["#", "#/\\$defs/a", "#/items", "[a-z]{0,3}"].prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("$ref"),
        Just("$defs"),
        Just("a"),
        Just("items"),
        Just("properties"),
        Just("allOf"),
        Just("pattern"),
        Just("required"),
        Just("unevaluatedProperties"),
        Just("uniqueItems"),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let fields = proptest::collection::btree_map(name.clone(), inner.clone(), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(|fields| fields.into_iter().collect::<Value>()),
        ]
    })
}

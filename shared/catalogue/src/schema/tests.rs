use std::time::Duration;

use domain::payload::Payload;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use serde_json::{Value, json};

use super::Schema;

#[test]
fn what_fits_passes_and_what_is_missing_is_named() {
    let full = json!({"points": 7, "items": [{"id": "a"}], "either": 1, "name": null});
    assert_eq!(check(&quiz(), &full), Ok(()));
    refused([
        (json!([]), "payload: must be an object"),
        (Value::Null, "payload: must be an object"),
        (json!({}), "payload.points: is required"),
    ]);
    let twice = json!({"points": 1, "items": [{"id": "a"}, {"id": "a"}]});
    refused([(twice, "payload.items: must not hold an item twice")]);
}

#[test]
fn a_fault_names_its_place_and_what_the_schema_wants() {
    for (field, value, message) in [
        ("points", json!("x"), ".points: must be a whole number"),
        ("points", json!(-1), ".points: must be at least 0"),
        ("points", json!(101), ".points: must be at most 100"),
        (
            "level",
            json!("x"),
            ".level: must be one of the values that the schema lists",
        ),
        (
            "kind",
            json!("x"),
            ".kind: must be the value that the schema says",
        ),
        ("name", json!(7), ".name: must be a string or null"),
        (
            "name",
            json!("abcdef"),
            ".name: must be at most 5 characters",
        ),
        (
            "name",
            json!("A"),
            ".name: must match the pattern of the schema",
        ),
        ("items", json!([]), ".items: must hold at least 1 items"),
        (
            "items",
            json!([{"id": "a"}, {}]),
            ".items[1].id: is required",
        ),
        (
            "items",
            json!([{"id": 7}]),
            ".items[0].id: must be a string",
        ),
        (
            "either",
            json!(true),
            ".either: must fit one of the schema's alternatives",
        ),
        ("never", json!(1), ".never: must not be there"),
        (
            "mail",
            json!({"ann@example.com": 1}),
            ".mail.*: must be true or false",
        ),
        (
            "secret",
            json!(1),
            ": must not have fields that the schema does not know",
        ),
    ] {
        let mut payload = json!({"points": 1});
        payload[field] = value;
        refused([(payload, &format!("payload{message}"))]);
    }
}

#[test]
fn each_draft_reads_its_own_keywords() {
    let exclusive = |draft: &str, value: Value| {
        let schema = json!({
            "$schema": draft, "type": "number", "minimum": 0, "exclusiveMinimum": value,
        });
        Schema::compile(&schema)
    };
    let fourth = "http://json-schema.org/draft-04/schema#";
    assert!(exclusive(fourth, json!(true)).is_ok());
    assert!(exclusive(fourth, json!(0)).is_err());
    for draft in [
        "http://json-schema.org/draft-06/schema#",
        "http://json-schema.org/draft-07/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    ] {
        assert!(exclusive(draft, json!(true)).is_err(), "{draft}");
        assert!(exclusive(draft, json!(0)).is_ok(), "{draft}");
    }
}

#[test]
fn what_no_draft_allows_is_refused_with_its_place() {
    for (schema, place) in [
        (json!({"type": "text"}), "schema.type: "),
        (
            json!({"properties": {"a": {"minimum": "0"}}}),
            "schema.properties.a.minimum: ",
        ),
        (json!({"required": "a"}), "schema.required: "),
        (json!({"allOf": []}), "schema.allOf: "),
    ] {
        let fault = Schema::compile(&schema).unwrap_err().to_string();
        assert!(fault.starts_with(place), "{schema}: {fault}");
    }
}

#[test]
fn a_regular_expression_takes_linear_time_or_is_refused() {
    for pattern in ["(a)\\1", "(?=a)b", "(((a{1,99}){1,99}){1,99}){1,99}", "("] {
        let schema = json!({"properties": {"a": {"pattern": pattern}}});
        let fault = Schema::compile(&schema).unwrap_err().to_string();
        assert!(fault.contains("regular expression"), "{pattern}: {fault}");
        assert!(fault.starts_with("schema.properties.a.pattern"), "{fault}");
    }
    // What a backtracking engine never comes to the end of.
    let schema = json!({"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"});
    assert!(check(&schema, &json!("a".repeat(20_000))).is_err());
    let letters = json!({"pattern": "^\\p{Lu}\\p{L}*$"});
    assert!(check(&letters, &json!("Zoë")).is_ok());
}

#[test]
fn formats_assert_nothing() {
    for draft in [
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2020-12/schema",
    ] {
        let schema = json!({"$schema": draft, "format": "email"});
        assert!(check(&schema, &json!("nobody")).is_ok(), "{draft}");
    }
}

#[test]
fn the_worst_that_is_let_through_ends_soon() {
    let numbers = json!(vec![0; 500_000]);
    let alternatives: Vec<Value> = (1..36).map(|n| json!({"minimum": n})).collect();
    let hard = json!({"pattern": "^[01]*1[01]{60}$"});
    let text = Value::from("01".repeat(150_000));
    let deep = (0..30).fold(
        json!({}),
        |inner, _| json!({"anyOf": [inner, {"type": "null"}]}),
    );
    let nested = (0..100).fold(json!(1), |inner, _| json!([inner]));
    for (schema, payload) in [
        (json!({"items": {"anyOf": alternatives}}), &numbers),
        (json!({"uniqueItems": true}), &numbers),
        (hard, &text),
        (deep, &nested),
    ] {
        let schema = Schema::compile(&schema).unwrap();
        let begin = std::time::Instant::now();
        let payload = Payload {
            field: "payload",
            value: payload.clone(),
        };
        let _fits = schema.check(&payload);
        // The bound is for a slow machine and a build without optimisation.
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn what_would_take_too_long_is_refused() {
    let alternatives: Vec<Value> = (1..300).map(|n| json!({"minimum": n})).collect();
    let schema = json!({"items": {"anyOf": alternatives}});

    let fault = check(&schema, &json!(vec![0; 400_000])).unwrap_err();

    assert_eq!(fault, "payload: is too large for its schema");
}

proptest! {
    #[test]
    fn no_fault_repeats_what_was_sent(payload in payloads()) {
        let schema = json!({
            "type": "object", "maxProperties": 2, "required": ["known"],
            "propertyNames": {"maxLength": 20},
            "properties": {
                "known": {"anyOf": [{"type": "integer"}, {"items": {"type": "integer"}, "minItems": 2}]},
            },
            "additionalProperties": {"not": {"type": "string"}, "maxItems": 1},
        });

        if let Err(fault) = check(&schema, &payload) {
            assert!(!fault.contains("private"), "{fault}");
        }
    }
}

/// Returns a schema with something of everything.
fn quiz() -> Value {
    json!({
        "type": "object", "required": ["points"], "additionalProperties": false,
        "properties": {
            "points": {"type": "integer", "minimum": 0, "maximum": 100},
            "level": {"enum": ["low", "high"]},
            "kind": {"const": "quiz"},
            "name": {"type": ["string", "null"], "maxLength": 5, "pattern": "^[a-z]+$"},
            "items": {
                "type": "array", "minItems": 1, "uniqueItems": true,
                "items": {"$ref": "#/$defs/item"},
            },
            "mail": {"type": "object", "additionalProperties": {"type": "boolean"}},
            "either": {"anyOf": [{"type": "string"}, {"type": "number"}]},
            "never": false,
        },
        "$defs": {"item": {"required": ["id"], "properties": {"id": {"type": "string"}}}},
    })
}

fn refused<const N: usize>(cases: [(Value, &str); N]) {
    for (payload, message) in cases {
        let found = check(&quiz(), &payload);
        assert_eq!(found.err().as_deref(), Some(message), "{payload}");
    }
}

fn check(schema: &Value, payload: &Value) -> Result<(), String> {
    let schema = Schema::compile(schema).map_err(|fault| fault.to_string())?;
    let payload = Payload {
        field: "payload",
        value: payload.clone(),
    };
    schema.check(&payload).map_err(|fault| fault.to_string())
}

/// Makes payloads in which every text and name that is not the schema's says that it is private.
fn payloads() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i8>().prop_map(Value::from),
        "private[a-z]{0,20}".prop_map(Value::from),
    ];
    let name = prop_oneof!["known", "private[a-z]{0,20}"];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let fields = proptest::collection::btree_map(name.clone(), inner.clone(), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(|fields| fields.into_iter().collect::<Value>()),
        ]
    })
}

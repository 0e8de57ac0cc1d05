//! Events whose fields are wrong.

#![expect(clippy::too_many_lines, reason = "each function is one table")]

use serde_json::json;

use super::events::{Body, bad, with};

const NAME: &str = "eventSubCategory: must be 1 to 64 characters";
const ID: &str = "id: must be 1 to 128 characters";

pub(super) fn wrong_fields() -> Vec<Body> {
    let mut bodies = vec![
        bad("no field", "{}", "eventSubCategory: is required"),
        bad(
            "a CloudEvent as JSON",
            "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"a\"}",
            "eventSubCategory: is required",
        ),
    ];
    for (what, name, message) in [
        (
            "a name of another type",
            json!(7),
            "eventSubCategory: must be a string",
        ),
        ("no name", json!(null), "eventSubCategory: must be a string"),
        ("an empty name", json!(""), NAME),
        ("a name too long", json!("a".repeat(65)), NAME),
        ("a name that is all names", json!("*"), NAME),
        ("a name that is all subjects", json!("a.>"), NAME),
        ("a name with an empty part", json!("a..b"), NAME),
        ("a name with a NUL", json!("a\0"), NAME),
        ("a name with a line of NATS", json!("a\r\nPUB x 1"), NAME),
        (
            "a name with a letter that looks like another",
            json!("\u{430}"),
            NAME,
        ),
    ] {
        bodies.push((
            what,
            json!({"eventSubCategory": name}).to_string().into_bytes(),
            400,
            message,
        ));
    }
    let long = format!("\"id\":\"{}\"", "a".repeat(129));
    for (what, more, status, message) in [
        ("an empty id", "\"id\":\"\"", 400, ID),
        ("an id too long", long.as_str(), 400, ID),
        (
            "an id with a header",
            "\"id\":\"a\\r\\nx-evil: 1\"",
            400,
            ID,
        ),
        (
            "an id that is a number",
            "\"id\":1",
            400,
            "id: must be a string",
        ),
        (
            "an id that is half of a pair",
            "\"id\":\"\\ud800\"",
            400,
            "id: must be a string",
        ),
        (
            "another organisation",
            "\"organisationId\":\"other\"",
            403,
            "organisationId: ",
        ),
        (
            "the organisation in capitals",
            "\"organisationId\":\"ACME\"",
            403,
            "organisationId: ",
        ),
        (
            "no organisation",
            "\"organisationId\":null",
            400,
            "organisationId: must be a string",
        ),
        (
            "no time",
            "\"createdAt\":\"yesterday\"",
            400,
            "createdAt: must be an RFC 3339 time",
        ),
        (
            "a time beyond the years",
            "\"createdAt\":\"99999-01-01T00:00:00Z\"",
            400,
            "createdAt: must be",
        ),
        (
            "a time that is a huge number",
            "\"createdAt\":1e400",
            400,
            "createdAt: must be a string",
        ),
        (
            "a category with a NUL",
            "\"eventCategory\":\"\\u0000\"",
            400,
            "eventCategory: must not hold control",
        ),
        (
            "a source that breaks a line",
            "\"eventSourceId\":\"a\\nb\"",
            400,
            "eventSourceId: must not hold control",
        ),
        (
            "a source that is half of a pair",
            "\"eventSourceId\":\"\\udc00\"",
            400,
            "eventSourceId: must be a string",
        ),
    ] {
        bodies.push((what, with(more), status, message));
    }
    bodies
}

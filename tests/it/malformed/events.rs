//! Bodies that are no events.

#![expect(clippy::too_many_lines, reason = "each function is one table")]

use serde_json::{Value, json};

use super::{
    fields,
    raw::{Case, Sketch, Tokens},
};

const EVENTS: &str = "/api/v2/events";
const CUSTOM: &str = "/api/v2/admin/events/custom";
const MIB: usize = 1024 * 1024;

/// A body, and what is said of it.
pub(super) type Body = (&'static str, Vec<u8>, u16, &'static str);

pub(super) fn cases(tokens: &Tokens) -> Vec<Case> {
    let to = |path: &'static str| {
        move |(what, body, status, message): Body| {
            let request = Sketch::new("POST", path)
                .token(&tokens.producer)
                .header("content-type: application/json")
                .body(body);
            Case::refused(what, request.bytes(), status, message)
        }
    };
    let all = [
        no_json(),
        no_text(),
        deep_or_large(),
        fields::wrong_fields(),
    ];
    let events = all.into_iter().flatten().map(to(EVENTS));
    events
        .chain(no_custom_event().into_iter().map(to(CUSTOM)))
        .chain(no_cloud_event(tokens))
        .collect()
}

/// Returns an event with something more in it, as text.
pub(super) fn with(more: &str) -> Vec<u8> {
    format!("{{\"eventSubCategory\":\"a\",{more}}}").into_bytes()
}

pub(super) fn bad(what: &'static str, body: &str, message: &'static str) -> Body {
    (what, body.as_bytes().to_vec(), 400, message)
}

fn no_json() -> Vec<Body> {
    let json = "body: must be JSON: ";
    let object = "body: must be a JSON object";
    let mut bodies = vec![
        bad("nothing", "", object),
        bad("blanks", " \t\r\n", object),
        bad("null", "null", object),
        bad("a number", "7", object),
        bad("a string", "\"{}\"", object),
        bad("an empty array", "[]", "body: must hold at least one event"),
        bad("an array in an array", "[[]]", "[0]: must be a JSON object"),
        bad("a null in an array", "[null]", "[0]: must be a JSON object"),
        bad(
            "an array that ends early",
            "[{\"eventSubCategory\":\"a\"}",
            json,
        ),
        bad("a comma too many", "[{\"eventSubCategory\":\"a\"},]", json),
        bad(
            "an object that ends early",
            "{\"eventSubCategory\":\"a\"",
            json,
        ),
        bad("something behind", "{\"eventSubCategory\":\"a\"}x", json),
        bad(
            "two in a row",
            "{\"eventSubCategory\":\"a\"}\n{\"eventSubCategory\":\"b\"}",
            json,
        ),
        bad("single quotes", "{'eventSubCategory':'a'}", json),
        bad("a comment", "{/**/\"eventSubCategory\":\"a\"}", json),
        bad(
            "a name twice",
            "{\"eventSubCategory\":\"a\",\"eventSubCategory\":\"b\"}",
            json,
        ),
        bad(
            "a name twice, once escaped",
            "{\"eventSubCategory\":\"a\",\"event\\u0053ubCategory\":\"b\"}",
            json,
        ),
        bad(
            "one of two",
            "[{\"eventSubCategory\":\"a\"},{}]",
            "[1].eventSubCategory: is required",
        ),
    ];
    for (what, value) in [
        ("NaN", "NaN"),
        ("infinity", "-Infinity"),
        ("undefined", "undefined"),
        ("a leading zero", "01"),
        ("a plus sign", "+1"),
        ("hexadecimal", "0x1"),
        ("a bare dot", "1."),
        ("an exponent without digits", "1e"),
        ("an unknown escape", "\"\\x41\""),
        ("half an escape", "\"\\u12\""),
        ("a control character", "\"\u{1}\""),
        ("a line break in a string", "\"\n\""),
    ] {
        bodies.push((what, with(&format!("\"payload\":{value}")), 400, json));
    }
    bodies
}

fn no_text() -> Vec<Body> {
    let utf8 = "body: must be UTF-8 text";
    let event = "{\"eventSubCategory\":\"a\"}";
    let wide: Vec<u8> = event.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xff, 0xfe], wide.as_slice()].concat();
    vec![
        (
            "a byte order mark",
            format!("\u{feff}{event}").into_bytes(),
            400,
            "body: must be",
        ),
        ("UTF-16", wide, 400, "body: must be JSON: "),
        ("UTF-16 with its mark", marked, 400, utf8),
        (
            "a NUL behind",
            format!("{event}\0").into_bytes(),
            400,
            "body: must be JSON: ",
        ),
        (
            "a NUL before",
            format!("\0{event}").into_bytes(),
            400,
            "body: must be a JSON object",
        ),
        (
            "a byte that is none of UTF-8",
            b"{\"eventSubCategory\":\"\xff\"}".to_vec(),
            400,
            utf8,
        ),
        (
            "an overlong form",
            b"{\"eventSubCategory\":\"\xc0\xaf\"}".to_vec(),
            400,
            utf8,
        ),
        (
            "half of a pair in UTF-8",
            b"{\"eventSubCategory\":\"\xed\xa0\x80\"}".to_vec(),
            400,
            utf8,
        ),
        (
            "a character cut off",
            b"{\"eventSubCategory\":\"\xe2\x82".to_vec(),
            400,
            utf8,
        ),
        (
            "gzip that says nothing of it",
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0".to_vec(),
            400,
            utf8,
        ),
    ]
}

fn deep_or_large() -> Vec<Body> {
    let nested = "body: must be nested at most 128 deep";
    let nest = |open: &str, depth: usize| open.repeat(depth);
    let closed = format!("\"payload\":{}{}", "[".repeat(128), "]".repeat(128));
    let large = format!("\"payload\":\"{}\"", "x".repeat(MIB));
    let event = "{\"eventSubCategory\":\"a\"}";
    let many = format!("[{}{event}]", format!("{event},").repeat(1_000));
    vec![
        ("arrays one too deep", with(&closed), 400, nested),
        (
            "arrays without end",
            nest("[", 200_000).into_bytes(),
            400,
            "body: must be JSON: ",
        ),
        (
            "arrays in a payload without end",
            with(&format!("\"payload\":{}", nest("[", 200_000))),
            400,
            nested,
        ),
        (
            "objects without end",
            nest("{\"a\":", 200_000).into_bytes(),
            400,
            nested,
        ),
        (
            "a string without end",
            nest("\"", 1).into_bytes(),
            400,
            "body: must be a JSON object",
        ),
        (
            "1,001 events",
            many.into_bytes(),
            400,
            "body: must hold at most 1000 events",
        ),
        (
            "an event above 1 MiB",
            with(&large),
            413,
            "body: must be at most 1048576 bytes",
        ),
        (
            "one of an array above 1 MiB",
            [b"[", with(&large).as_slice(), b"]"].concat(),
            413,
            "[0]: must be at most 1048576 bytes",
        ),
        (
            "16 MiB and a byte",
            vec![b' '; 16 * MIB + 1],
            413,
            "body: must be at most 16777216 bytes",
        ),
    ]
}

fn no_custom_event() -> Vec<Body> {
    let right = json!({"eventName": "a", "userId": "u", "payload": {}});
    let change = |field: &str, value: Value| {
        let mut body = right.clone();
        body[field] = value;
        body.to_string().into_bytes()
    };
    vec![
        bad("no custom event", "", "body: must not be empty"),
        bad("an array of custom events", "[]", "body: must be an object"),
        bad(
            "a custom event behind a byte order mark",
            "\u{feff}{}",
            "body: ",
        ),
        (
            "a custom event of all names",
            change("eventName", json!(">")),
            400,
            "eventName: must be",
        ),
        (
            "a custom event of nobody",
            change("userId", json!("\0")),
            400,
            "userId: must be",
        ),
        (
            "a custom event with a field unknown",
            change("__proto__", json!({})),
            400,
            "__proto__: unknown field",
        ),
        (
            "a custom event above 1 MiB",
            change("payload", json!({"x": "x".repeat(MIB + 16_384)})),
            413,
            "body: must be",
        ),
    ]
}

fn no_cloud_event(tokens: &Tokens) -> Vec<Case> {
    let to = |media_type: &str| {
        Sketch::new("POST", EVENTS)
            .token(&tokens.producer)
            .header(format!("content-type: {media_type}"))
    };
    let event = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "a"}).to_string();
    let binary = to("application/json")
        .header("ce-specversion: 1.0")
        .header("ce-source: s")
        .header("ce-type: a");
    vec![
        Case::refused(
            "a CloudEvent in XML",
            to("application/cloudevents+xml").body(&event).bytes(),
            415,
            "content-type: must be",
        ),
        Case::refused(
            "a batch that is none",
            to("application/cloudevents-batch+json")
                .body(&event)
                .bytes(),
            400,
            "body: must be a JSON array",
        ),
        Case::refused(
            "a CloudEvent of nothing",
            to("application/cloudevents+json").body("").bytes(),
            400,
            "body: must be a JSON object",
        ),
        Case::refused(
            "a binary CloudEvent without an id",
            binary.clone().body("{}").bytes(),
            400,
            "id: is required",
        ),
        Case::refused(
            "a binary CloudEvent of two ids",
            binary
                .clone()
                .header("ce-id: 1")
                .header("ce-id: 2")
                .body("{}")
                .bytes(),
            400,
            "id: must be given once",
        ),
        Case::refused(
            "a binary CloudEvent with a broken escape",
            binary
                .header("ce-id: 1")
                .header("ce-subject: %zz")
                .body("{}")
                .bytes(),
            400,
            "subject: must have two hex digits",
        ),
    ]
}

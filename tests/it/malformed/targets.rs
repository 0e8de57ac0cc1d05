//! Requests whose headers are wrong, or that are not for anybody.

#![expect(clippy::too_many_lines, reason = "each function is one table")]

use super::raw::{Case, Sketch, Tokens};

const EVENTS: &str = "/api/v2/events";
/// An event that would be taken.
const EVENT: &str = "{\"eventSubCategory\":\"a\"}";

pub(super) fn cases(tokens: &Tokens) -> Vec<Case> {
    [
        headers(tokens),
        media_types(tokens),
        targets(tokens),
        strangers(tokens),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A request for ingest without a body.
fn events(tokens: &Tokens) -> Sketch {
    Sketch::new("POST", EVENTS).token(&tokens.producer)
}

fn headers(tokens: &Tokens) -> Vec<Case> {
    let with = |line: &[u8]| events(tokens).header(line).body(EVENT).bytes();
    let many = (0..101).fold(events(tokens), |request, n| {
        request.header(format!("x-{n}: x"))
    });
    let hostless = |version: &str| {
        let request = Sketch::of_line(format!("POST {EVENTS} HTTP/{version}"));
        request.token(&tokens.producer)
    };
    vec![
        Case::bare("a folded header", with(b"x-a: b\r\n c"), 400),
        Case::bare("a NUL in a header", with(b"x-a: \0"), 400),
        Case::bare(
            "a carriage return in a header",
            with(b"x-a: b\rx-b: c"),
            400,
        ),
        Case::bare("a header without a colon", with(b"x-a"), 400),
        Case::bare("a header without a name", with(b": x"), 400),
        Case::bare("a blank in a header's name", with(b"x a: x"), 400),
        Case::bare(
            "a header's name beyond ASCII",
            with("x-\u{e9}: x".as_bytes()),
            400,
        ),
        Case::bare("more than a hundred headers", many.body(EVENT).bytes(), 431),
        Case::bare(
            "a header of 70,000 bytes",
            with(format!("x-a: {}", "x".repeat(70_000)).as_bytes()),
            431,
        ),
        Case::refused(
            "no host",
            hostless("1.1").body(EVENT).bytes(),
            400,
            "host: must be given once",
        ),
        Case::refused(
            "two hosts",
            with(b"host: other"),
            400,
            "host: must be given once",
        ),
        Case::refused(
            "two hosts of HTTP/1.0",
            hostless("1.0")
                .header("host: a")
                .header("host: b")
                .body(EVENT)
                .bytes(),
            400,
            "host: must be given once",
        ),
        Case::refused(
            "HTTP/1.0",
            hostless("1.0").body("{}").bytes(),
            400,
            "eventSubCategory: is required",
        ),
        Case::refused(
            "an upgrade",
            events(tokens).header("upgrade: h2c").body("{}").bytes(),
            400,
            "eventSubCategory: is required",
        ),
    ]
}

fn media_types(tokens: &Tokens) -> Vec<Case> {
    let of = |lines: &[&[u8]]| {
        let request = lines
            .iter()
            .fold(events(tokens), |request, line| request.header(line));
        request.body(EVENT).bytes()
    };
    let json = "content-type: must be application/json";
    let encoding = "content-encoding: must be left out";
    vec![
        Case::refused("text", of(&[b"content-type: text/plain"]), 415, json),
        Case::refused(
            "a form",
            of(&[b"content-type: application/x-www-form-urlencoded"]),
            415,
            json,
        ),
        Case::refused(
            "parts",
            of(&[b"content-type: multipart/form-data; boundary=x"]),
            415,
            json,
        ),
        Case::refused("no media type", of(&[b"content-type: "]), 415, json),
        Case::refused(
            "a media type of one byte",
            of(&[b"content-type: \xff"]),
            415,
            json,
        ),
        Case::refused(
            "two media types in one",
            of(&[b"content-type: application/json, text/plain"]),
            415,
            json,
        ),
        Case::refused(
            "two media types",
            of(&[
                b"content-type: application/json",
                b"content-type: text/plain",
            ]),
            415,
            json,
        ),
        Case::refused("gzip", of(&[b"content-encoding: gzip"]), 415, encoding),
        Case::refused(
            "an encoding of no name",
            of(&[b"content-encoding: \xff"]),
            415,
            encoding,
        ),
        Case::refused(
            "gzip over nothing",
            of(&[b"content-encoding: identity, gzip"]),
            415,
            encoding,
        ),
        Case::refused(
            "gzip behind nothing",
            of(&[b"content-encoding: identity", b"content-encoding: gzip"]),
            415,
            encoding,
        ),
    ]
}

fn targets(tokens: &Tokens) -> Vec<Case> {
    let ask = |method: &str, target: &str| {
        let request = Sketch::new(method, target).token(&tokens.producer);
        request.body(EVENT).bytes()
    };
    let nowhere = [
        "/api/v2/%65vents",
        "//api/v2/events",
        "/api/v2/events/",
        "/api/v2/x/../events",
        "/api/v2/x/%2e%2e/events",
        "/api/v2%2fevents",
        "/api/v2/events;a=b",
        "/API/v2/events",
        "/api/v2/events%00",
        "/api/v2/\u{e9}vents",
        "*",
    ];
    let nowhere =
        nowhere.map(|target| Case::refused(target, ask("POST", target), 404, "Not found"));
    let methods = [
        "GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post", "POSTS", "PROPFIND",
    ];
    let methods =
        methods.map(|method| Case::refused(method, ask(method, EVENTS), 405, "Method not allowed"));
    let queries = [
        (
            "organisationId=other",
            403,
            "organisationId: is not the token's organisation",
        ),
        (
            "organisationId=ACME",
            403,
            "organisationId: is not the token's organisation",
        ),
        ("organisationId=", 400, "organisationId: must be"),
        ("organisationId=acme%00", 400, "organisationId: must be"),
        ("organisationId=acme%0d%0a", 400, "organisationId: must be"),
        ("organisationId=%ff", 400, "organisationId: must be"),
        ("organisationId=%zz", 400, "organisationId: must be"),
        (
            "organisationId=acme&organisationId=acme",
            400,
            "query: duplicate field",
        ),
        ("OrganisationId=acme", 400, "OrganisationId: unknown field"),
        ("x=1", 400, "x: unknown field"),
    ];
    let queries = queries.map(|(query, status, message)| {
        Case::refused(
            query,
            ask("POST", &format!("{EVENTS}?{query}")),
            status,
            message,
        )
    });
    let long = format!("{EVENTS}?organisationId={}", "a".repeat(60_000));
    let mut cases = vec![
        Case::refused(
            "a query of 60,000 bytes",
            ask("POST", &long),
            400,
            "organisationId: must be",
        ),
        Case::refused(
            "a path of 60,000 bytes",
            ask("POST", &format!("/{}", "a".repeat(60_000))),
            404,
            "Not found",
        ),
        Case::refused(
            "a proxy's request",
            ask("CONNECT", "posthorn:80"),
            404,
            "Not found",
        ),
    ];
    cases.extend(nowhere);
    cases.extend(methods);
    cases.extend(queries);
    cases
}

fn strangers(tokens: &Tokens) -> Vec<Case> {
    let with = |lines: &[Vec<u8>]| {
        let bare = Sketch::new("POST", EVENTS);
        let request = lines
            .iter()
            .fold(bare, |request, line| request.header(line));
        request.body(EVENT).bytes()
    };
    let token = &tokens.producer;
    let line = |text: String| vec![text.into_bytes()];
    vec![
        Case::refused("nobody", with(&[]), 401, "You must be logged in"),
        Case::refused(
            "a token that is none",
            with(&line("x-api-token: x".to_owned())),
            401,
            "Unauthorized",
        ),
        Case::refused(
            "a token beyond ASCII",
            with(&[b"x-api-token: \xff".to_vec()]),
            401,
            "You must be",
        ),
        Case::refused(
            "a token in capitals",
            with(&line(format!("x-api-token: {}", token.to_uppercase()))),
            401,
            "Unauthorized",
        ),
        Case::refused(
            "the beginning of a token",
            with(&line(format!("x-api-token: {}", &token[..token.len() - 1]))),
            401,
            "Unauthorized",
        ),
        Case::refused(
            "two tokens",
            with(&[
                b"x-api-token: x".to_vec(),
                format!("x-api-token: {token}").into_bytes(),
            ]),
            401,
            "Unauthorized",
        ),
        Case::refused(
            "two tokens in one",
            with(&line(format!("x-api-token: x, {token}"))),
            401,
            "",
        ),
        Case::refused(
            "a token of another scheme",
            with(&line(format!("authorization: Basic {token}"))),
            401,
            "You must be",
        ),
        Case::refused(
            "a token in a cookie",
            with(&line(format!("cookie: x-api-token={token}"))),
            401,
            "You must be",
        ),
    ]
}

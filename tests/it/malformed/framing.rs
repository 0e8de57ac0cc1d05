//! Requests that are no HTTP, or whose end is not where they say.

#![expect(clippy::too_many_lines, reason = "each function is one table")]

use super::raw::{Case, Sketch, Tokens};

const EVENTS: &str = "/api/v2/events";
/// An event that would be taken.
const EVENT: &str = "{\"eventSubCategory\":\"a\"}";

pub(super) fn cases(tokens: &Tokens) -> Vec<Case> {
    [lengths(tokens), chunks(tokens), lines(tokens)]
        .into_iter()
        .flatten()
        .collect()
}

/// A request for ingest without a body.
fn events(tokens: &Tokens) -> Sketch {
    Sketch::new("POST", EVENTS).token(&tokens.producer)
}

fn lengths(tokens: &Tokens) -> Vec<Case> {
    let empty = "body: must be a JSON object";
    let mut cases: Vec<_> = [
        ("a negative length", "-1"),
        ("a length with a sign", "+24"),
        ("a length in hexadecimal", "0x18"),
        ("a length beyond all numbers", "99999999999999999999"),
        ("a length of nothing", ""),
        ("a length with a fraction", "24.0"),
        ("a length twice in one header", "24, 24"),
    ]
    .map(|(what, length)| {
        let request = events(tokens)
            .header(format!("content-length: {length}"))
            .tail(EVENT);
        Case::bare(what, request.bytes(), 400)
    })
    .into();
    let two = events(tokens).header("content-length: 3").body(EVENT);
    let longest = events(tokens)
        .header(format!("content-length: {}", u64::MAX))
        .tail(EVENT);
    let long = events(tokens).header("content-length: 999").tail(EVENT);
    let short = events(tokens).header("content-length: 5").tail(EVENT);
    let huge = events(tokens)
        .header("expect: 100-continue")
        .header("content-length: 99999999");
    cases.extend([
        Case::bare("two lengths", two.bytes(), 400),
        Case::bare("the longest length", longest.bytes(), 431),
        Case::refused("no length", events(tokens).tail(EVENT).bytes(), 400, empty),
        Case::refused(
            "a length above the body",
            long.bytes(),
            400,
            "body: broke off",
        )
        .hanging_up(),
        Case::refused(
            "a length below the body",
            short.bytes(),
            400,
            "body: must be JSON",
        ),
        Case::refused(
            "leave to send too much",
            huge.bytes(),
            413,
            "body: must be at most 16777216 bytes",
        ),
    ]);
    cases
}

fn chunks(tokens: &Tokens) -> Vec<Case> {
    let chunked = |body: &str| {
        let request = events(tokens).header("transfer-encoding: chunked");
        request.tail(body).bytes()
    };
    let coded = |coding: &str| {
        let request = events(tokens).header(format!("transfer-encoding: {coding}"));
        request.tail("0\r\n\r\n").bytes()
    };
    let long = format!("18;{}\r\n{EVENT}\r\n0\r\n\r\n", "a".repeat(70_000));
    let trailers = format!("18\r\n{EVENT}\r\n0\r\n{}\r\n", "a: b\r\n".repeat(20_000));
    let mib = format!("100000\r\n{}\r\n", " ".repeat(1024 * 1024));
    let broken = [
        ("a chunk of no size", "zz\r\n{}\r\n0\r\n\r\n".to_owned()),
        (
            "a chunk of a negative size",
            "-1\r\n{}\r\n0\r\n\r\n".to_owned(),
        ),
        (
            "a chunk beyond all numbers",
            "fffffffffffffffff\r\n{}\r\n0\r\n\r\n".to_owned(),
        ),
        ("a chunk without its end", format!("18\r\n{EVENT}0\r\n\r\n")),
        (
            "a chunk longer than it says",
            format!("5\r\n{EVENT}\r\n0\r\n\r\n"),
        ),
        (
            "chunks that end lines like Unix",
            format!("18\n{EVENT}\n0\n\n"),
        ),
        ("a chunk with a huge extension", long),
        ("chunks with huge trailers", trailers),
    ];
    let broken =
        broken.map(|(what, body)| Case::refused(what, chunked(&body), 400, "body: broke off"));
    let unknown = ["xchunked", "identity", "chunked, gzip", "\u{b}chunked"];
    let unknown = unknown.map(|coding| Case::bare(coding, coded(coding), 400));
    // Two who read one of both each would see different requests.
    let hidden = "0\r\n\r\nGET /ready HTTP/1.1\r\nhost: posthorn\r\n\r\n";
    let keeping = |first: &str, second: &str| {
        let start = format!("POST {EVENTS} HTTP/1.1\r\nhost: posthorn\r\n{first}\r\n{second}\r\n");
        format!("{start}x-api-token: {}\r\n\r\n{hidden}", tokens.producer).into_bytes()
    };
    let length = format!("content-length: {}", hidden.len());
    let coding = "transfer-encoding: chunked";
    let old = Sketch::of_line(format!("POST {EVENTS} HTTP/1.0")).token(&tokens.producer);
    let mut cases = vec![
        Case::refused(
            "a request behind one with length and chunks",
            keeping(&length, coding),
            400,
            "body: must be a JSON object",
        ),
        Case::refused(
            "a request behind one with chunks and length",
            keeping(coding, &length),
            400,
            "body: must be a JSON object",
        ),
        Case::refused(
            "17 MiB in chunks",
            chunked(&format!("{}0\r\n\r\n", mib.repeat(17))),
            413,
            "body: must be at most",
        ),
        Case::bare(
            "chunks of HTTP/1.0",
            old.header(coding).tail("0\r\n\r\n").bytes(),
            400,
        ),
        Case::bare(
            "a blank behind a header's name",
            events(tokens)
                .header("transfer-encoding : chunked")
                .tail("0\r\n\r\n")
                .bytes(),
            400,
        ),
        Case::refused(
            "a token in the trailers",
            Sketch::new("POST", EVENTS)
                .header(coding)
                .tail(format!(
                    "18\r\n{EVENT}\r\n0\r\nx-api-token: {}\r\n\r\n",
                    tokens.producer
                ))
                .bytes(),
            401,
            "You must be logged in",
        ),
    ];
    let endless = chunked(&format!("18\r\n{EVENT}\r\n"));
    cases
        .push(Case::refused("chunks that never end", endless, 400, "body: broke off").hanging_up());
    cases.extend(broken);
    cases.extend(unknown);
    cases
}

fn lines(tokens: &Tokens) -> Vec<Case> {
    let line = |line: &str| {
        let request = Sketch::of_line(line).header("host: posthorn");
        request.token(&tokens.producer).body(EVENT).bytes()
    };
    let whole = events(tokens).body(EVENT).bytes();
    let text = String::from_utf8(whole.clone()).unwrap();
    let tls = [
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".as_slice(),
        &[0; 300],
    ]
    .concat();
    let closed = |what: &str, request: Vec<u8>| Case::closed(what, request).hanging_up();
    vec![
        Case::bare("HTTP/1.2", line(&format!("POST {EVENTS} HTTP/1.2")), 400),
        Case::bare("HTTP/2.0", line(&format!("POST {EVENTS} HTTP/2.0")), 400),
        Case::bare("no version", line(&format!("POST {EVENTS}")), 400),
        Case::bare("no slash", line("POST api/v2/events HTTP/1.1"), 400),
        Case::bare(
            "a blank in the path",
            line(&format!("POST {EVENTS} x HTTP/1.1")),
            400,
        ),
        Case::bare(
            "a NUL in the path",
            line(&format!("POST {EVENTS}\0 HTTP/1.1")),
            400,
        ),
        Case::bare(
            "a NUL in the method",
            line(&format!("PO\0ST {EVENTS} HTTP/1.1")),
            400,
        ),
        Case::bare("back slashes", line("POST \\api\\v2\\events HTTP/1.1"), 400),
        Case::bare(
            "a path of 70,000 bytes",
            line(&format!("POST /{} HTTP/1.1", "a".repeat(70_000))),
            431,
        ),
        Case::bare(
            "a method of 70,000 bytes",
            line(&format!("{} {EVENTS} HTTP/1.1", "A".repeat(70_000))),
            431,
        ),
        Case::bare(
            "carriage returns alone",
            text.replace("\r\n", "\r").into_bytes(),
            400,
        ),
        Case::bare("a blank in front", [b" ".as_slice(), &whole].concat(), 400),
        Case::bare("TLS", tls, 400),
        closed(
            "the preface of HTTP/2",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        ),
        closed(
            "half of the headers",
            format!("POST {EVENTS} HTTP/1.1\r\nhost: posthorn\r\n").into_bytes(),
        ),
        closed("nothing", Vec::new()),
    ]
}

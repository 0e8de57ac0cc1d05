//! Requests that the Admin API can't read.

#![expect(clippy::too_many_lines, reason = "each function is one table")]

use serde_json::{Value, json};

use super::{
    CONFIGS, lookups,
    raw::{Case, Sketch, Tokens},
};

pub(super) const API: &str = "/api/v2/admin";

pub(super) fn cases(tokens: &Tokens) -> Vec<Case> {
    let all = [bodies(tokens), configs(tokens), lookups::cases(tokens)];
    all.into_iter().flatten().collect()
}

/// A request of an admin without a body.
pub(super) fn ask(tokens: &Tokens, method: &str, path: &str) -> Sketch {
    Sketch::new(method, path).token(&tokens.admin)
}

fn bodies(tokens: &Tokens) -> Vec<Case> {
    let tokens_path = format!("{API}/tokens");
    let types = format!("{API}/webhooks/event-types");
    let put = |what: &str, body: &[u8], message: &str| {
        Case::refused(
            what,
            ask(tokens, "PUT", CONFIGS).body(body).bytes(),
            400,
            message,
        )
    };
    let post = |what: &str, body: &[u8], message: &str| {
        Case::refused(
            what,
            ask(tokens, "POST", &tokens_path).body(body).bytes(),
            400,
            message,
        )
    };
    let describe = |what: &str, body: &[u8], message: &str| {
        Case::refused(
            what,
            ask(tokens, "PUT", &types).body(body).bytes(),
            400,
            message,
        )
    };
    let deep = "[".repeat(100_000);
    let nested = format!("[{{\"url\":\"https://a.example/\",\"metadata\":{{\"a\":{deep}");
    let schema = format!(
        "[{{\"eventSubCategory\":\"a\",\"schema\":{}",
        "{\"not\":".repeat(100_000)
    );
    let large = vec![b' '; 1024 * 1024 + 1];
    vec![
        put("configs of nothing", b"", "body: must not be empty"),
        put("configs that are null", b"null", "body: must be an object"),
        put(
            "configs behind a byte order mark",
            b"\xef\xbb\xbf[]",
            "body: ",
        ),
        put(
            "configs with a NUL behind",
            b"[]\0",
            "body: trailing characters",
        ),
        put(
            "configs nested without end",
            deep.as_bytes(),
            "[0]: must be an object",
        ),
        put(
            "a config nested without end",
            nested.as_bytes(),
            "[0].metadata.a: ",
        ),
        put(
            "a config in bytes that are no text",
            b"[{\"url\":\"\xff\"}]",
            "[0].url: ",
        ),
        put(
            "a config with half of a pair",
            b"[{\"url\":\"\\ud800\"}]",
            "[0].url: ",
        ),
        put(
            "a config with a field twice",
            b"[{\"url\":\"https://a.example/\",\"url\":\"\"}]",
            "[0]: duplicate field",
        ),
        put(
            "a config with a number beyond all",
            b"[{\"maxRetries\":1e400}]",
            "[0].maxRetries: ",
        ),
        put(
            "a config with a number above 64 bits",
            b"[{\"maxRetries\":18446744073709551616}]",
            "[0].maxRetries: ",
        ),
        put(
            "a config with a number that is none",
            b"[{\"rateLimit\":NaN}]",
            "[0].rateLimit: ",
        ),
        put(
            "a config with a prototype",
            b"[{\"__proto__\":{}}]",
            "[0].__proto__: unknown field",
        ),
        post(
            "a token of a role unknown",
            b"{\"role\":\"root\",\"name\":\"x\"}",
            "role: ",
        ),
        post(
            "a token of two roles",
            b"{\"role\":\"viewer\",\"role\":\"admin\",\"name\":\"x\"}",
            "body: duplicate field",
        ),
        post(
            "a token without end",
            b"{\"role\":\"viewer\",\"name\":\"",
            "name: ",
        ),
        describe("event types nested without end", schema.as_bytes(), "[0]"),
        Case::refused(
            "a body above 1 MiB",
            ask(tokens, "PUT", CONFIGS).body(&large).bytes(),
            413,
            "body: must be at most 1048576 bytes",
        ),
        Case::refused(
            "configs as text",
            ask(tokens, "PUT", CONFIGS)
                .header("content-type: text/plain")
                .body("[]")
                .bytes(),
            415,
            "content-type: ",
        ),
        Case::refused(
            "configs in gzip",
            ask(tokens, "PUT", CONFIGS)
                .header("content-encoding: gzip")
                .body("[]")
                .bytes(),
            415,
            "content-encoding: ",
        ),
        Case::refused(
            "another method instead",
            ask(tokens, "POST", CONFIGS)
                .header("x-http-method-override: PUT")
                .body("[]")
                .bytes(),
            405,
            "Method not allowed",
        ),
    ]
}

/// Fields that would forge a request, reach inwards, or belong to somebody else.
fn configs(tokens: &Tokens) -> Vec<Case> {
    let header = |name: &str, value: &str| json!({"headers": {name: value}});
    let fields = [
        (
            header("x-a", "b\r\nx-evil: 1"),
            400,
            "[0].headers.x-a: must hold visible characters only",
        ),
        (header("x-a\r\nx-evil", "b"), 400, "[0].headers."),
        (
            header("x-a", "\0"),
            400,
            "[0].headers.x-a: must hold visible characters only",
        ),
        (header("", "b"), 400, "[0].headers.: must be a header name"),
        (header("Host", "b"), 400, "[0].headers.Host: may not be set"),
        (
            header("Content-Length", "0"),
            400,
            "[0].headers.Content-Length: may not be set",
        ),
        (
            header("transfer-encoding", "chunked"),
            400,
            "[0].headers.transfer-encoding: may not be set",
        ),
        (
            header("Webhook-Signature", "v1,x"),
            400,
            "[0].headers.Webhook-Signature: may not be set",
        ),
        (
            header("ce-id", "x"),
            400,
            "[0].headers.ce-id: may not be set",
        ),
        (
            json!({"headers": {"x-a": "1", "X-A": "2"}}),
            400,
            "[0].headers.x-a: must not be given twice",
        ),
        (
            json!({"httpMethod": "GET / HTTP/1.1\r\nx: y"}),
            400,
            "[0].httpMethod: must be POST, PUT or GET",
        ),
        (
            json!({"signing": {"scheme": "hmac-hex", "header": "x\r\ny"}}),
            400,
            "[0].signing.header: must be",
        ),
        (
            json!({"url": "javascript:alert(1)"}),
            400,
            "[0].url: must be http or https",
        ),
        (
            json!({"url": "https://a:b@c.example/"}),
            400,
            "[0].url: must not hold a user name",
        ),
        (
            json!({"url": "https://a.example/\r\nx: y"}),
            400,
            "[0].url: must not hold spaces",
        ),
        (
            json!({"url": "http://169.254.169.254/"}),
            400,
            "[0].url: must not point to",
        ),
        (
            json!({"url": "http://\u{2460}\u{2465}\u{2468}.254.169.254/"}),
            400,
            "[0].url: must not point to",
        ),
        (
            json!({"url": "http://2852039166/"}),
            400,
            "[0].url: must not point to 169.254.169.254",
        ),
        (
            json!({"url": "http://[::ffff:a9fe:a9fe]/"}),
            400,
            "[0].url: must not point to",
        ),
        (
            json!({"id": "ep_of_another"}),
            404,
            "[0].id: there is no such webhook config",
        ),
        (json!({"id": "a.b.>"}), 400, "[0].id: must be"),
        (
            json!({"organisationId": "other"}),
            403,
            "[0].organisationId: ",
        ),
        (json!({"secrets": []}), 400, "[0].secrets: unknown field"),
        (json!({"events": ["*.>"]}), 400, "[0].events[0]: must be"),
        (
            json!({"metadata": {"a": "\0"}}),
            400,
            "[0].metadata.a: must hold no control characters",
        ),
        (json!({"rateLimit": 1e308}), 400, "[0].rateLimit: must be"),
    ];
    let case = |(field, status, message): (Value, u16, &str)| {
        let mut config = json!({"url": "https://a.example/", "events": ["a"]});
        let more = field.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(more);
        let request = ask(tokens, "PUT", CONFIGS).body(json!([config]).to_string());
        Case::refused(&field.to_string(), request.bytes(), status, message)
    };
    fields.into_iter().map(case).collect()
}

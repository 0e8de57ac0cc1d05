//! The cases: what a receiver does, under which policy, and what must come of it.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};

use super::{
    between,
    raw::{Act, Script},
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
/// What a job waits before a retry that nobody asked to wait.
const PAUSE_MS: u64 = 200;

/// Where receivers are that no script can make.
pub(super) struct Places {
    pub(super) full: SocketAddr,
    pub(super) self_signed: SocketAddr,
    pub(super) closing: SocketAddr,
    pub(super) refusing: SocketAddr,
}

/// One endpoint.
pub(super) struct Case {
    name: &'static str,
    scheme: &'static str,
    /// Where it is, unless it is scripted.
    url: Option<String>,
    script: Script,
    fields: Value,
    /// What the records of its attempts must say.
    pub(super) attempts: Vec<Seen>,
    /// How long the retries must have waited at least.
    waits: Vec<Duration>,
    /// Why it ends as a dead letter, if it does.
    pub(super) reason: Option<&'static str>,
}

/// What a record must say: the status, the kind of error, and a part of its message.
#[derive(Clone, Copy)]
pub(super) struct Seen(Option<u16>, Option<&'static str>, &'static str);

/// All cases.
pub(super) fn all(places: &Places) -> Vec<Case> {
    [
        statuses(),
        informational(),
        asked_waits(),
        broken_answers(),
        late_answers(),
        large_answers(),
        connections(places),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn statuses() -> Vec<Case> {
    let of = |status, message| Seen(Some(status), Some("status"), message);
    let mark = "upstash-nonretryable-error: true\r\n";
    let there = "location: /elsewhere\r\n";
    vec![
        Case::new("/489-marked-qstash", "qstash", head("489 Stop", mark))
            .ends(of(489, "HTTP 489"), "non-retryable"),
        Case::new("/489-qstash", "qstash", head("489 Stop", "")).retried(of(489, "HTTP 489")),
        Case::new("/489-marked-nudj", "nudj", head("489 Stop", mark))
            .ends(of(489, "HTTP 489"), "not-retried"),
        Case::new("/410-standard", "standard-webhooks", head("410 Gone", ""))
            .ends(of(410, "HTTP 410: Gone"), "gone"),
        Case::new("/410-qstash", "qstash", head("410 Gone", "")).retried(of(410, "HTTP 410: Gone")),
        Case::new("/408-nudj", "nudj", head("408 Late", ""))
            .ends(of(408, "HTTP 408: Request Timeout"), "not-retried"),
        Case::new("/408-qstash", "qstash", head("408 Late", ""))
            .retried(of(408, "HTTP 408: Request Timeout")),
        Case::new("/302-nudj", "nudj", head("302 Found", there))
            .ends(of(302, "HTTP 302: Found"), "not-retried"),
        Case::new("/307-qstash", "qstash", head("307 Go", there)).retried(of(307, "HTTP 307")),
        Case::new("/500-nudj", "nudj", head("500 No", ""))
            .retried(of(500, "HTTP 500: Internal Server Error")),
        Case::new("/999-nudj", "nudj", head("999 No", "")).ends(of(999, "HTTP 999"), "not-retried"),
        Case::new("/999-listed", "nudj", head("999 No", ""))
            .with_policy("retryOn", json!({"statuses": ["9xx"]}))
            .retried(of(999, "HTTP 999")),
    ]
}

fn informational() -> Vec<Case> {
    let taken = Seen(Some(200), None, "");
    let hints = [
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
        OK,
    ]
    .concat();
    let switched = Seen(Some(101), Some("status"), "HTTP 101: Switching Protocols");
    let switch = "connection: upgrade\r\nupgrade: chat\r\n";
    let switch = || format!("HTTP/1.1 101 Switching Protocols\r\n{switch}\r\n").into_bytes();
    vec![
        Case::new("/hints", "nudj", hints).delivered(taken),
        Case::new("/101-nudj", "nudj", switch()).ends(switched, "not-retried"),
        Case::new("/101-listed", "nudj", switch())
            .with_policy("retryOn", json!({"statuses": [101]}))
            .retried(switched),
    ]
}

fn asked_waits() -> Vec<Case> {
    let of = |status| Seen(Some(status), Some("status"), "HTTP");
    let two = Duration::from_secs(2);
    let asks = "retry-after: 2\r\n";
    let now = "retry-after: 0\r\n";
    let long = "retry-after: 3600\r\n";
    let tokens = "retry-after: soon\r\nx-ratelimit-reset: 1700000000\r\n\
                  x-ratelimit-reset-tokens: 1.5s\r\n";
    // Only a wait that was asked for ends within the test.
    let never = |case: Case| case.with_policy("delay", json!({"fixed": 86_400_000}));
    let slow = |name, preset| Case::new(name, preset, head("429 Slow", asks));
    let busy = |name, asks| Case::new(name, "nudj", head("503 Busy", asks));
    let expression = json!({"expression": "max(700, retried)"});
    let failing = Case::new("/expression", "nudj", head("500 No", ""));
    vec![
        never(slow("/429-qstash", "qstash")).recovers(of(429), two),
        slow("/429-nudj", "nudj").ends(of(429), "not-retried"),
        never(busy("/503-nudj", asks)).recovers(of(503), two),
        never(busy("/503-now", now)).recovers(of(503), Duration::ZERO),
        never(busy("/503-tokens", tokens)).recovers(of(503), Duration::from_millis(1_500)),
        busy("/503-deaf", long)
            .with_policy("honourRetryAfter", json!(false))
            .retried(of(503)),
        failing
            .with_policy("delay", expression)
            .recovers(of(500), Duration::from_millis(700)),
    ]
}

fn broken_answers() -> Vec<Case> {
    let half = half();
    let short = |status: &str| {
        format!("HTTP/1.1 {status}\r\ncontent-length: 999\r\n\r\n{half}").into_bytes()
    };
    let chunked = |size: &str| {
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{size}\r\n{half}")
            .into_bytes()
    };
    let half_head = b"HTTP/1.1 200 OK\r\ncontent-le".to_vec();
    let closed = Seen(None, Some("connect"), "connection closed");
    let no_http = Seen(None, Some("protocol"), "invalid");
    let refused = Seen(Some(400), Some("status"), "HTTP 400");
    let broken = Seen(Some(200), Some("body"), "answer broke off");
    vec![
        Case::new("/no-http", "nudj", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()).retried(no_http),
        Case::new("/closed", "nudj", Vec::new()).retried(closed),
        Case::new("/half-head", "nudj", half_head).retried(closed),
        Case::new("/short-body", "nudj", short("200 OK")).retried(broken),
        Case::new("/half-chunk", "nudj", chunked("3e7")).retried(broken),
        Case::new("/bad-chunk", "nudj", chunked("zz")).retried(broken),
        Case::new("/short-refusal", "nudj", short("400 Bad Request")).ends(refused, "not-retried"),
    ]
}

fn late_answers() -> Vec<Case> {
    let timeout = |status, message| Seen(status, Some("timeout"), message);
    let begun = format!("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{}", half()).into_bytes();
    vec![
        Case::doing("/silent", "nudj", Act::Hold(Vec::new()))
            .hurried()
            .retried(timeout(None, "no answer within 1000 ms")),
        Case::doing("/silent-body", "nudj", Act::Hold(begun))
            .hurried()
            .retried(timeout(Some(200), "no complete answer within 1000 ms")),
        Case::doing(
            "/endless-hints",
            "nudj",
            Act::Endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        )
        .hurried()
        .retried(timeout(None, "no answer within 1000 ms")),
    ]
}

fn large_answers() -> Vec<Case> {
    let large = Seen(None, Some("protocol"), "too large");
    let mut one = b"HTTP/1.1 200 OK\r\nx-large: ".to_vec();
    one.resize(1024 * 1024, b'x');
    one.extend_from_slice(b"\r\n\r\n");
    vec![
        Case::new("/large-header", "nudj", one).retried(large),
        Case::doing(
            "/endless-header",
            "nudj",
            Act::Endless(b"HTTP/1.1 200 OK\r\nx-large: ", &[b'x'; 4_096]),
        )
        .retried(large),
        Case::doing(
            "/endless-headers",
            "nudj",
            Act::Endless(b"HTTP/1.1 200 OK\r\n", b"x-more: 1\r\n"),
        )
        .retried(large),
        Case::doing(
            "/endless-body",
            "nudj",
            Act::Endless(b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 4_096]),
        )
        .delivered(Seen(Some(200), None, "")),
    ]
}

fn connections(places: &Places) -> Vec<Case> {
    let failed = |kind, message| Seen(None, Some(kind), message);
    let at = |name, url: String| Case {
        url: Some(url),
        ..Case::doing(name, "nudj", Act::Answer(Vec::new()))
    };
    let https = |address: SocketAddr| format!("https://{address}/");
    let blocked = |name, preset| Case {
        url: Some(format!("http://127.0.0.9/{preset}")),
        ..Case::doing(name, preset, Act::Answer(Vec::new()))
    };
    vec![
        Case::new("/plain", "nudj", Vec::new())
            .over_tls()
            .retried(failed("tls", "corrupt message")),
        at("/self-signed", https(places.self_signed))
            .retried(failed("tls", "invalid peer certificate")),
        at("/hung-up", https(places.closing)).retried(failed("tls", "TLS handshake broke off")),
        at("/no-name", "http://name.invalid/".to_owned()).retried(failed("dns", "")),
        at("/refused", format!("http://{}/", places.refusing))
            .retried(failed("connect", "refused")),
        at("/full", format!("http://{}/", places.full))
            .retried(failed("timeout", "no connection within 5000 ms")),
        blocked("/blocked-nudj", "nudj")
            .ends(failed("blocked-address", "127.0.0.9"), "not-retried"),
        blocked("/blocked-qstash", "qstash").retried(failed("blocked-address", "127.0.0.9")),
    ]
}

/// Half a body: longer than a secret, for what might be the beginning of one is not kept.
fn half() -> String {
    "half ".repeat(100)
}

/// An answer without a body, after which the connection is closed.
fn head(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n")
        .into_bytes()
}

impl Case {
    /// An endpoint that gets the same bytes for an answer each time.
    fn new(name: &'static str, preset: &str, answer: Vec<u8>) -> Self {
        Self::doing(name, preset, Act::Answer(answer))
    }

    /// An endpoint that does the same each time.
    fn doing(name: &'static str, preset: &str, act: Act) -> Self {
        let delay = json!({"fixed": PAUSE_MS});
        Self {
            name,
            scheme: "http",
            url: None,
            script: (act.clone(), act),
            fields: json!({"maxRetries": 1, "retryPolicy": {"preset": preset, "delay": delay, "jitter": 0}}),
            attempts: Vec::new(),
            waits: Vec::new(),
            reason: None,
        }
    }

    fn with_policy(mut self, field: &str, value: Value) -> Self {
        self.fields["retryPolicy"][field] = value;
        self
    }

    fn hurried(mut self) -> Self {
        self.fields["timeoutMs"] = json!(1_000);
        self
    }

    fn over_tls(mut self) -> Self {
        self.scheme = "https";
        self
    }

    /// One attempt is enough.
    fn delivered(mut self, seen: Seen) -> Self {
        self.attempts = vec![seen];
        self
    }

    /// One attempt, and then a dead letter.
    fn ends(mut self, seen: Seen, reason: &'static str) -> Self {
        self.attempts = vec![seen];
        self.reason = Some(reason);
        self
    }

    /// One retry, which comes to the same.
    fn retried(mut self, seen: Seen) -> Self {
        self.attempts = vec![seen, seen];
        self.waits = vec![Duration::from_millis(PAUSE_MS)];
        self.reason = Some("exhausted");
        self
    }

    /// One retry, which is taken, and not before this wait is over.
    fn recovers(mut self, seen: Seen, wait: Duration) -> Self {
        self.script.1 = Act::Answer(OK.to_vec());
        self.attempts = vec![seen, Seen(Some(200), None, "")];
        self.waits = vec![wait];
        self
    }

    /// Returns the path and what is done there.
    pub(super) fn script(&self) -> (String, Script) {
        (self.name.to_owned(), self.script.clone())
    }

    /// Returns the endpoint's config; `scripted` is where its script is played.
    pub(super) fn config(&self, scripted: SocketAddr) -> Value {
        let mut config = self.fields.clone();
        let there = || format!("{}://{scripted}{}", self.scheme, self.name);
        config["url"] = Value::from(self.url.clone().unwrap_or_else(there));
        config["events"] = json!(["*"]);
        config
    }

    /// Says what is not as it must be.
    pub(super) fn faults(&self, records: &[&Value], reason: Option<&str>) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |is_right: bool, what: String| {
            if !is_right {
                faults.push(format!("{}: {what}", self.name));
            }
        };
        check(
            records.len() == self.attempts.len(),
            format!("{} attempts: {records:?}", records.len()),
        );
        check(reason == self.reason, format!("dead letter: {reason:?}"));
        for (at, (record, seen)) in records.iter().zip(&self.attempts).enumerate() {
            let is_last = at + 1 == self.attempts.len();
            let is_right = record["attempt"] == at + 1 && seen.is_in(record);
            let is_right = is_right && record["nextAttemptAt"].is_null() == is_last;
            check(is_right, format!("attempt {}: {record}", at + 1));
        }
        for (pair, least) in records.windows(2).zip(&self.waits) {
            let waited = between(pair[0], pair[1]);
            check(waited >= *least, format!("waited {waited:?}"));
        }
        faults
    }
}

impl Seen {
    fn is_in(self, record: &Value) -> bool {
        let Self(status, kind, message) = self;
        record["responseStatus"] == json!(status)
            && record["errorKind"] == json!(kind)
            && record["success"] == kind.is_none()
            && record["errorMessage"]
                .as_str()
                .unwrap_or_default()
                .contains(message)
    }
}

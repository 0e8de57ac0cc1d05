//! Requests as bytes, and answers as bytes.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::BOUND;

/// The tokens of an organisation.
pub(super) struct Tokens {
    pub(super) admin: String,
    pub(super) producer: String,
}

/// A malformed request, and how it is to be answered.
pub(super) struct Case {
    what: String,
    request: Vec<u8>,
    /// Whether nothing more can come behind the request: its connection is closed for writing.
    hangs_up: bool,
    answer: Answer,
}

/// An answer to a malformed request.
#[derive(Clone, Debug)]
enum Answer {
    /// The error envelope with that status, the code that goes with it, and a message that begins like this.
    Refused(u16, String),
    /// A status alone: what is no HTTP is refused before anybody knows what was asked.
    Bare(u16),
    /// No answer; the connection is closed.
    Closed,
}

/// A request in the making.
#[derive(Clone)]
pub(super) struct Sketch {
    start: Vec<u8>,
    headers: Vec<u8>,
    body: Vec<u8>,
}

impl Case {
    /// A request that is refused in the form of all errors.
    pub(super) fn refused(what: &str, request: Vec<u8>, status: u16, message: &str) -> Self {
        Self::new(what, request, Answer::Refused(status, message.to_owned()))
    }

    /// A request that is refused by a status alone.
    pub(super) fn bare(what: &str, request: Vec<u8>, status: u16) -> Self {
        Self::new(what, request, Answer::Bare(status))
    }

    /// A request that is not answered.
    pub(super) fn closed(what: &str, request: Vec<u8>) -> Self {
        Self::new(what, request, Answer::Closed)
    }

    /// Lets the caller say that nothing more will come.
    pub(super) fn hanging_up(self) -> Self {
        Self {
            hangs_up: true,
            ..self
        }
    }

    /// Sends the request on a connection of its own; says what is wrong with the answer.
    pub(super) async fn check(&self, url: &str) -> Result<(), String> {
        let answered = send(url, &self.request, self.hangs_up).await;
        let checked = self.answer.check(&answered);
        checked.map_err(|found| format!("{}: {found}", self.what))
    }

    fn new(what: &str, request: Vec<u8>, answer: Answer) -> Self {
        Self {
            what: what.to_owned(),
            request,
            hangs_up: false,
            answer,
        }
    }
}

impl Sketch {
    /// A request with a host that asks for its connection to be closed.
    pub(super) fn new(method: &str, path: &str) -> Self {
        Self::of_line(format!("{method} {path} HTTP/1.1")).header("host: posthorn")
    }

    /// A request with nothing but its first line.
    pub(super) fn of_line(line: impl AsRef<[u8]>) -> Self {
        let bare = Self {
            start: [line.as_ref(), b"\r\n"].concat(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        bare.header("connection: close")
    }

    /// Adds a line to the headers.
    pub(super) fn header(mut self, line: impl AsRef<[u8]>) -> Self {
        self.headers.extend_from_slice(line.as_ref());
        self.headers.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a token.
    pub(super) fn token(self, token: &str) -> Self {
        self.header(format!("x-api-token: {token}"))
    }

    /// Adds a body with its length.
    pub(super) fn body(self, body: impl AsRef<[u8]>) -> Self {
        let length = body.as_ref().len();
        self.header(format!("content-length: {length}")).tail(body)
    }

    /// Adds a body of which the headers say nothing yet.
    pub(super) fn tail(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body.extend_from_slice(body.as_ref());
        self
    }

    /// Returns the bytes.
    pub(super) fn bytes(self) -> Vec<u8> {
        [&self.start, &self.headers, b"\r\n".as_slice(), &self.body].concat()
    }
}

impl Answer {
    /// Holds bytes against what is expected; says what is different.
    fn check(&self, answered: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(answered);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| head.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
        let is_right = match self {
            Self::Refused(expected, message) => {
                status == Some(*expected) && is_envelope(body, *expected, message)
            }
            Self::Bare(expected) => status == Some(*expected) && body.is_empty(),
            Self::Closed => answered.is_empty(),
        };
        if is_right {
            return Ok(());
        }
        let shown: String = text.chars().take(600).collect();
        Err(format!("expected {self:?}, got {shown:?}"))
    }
}

/// Returns whether a body is the error envelope and nothing else, so that no second answer follows either.
fn is_envelope(body: &str, status: u16, message: &str) -> bool {
    let Ok(found) = serde_json::from_str::<Value>(body) else {
        return false;
    };
    let expected = json!({
        "message": found["message"],
        "code": code(status),
        "data": {"httpStatus": status, "path": found["data"]["path"]},
    });
    let told = found["message"].as_str().unwrap_or_default();
    found == expected && told.starts_with(message) && found["data"]["path"].is_string()
}

fn code(status: u16) -> &'static str {
    match status {
        400 => "BAD_REQUEST",
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        413 => "PAYLOAD_TOO_LARGE",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        other => panic!("no malformed request is answered with {other}"),
    }
}

/// Sends bytes and returns all that is answered.
async fn send(url: &str, request: &[u8], hangs_up: bool) -> Vec<u8> {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let write = async {
        // A server may close before it has read everything.
        let sent = writer.write_all(request).await;
        if sent.is_ok() && hangs_up {
            drop(writer.shutdown().await);
        }
    };
    let read = async {
        let mut answered = Vec::new();
        let ended = reader.read_to_end(&mut answered).await;
        drop(ended);
        answered
    };
    let both = async { tokio::join!(write, read).1 };
    timeout(BOUND, both).await.unwrap()
}

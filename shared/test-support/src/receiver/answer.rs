//! What a receiver can do with a request.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header::HeaderName};
use http_body_util::Full;

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Answers with a status, headers and a body.
    Reply {
        /// Status code.
        status: u16,
        /// Headers.
        headers: Vec<(&'static str, String)>,
        /// Body.
        body: Bytes,
    },
    /// Waits, then does something else.
    After(Duration, Box<Answer>),
    /// Closes the connection without an answer.
    Drop,
}

impl Answer {
    /// Answers 200 with a short body.
    #[must_use]
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// Answers with a status and a short body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Reply {
            status,
            headers: Vec::new(),
            body: Bytes::from_static(b"noted"),
        }
    }

    /// Answers 302 to another place.
    #[must_use]
    pub fn redirect(location: impl Into<String>) -> Self {
        let headers = vec![("location", location.into())];
        Self::Reply {
            status: 302,
            headers,
            body: Bytes::new(),
        }
    }

    /// Answers 200 with a body of this many bytes.
    #[must_use]
    pub fn big_body(bytes: usize) -> Self {
        Self::Reply {
            status: 200,
            headers: Vec::new(),
            body: vec![b'x'; bytes].into(),
        }
    }

    /// Puts a pause before the answer.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        Self::After(pause, Box::new(self))
    }
}

pub(super) fn response(
    status: u16,
    headers: &[(&'static str, String)],
    body: Bytes,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a script gives a valid status");
    for (name, value) in headers {
        let value = value.parse().expect("a script gives a valid header value");
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    response
}

//! Requests sent on to a URL on this machine.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use http_body_util::Full;
use url::Url;

use crate::transport::Transport;

/// How long an answer may take: an attempt takes at most a minute.
const BOUND: Duration = Duration::from_secs(60);
/// What belongs to one connection, or follows from the body.
const NOT_FORWARDED: [HeaderName; 8] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
];

/// Sends requests on; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Forward {
    transport: Transport,
    to: Url,
}

/// What the other side answered.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) took: Duration,
    /// Why there was no answer, in which case the status is 502.
    pub(super) problem: Option<String>,
}

impl Forward {
    pub(super) fn new(transport: Transport, to: Url) -> Self {
        Self { transport, to }
    }

    /// Sends a request on and returns the answer, whatever it is.
    pub(super) async fn send(&self, method: Method, headers: &HeaderMap, body: Bytes) -> Answered {
        let begun = Instant::now();
        let sent = async {
            let request = self.request(method, headers, body)?;
            let sent = self.transport.send(request, BOUND).await;
            sent.map_err(|error| error.0)
        };
        match sent.await {
            Ok(answer) => Answered {
                status: answer.status,
                body: answer.body,
                took: begun.elapsed(),
                problem: None,
            },
            Err(problem) => Answered {
                status: StatusCode::BAD_GATEWAY,
                body: Bytes::new(),
                took: begun.elapsed(),
                problem: Some(problem),
            },
        }
    }

    fn request(
        &self,
        method: Method,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        let uri = self.to.as_str().parse();
        *request.uri_mut() = uri.map_err(|error: http::uri::InvalidUri| error.to_string())?;
        for (name, value) in headers {
            if !NOT_FORWARDED.contains(name) {
                request.headers_mut().append(name, value.clone());
            }
        }
        Ok(request)
    }
}

//! The HTTP client: pooled connections, guarded addresses, no redirects, capped answers.

mod failure;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use domain::outcome::{ErrorKind, Failure};
use http::{HeaderMap, Request, Response, uri::Scheme};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::Client as Pooled,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;

use self::failure::{failure, innermost};
use crate::dial::Dial;

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(30);
/// The most bytes of an answer's body that are read.
const READ_LIMIT_BYTES: usize = 64 * 1024;
/// The most bytes that an answer's status line and headers may have.
const HEAD_LIMIT_BYTES: u32 = 64 * 1024;

/// Sends requests; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pooled: Pooled<HttpsConnector<Dial>, Full<Bytes>>,
}

/// Until when everything that belongs to an attempt must be done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    ends: Instant,
    span: Duration,
}

impl Deadline {
    /// Begins now and lasts as long as this.
    pub(crate) fn after(span: Duration) -> Self {
        Self {
            ends: Instant::now() + span,
            span,
        }
    }

    /// Returns how much time is left.
    pub(crate) fn left(self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Says that this did not come in time.
    pub(crate) fn missed(self, what: &str) -> Failure {
        Failure {
            kind: ErrorKind::Timeout,
            message: format!("{what} within {} ms", self.span.as_millis()),
        }
    }
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// The status, if one came.
    pub(crate) status: Option<u16>,
    /// The headers, if they came.
    pub(crate) headers: HeaderMap,
    /// The body, as much of it as was read.
    pub(crate) body: BytesMut,
    /// Whether there was more of it.
    pub(crate) is_cut: bool,
    /// Why it is not complete.
    pub(crate) failure: Option<Failure>,
}

impl Client {
    /// Makes a client that keeps so many unused connections per host.
    ///
    /// # Errors
    /// When a limit does not fit this machine.
    pub(crate) fn new(
        dial: &Dial,
        tls: ClientConfig,
        idle_per_host: usize,
    ) -> anyhow::Result<Self> {
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(dial.clone());
        let head_limit = usize::try_from(HEAD_LIMIT_BYTES)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "delivery is where requests go out"
        )]
        let pooled = Pooled::builder(TokioExecutor::new())
            .http1_max_buf_size(head_limit)
            .http2_max_header_list_size(HEAD_LIMIT_BYTES)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(idle_per_host)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(https);
        Ok(Self { pooled })
    }

    /// Sends a request and reads the answer, all before the deadline.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>, deadline: Deadline) -> Reply {
        let mut reply = Reply::default();
        let is_https = request.uri().scheme() == Some(&Scheme::HTTPS);
        let exchange = async {
            let response = self
                .pooled
                .request(request)
                .await
                .map_err(|error| failure(&error, is_https))?;
            read(response, &mut reply).await
        };
        let failed = match tokio::time::timeout(deadline.left(), exchange).await {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            Err(_elapsed) => Some(late(&reply, deadline)),
        };
        reply.is_cut |= failed.is_some();
        reply.failure = failed;
        reply
    }
}

/// Reads an answer up to the limit; what is longer is cut, which is no failure.
async fn read(response: Response<Incoming>, reply: &mut Reply) -> Result<(), Failure> {
    let (parts, mut body) = response.into_parts();
    reply.status = Some(parts.status.as_u16());
    reply.headers = parts.headers;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure {
            kind: ErrorKind::Body,
            message: format!("answer broke off: {}", innermost(&error)),
        })?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        let room = READ_LIMIT_BYTES.saturating_sub(reply.body.len());
        reply
            .body
            .extend_from_slice(data.get(..room).unwrap_or(data));
        if data.len() >= room {
            reply.is_cut = true;
            break;
        }
    }
    Ok(())
}

/// Says what had not come when the time was over.
fn late(reply: &Reply, deadline: Deadline) -> Failure {
    deadline.missed(match reply.status {
        Some(_) => "no complete answer",
        None => "no answer",
    })
}

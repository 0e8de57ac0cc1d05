//! The HTTP client: pooled connections, guarded addresses, no redirects, capped answers.

use std::{error::Error as StdError, io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use domain::{
    destination::Policy,
    outcome::{ErrorKind, Failure},
};
use http::{HeaderMap, Request, Response, uri::Scheme};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client as Pooled, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::resolver::{self, Resolver};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(30);
/// The most unused connections per host.
const IDLE_PER_HOST: usize = 256;
/// The most bytes of an answer's body that are read.
const READ_LIMIT_BYTES: usize = 64 * 1024;
/// The most bytes that an answer's status line and headers may have.
const HEAD_LIMIT_BYTES: u32 = 64 * 1024;

/// Sends requests; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pooled: Pooled<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
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
    /// Makes a client that dials only what the policy allows.
    pub(crate) fn new(policy: &Arc<Policy>) -> anyhow::Result<Self> {
        let mut http = HttpConnector::new_with_resolver(Resolver::new(Arc::clone(policy)));
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_nodelay(true);
        http.enforce_http(false);
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls()?)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(http);
        let head_limit = usize::try_from(HEAD_LIMIT_BYTES)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "delivery is where requests go out"
        )]
        let pooled = Pooled::builder(TokioExecutor::new())
            .http1_max_buf_size(head_limit)
            .http2_max_header_list_size(HEAD_LIMIT_BYTES)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(https);
        Ok(Self { pooled })
    }

    /// Sends a request and reads the answer, all within `timeout`.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>, timeout: Duration) -> Reply {
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
        let failed = match tokio::time::timeout(timeout, exchange).await {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            Err(_elapsed) => Some(late(&reply, timeout)),
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
fn late(reply: &Reply, timeout: Duration) -> Failure {
    let missing = match reply.status {
        Some(_) => "no complete answer",
        None => "no answer",
    };
    Failure {
        kind: ErrorKind::Timeout,
        message: format!("{missing} within {} ms", timeout.as_millis()),
    }
}

/// TLS with the system's roots, or those that are built in where the system has none.
fn tls() -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    let (_added, _ignored) = roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Tells what kind of failure an error of the client is, by the types in its chain.
fn failure(error: &hyper_util::client::legacy::Error, is_https: bool) -> Failure {
    let is_connect = error.is_connect();
    let kind = kind_of(error).unwrap_or(if is_connect {
        ErrorKind::Connect
    } else {
        ErrorKind::Protocol
    });
    let (kind, message) = if is_connect && kind == ErrorKind::Timeout {
        let bound = CONNECT_TIMEOUT.as_millis();
        (kind, format!("no connection within {bound} ms"))
    } else if is_connect && is_https && kind == ErrorKind::Connect && was_cut_off(error) {
        // Nothing can end before it is there, so it is the handshake that was cut off.
        let message = format!("TLS handshake broke off: {}", innermost(error));
        (ErrorKind::Tls, message)
    } else {
        (kind, innermost(error))
    };
    Failure { kind, message }
}

/// Returns whether a connection that had been made was ended by the other side.
fn was_cut_off(error: &(dyn StdError + 'static)) -> bool {
    let Some(io) = error.downcast_ref::<io::Error>() else {
        return error.source().is_some_and(was_cut_off);
    };
    let is_cut = matches!(
        io.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
    );
    is_cut || io.get_ref().is_some_and(|inner| was_cut_off(inner))
}

/// Walks an error's chain, and into I/O errors, which hide their cause from it.
fn kind_of(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    if let Some(resolver) = error.downcast_ref::<resolver::Error>() {
        return Some(match resolver {
            resolver::Error::Dns(_) => ErrorKind::Dns,
            resolver::Error::Blocked(_) => ErrorKind::BlockedAddress,
        });
    }
    if error.is::<rustls::Error>() {
        return Some(ErrorKind::Tls);
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        if let Some(inner) = io.get_ref()
            && let Some(kind) = kind_of(inner)
        {
            return Some(kind);
        }
        let timed_out = io.kind() == io::ErrorKind::TimedOut;
        return Some(if timed_out {
            ErrorKind::Timeout
        } else {
            ErrorKind::Connect
        });
    }
    if let Some(hyper) = error.downcast_ref::<hyper::Error>()
        && hyper.is_incomplete_message()
    {
        // The connection was closed before an answer began.
        return Some(ErrorKind::Connect);
    }
    error.source().and_then(kind_of)
}

/// Returns the last message of an error's chain: the one that says what happened.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

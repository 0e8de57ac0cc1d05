//! One HTTP request and its answer.

use std::{error::Error, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

/// The most of an answer that is read.
const ANSWER_MAX_BYTES: usize = 64 * 1024 * 1024;
/// How long a connection may take to be made.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// Sends requests; cheap to clone, and clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Transport(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// No answer came; says why.
#[derive(Debug)]
pub(crate) struct NoAnswer(pub(crate) String);

impl Transport {
    /// Makes a transport that trusts the system's roots.
    ///
    /// # Errors
    /// When the cryptography lacks a version of TLS.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        let (_added, _ignored) = roots.add_parsable_certificates(native.certs);
        let provider = aws_lc_rs::default_provider();
        let tls = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .context("prepare TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_PATIENCE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        #[expect(
            clippy::disallowed_methods,
            reason = "the command line asks the API, which delivery's client has nothing to do with"
        )]
        let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self(client))
    }

    /// Sends a request and reads the whole answer, within a time.
    ///
    /// # Errors
    /// [`NoAnswer`] when none comes, or not all of it.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        bound: Duration,
    ) -> Result<Answer, NoAnswer> {
        let exchange = async {
            let answer = self
                .0
                .request(request)
                .await
                .map_err(|error| NoAnswer(innermost(&error)))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES)
                .collect()
                .await
                .map_err(|error| NoAnswer(format!("the answer breaks off: {error}")))?;
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body: body.to_bytes(),
            })
        };
        tokio::time::timeout(bound, exchange)
            .await
            .unwrap_or_else(|_elapsed| Err(NoAnswer(format!("no answer within {bound:?}"))))
    }
}

/// Returns what the first cause says: those above it only say that there is one.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

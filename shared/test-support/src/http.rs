//! A small JSON client with pooled connections, for what tests ask of the services' APIs.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

const BOUND: Duration = Duration::from_secs(30);

/// Sends requests to one base address with one token; cheap to clone, and clones share connections.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    token: Option<String>,
}

/// An answer that came, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status code.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// No answer came: refused, reset, or out of time.
#[derive(Clone, Debug)]
pub struct SendError(String);

impl fmt::Display for SendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for SendError {}

impl Reply {
    /// Returns the body as JSON.
    ///
    /// # Panics
    /// Panics when it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self}"))
    }

    /// Returns the body as JSON after making sure of the status.
    ///
    /// # Panics
    /// Panics when the status differs.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "answer: {self}");
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        )
    }
}

impl HttpClient {
    /// Makes a client for `base`, such as `http://127.0.0.1:8700`, that sends no token.
    #[must_use]
    pub fn new(base: impl Into<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self {
            client,
            base: base.into(),
            token: None,
        }
    }

    /// Returns a client that sends `x-api-token`.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()),
            ..self.clone()
        }
    }

    /// Returns a client for another base address, with this one's token.
    #[must_use]
    pub fn with_base(&self, base: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            ..self.clone()
        }
    }

    /// Returns the token that it sends.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Sends a GET.
    ///
    /// # Panics
    /// Panics when no answer comes.
    pub async fn get(&self, path: &str) -> Reply {
        self.must(Method::GET, path, Bytes::new()).await
    }

    /// Sends a DELETE.
    ///
    /// # Panics
    /// Panics when no answer comes.
    pub async fn delete(&self, path: &str) -> Reply {
        self.must(Method::DELETE, path, Bytes::new()).await
    }

    /// Sends a PUT with a JSON body.
    ///
    /// # Panics
    /// Panics when no answer comes.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.must(Method::PUT, path, body.to_string().into()).await
    }

    /// Sends a PATCH with a JSON body.
    ///
    /// # Panics
    /// Panics when no answer comes.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.must(Method::PATCH, path, body.to_string().into())
            .await
    }

    /// Sends a POST with a JSON body.
    ///
    /// # Panics
    /// Panics when no answer comes.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.must(Method::POST, path, body.to_string().into()).await
    }

    /// Sends bytes as they are, said to be JSON.
    ///
    /// # Errors
    /// Fails when no answer comes within 30 s.
    pub async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Reply, SendError> {
        let json = (header::CONTENT_TYPE.as_str(), "application/json");
        let headers = if body.is_empty() { &[][..] } else { &[json] };
        self.send_with(method, path, headers, body).await
    }

    /// Sends bytes as they are, with these headers.
    ///
    /// # Errors
    /// Fails when no answer comes within 30 s.
    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Reply, SendError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("x-api-token", token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| SendError(error.to_string()))?;
        let answered = tokio::time::timeout(BOUND, self.exchange(request)).await;
        answered.unwrap_or_else(|_| Err(SendError(format!("no answer within {BOUND:?}"))))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Reply, SendError> {
        let text = |error: &dyn fmt::Debug| SendError(format!("{error:?}"));
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| text(&error))?;
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| text(&error))?
            .to_bytes();
        Ok(Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    async fn must(&self, method: Method, path: &str, body: Bytes) -> Reply {
        let name = method.clone();
        let sent = self.send(method, path, body).await;
        sent.unwrap_or_else(|error| panic!("{name} {}{path}: {error}", self.base))
    }
}

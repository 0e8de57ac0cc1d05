//! Sends the requests of attempts: over the connections that all endpoints share, or over an endpoint's
//! own, and with a token where the endpoint wants one.
//!
//! A receiver that answers 401 to a token that was in use before gets the same request once more, with a
//! new token, within the same attempt: whether a token still holds is between it and its token server, and
//! no reason to count a failure. Only the last answer is the attempt's.

use std::sync::Arc;

use bytes::Bytes;
use domain::{
    endpoint::Method,
    outcome::{ErrorKind, Failure},
    redaction::Scrubber,
    request,
};
use http::{HeaderMap, HeaderValue, Request, Uri, header};
use http_body_util::Full;

use crate::{
    client::{Client, Deadline, Reply},
    dial::Dial,
    oauth2::{Token, Tokens},
    pools::Pools,
    spans::{self, Calls},
    targets::Target,
    tls::Tls,
};

/// The most unused connections per host that are kept for all endpoints together.
const IDLE_PER_HOST: usize = 256;
const UNAUTHORIZED: u16 = 401;

/// Sends the requests of attempts.
#[derive(Debug)]
pub(crate) struct Sender {
    shared: Client,
    pools: Pools,
}

/// What was sent, and what came back.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The request's headers as a record keeps them.
    pub(crate) shown_headers: Vec<(String, String)>,
    /// What came back.
    pub(crate) reply: Reply,
    /// The token that went along, which may come back in the answer.
    pub(crate) token: Option<Arc<Token>>,
}

impl Sender {
    /// Makes the client that endpoints share, and room for those of their own.
    ///
    /// # Errors
    /// When the HTTP client can't be made.
    pub(crate) fn new(dial: Dial, tls: &Tls) -> anyhow::Result<Self> {
        Ok(Self {
            shared: Client::new(&dial, tls.shared()?, IDLE_PER_HOST)?,
            pools: Pools::new(dial),
        })
    }

    /// Sends a request, unless its URL may not be called or there is no token for it.
    pub(crate) async fn send(
        &self,
        target: &Target,
        headers: HeaderMap,
        body: &Bytes,
        calls: &Calls<'_>,
    ) -> Sent {
        let deadline = Deadline::after(target.timeout);
        let mut outgoing = match self.outgoing(target, body, calls) {
            Ok(outgoing) => outgoing,
            Err(failure) => return Sent::nothing(&headers, failure, None),
        };
        match &target.tokens {
            Some(tokens) => {
                self.with_token(&mut outgoing, tokens, headers, deadline)
                    .await
            }
            None => outgoing.send(headers, deadline, None).await,
        }
    }

    fn outgoing<'a>(
        &self,
        target: &'a Target,
        body: &'a Bytes,
        calls: &'a Calls<'a>,
    ) -> Result<Outgoing<'a>, Failure> {
        let uri = target.uri.as_ref().map_err(|refused| Failure {
            kind: ErrorKind::BlockedAddress,
            message: format!("url {refused}"),
        })?;
        let client = match &target.tls {
            None => Ok(self.shared.clone()),
            Some(config) => self.pools.client(&target.endpoint.id, config),
        };
        let client = client.map_err(|error| {
            tracing::error!(error = format!("{error:#}"), "no client for an endpoint");
            Failure {
                kind: ErrorKind::Tls,
                message: "no connection could be prepared".to_owned(),
            }
        })?;
        Ok(Outgoing {
            client,
            uri,
            shown_url: &target.shown_url,
            method: target.template.method,
            body,
            calls,
            sent: 0,
        })
    }

    async fn with_token(
        &self,
        outgoing: &mut Outgoing<'_>,
        tokens: &Tokens,
        headers: HeaderMap,
        deadline: Deadline,
    ) -> Sent {
        let was_in_use = tokens.in_use();
        let calls = outgoing.calls;
        let token = match tokens.get(&self.shared, deadline, calls).await {
            Ok(token) => token,
            Err(failure) => return Sent::nothing(&headers, failure, None),
        };
        let sent = outgoing
            .send(headers.clone(), deadline, Some(Arc::clone(&token)))
            .await;
        if sent.reply.status != Some(UNAUTHORIZED) {
            return sent;
        }
        tokens.refuse(&token);
        if !was_in_use.is_some_and(|earlier| Arc::ptr_eq(&earlier, &token)) {
            return sent;
        }
        match tokens.get(&self.shared, deadline, calls).await {
            Ok(token) => outgoing.send(headers, deadline, Some(token)).await,
            Err(failure) => Sent::nothing(&headers, failure, Some(token)),
        }
    }
}

/// A request without its headers, and the client that it goes out by.
struct Outgoing<'a> {
    client: Client,
    uri: &'a Uri,
    shown_url: &'a str,
    method: Method,
    body: &'a Bytes,
    calls: &'a Calls<'a>,
    /// How often it has been sent.
    sent: u32,
}

impl Outgoing<'_> {
    async fn send(
        &mut self,
        mut headers: HeaderMap,
        deadline: Deadline,
        token: Option<Arc<Token>>,
    ) -> Sent {
        let method = self.method.as_str();
        let span = (self.calls).request(method, self.shown_url, self.uri, self.sent);
        if self.sent > 0
            && let Ok(parent) = HeaderValue::try_from(span.context().to_string())
        {
            headers.insert("traceparent", parent);
        }
        self.sent += 1;
        if let Some(token) = &token {
            headers.insert(header::AUTHORIZATION, token.authorization.clone());
        }
        let shown_headers = request::recorded(&headers);
        let (method, body) = match self.method {
            Method::Get => (http::Method::GET, Full::default()),
            Method::Post => (http::Method::POST, Full::new(self.body.clone())),
            Method::Put => (http::Method::PUT, Full::new(self.body.clone())),
        };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        let reply = self.client.send(request, deadline).await;
        spans::answered(span, &reply);
        Sent {
            shown_headers,
            reply,
            token,
        }
    }
}

impl Sent {
    /// Returns what takes secrets out of the answer.
    pub(crate) fn scrubber<'a>(&'a self, target: &'a Target) -> &'a Scrubber {
        match &self.token {
            Some(token) => &token.scrubber,
            None => &target.scrubber,
        }
    }

    fn nothing(headers: &HeaderMap, failure: Failure, token: Option<Arc<Token>>) -> Self {
        Self {
            shown_headers: request::recorded(headers),
            reply: Reply {
                failure: Some(failure),
                ..Reply::default()
            },
            token,
        }
    }
}

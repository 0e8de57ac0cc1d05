//! Tokens of endpoints that want OAuth 2.0: fetched once for all attempts that need one, and kept until
//! shortly before they end or the receiver refuses them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use domain::{
    destination::{Policy, Refused},
    oauth2::{Granted, OAuth2, read_answer},
    outcome::{ErrorKind, Failure},
    redaction::Scrubber,
};
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use parking_lot::Mutex;

use crate::{
    client::{Client, Deadline},
    dial::callable,
    spans::{self, Calls},
};

/// What an endpoint's tokens are asked for with, and the one that is in use.
#[derive(Debug)]
pub(crate) struct Tokens {
    uri: Result<Uri, Refused>,
    authorization: HeaderValue,
    form: Bytes,
    /// Replaces the endpoint's other secrets.
    scrubber: Scrubber,
    /// Lets one fetch after the other.
    turn: tokio::sync::Mutex<()>,
    /// How many fetches have ended.
    fetches: AtomicU64,
    last: Mutex<Last>,
}

/// What the last fetch came to.
#[derive(Debug, Default)]
enum Last {
    #[default]
    None,
    Token(Arc<Token>),
    Failure(Failure),
}

/// A token that is in use.
#[derive(Debug)]
pub(crate) struct Token {
    /// The value of `authorization`.
    pub(crate) authorization: HeaderValue,
    /// Replaces the token, and the endpoint's other secrets.
    pub(crate) scrubber: Scrubber,
    until: Instant,
}

impl Tokens {
    /// Makes what fetches tokens with an opened secret.
    ///
    /// # Errors
    /// When the client's id or secret fits into no header.
    pub(crate) fn new(
        config: &OAuth2,
        secret: &str,
        policy: &Policy,
        scrubber: Scrubber,
    ) -> Result<Self, String> {
        let mut authorization: HeaderValue = config
            .authorization(secret)
            .parse()
            .map_err(|_error| "oauth2 client".to_owned())?;
        authorization.set_sensitive(true);
        Ok(Self {
            uri: callable(policy, &config.token_url),
            authorization,
            form: config.form().into(),
            scrubber,
            turn: tokio::sync::Mutex::default(),
            fetches: AtomicU64::default(),
            last: Mutex::default(),
        })
    }

    /// Returns the token in use, or fetches one. Of attempts that need one at the same time, one asks,
    /// and what it gets, be it a failure, holds for the others.
    ///
    /// # Errors
    /// What the attempt comes to.
    pub(crate) async fn get(
        &self,
        client: &Client,
        deadline: Deadline,
        calls: &Calls<'_>,
    ) -> Result<Arc<Token>, Failure> {
        if let Some(token) = self.in_use() {
            return Ok(token);
        }
        let ended = self.fetches.load(Ordering::Acquire);
        let Ok(_turn) = tokio::time::timeout(deadline.left(), self.turn.lock()).await else {
            return Err(deadline.missed("no token"));
        };
        if let Some(token) = self.in_use() {
            return Ok(token);
        }
        if self.fetches.load(Ordering::Acquire) != ended
            && let Last::Failure(failure) = &*self.last.lock()
        {
            return Err(failure.clone());
        }
        let fetched = self.fetch(client, deadline, calls).await.map(Arc::new);
        let failure = fetched.as_ref().err();
        (calls.instruments).token_fetched(failure.map(|failure| failure.kind));
        *self.last.lock() = match &fetched {
            Ok(token) => Last::Token(Arc::clone(token)),
            Err(failure) => Last::Failure(failure.clone()),
        };
        self.fetches.fetch_add(1, Ordering::Release);
        fetched
    }

    /// Takes a token out of use that the receiver refused, unless another one has taken its place.
    pub(crate) fn refuse(&self, refused: &Arc<Token>) {
        let mut last = self.last.lock();
        if let Last::Token(token) = &*last
            && Arc::ptr_eq(token, refused)
        {
            *last = Last::None;
        }
    }

    /// Returns the token in use, if there is one.
    pub(crate) fn in_use(&self) -> Option<Arc<Token>> {
        match &*self.last.lock() {
            Last::Token(token) if token.until > Instant::now() => Some(Arc::clone(token)),
            Last::Token(_) | Last::Failure(_) | Last::None => None,
        }
    }

    async fn fetch(
        &self,
        client: &Client,
        deadline: Deadline,
        calls: &Calls<'_>,
    ) -> Result<Token, Failure> {
        let uri = self.uri.clone().map_err(|refused| Failure {
            kind: ErrorKind::BlockedAddress,
            message: format!("oauth2.tokenUrl {refused}"),
        })?;
        let span = calls.token(&uri);
        let reply = client.send(self.request(uri), deadline).await;
        spans::answered(span, &reply);
        let granted = match (reply.status, reply.failure) {
            (Some(status), None) => read_answer(status, &reply.body),
            (_, Some(failure)) => {
                return Err(Failure {
                    kind: failure.kind,
                    message: format!("token server: {}", failure.message),
                });
            }
            (None, None) => read_answer(0, &[]),
        };
        let granted = granted.map_err(|none| none.failure())?;
        self.token(&granted).ok_or_else(|| Failure {
            kind: ErrorKind::Protocol,
            message: "token server: the token fits into no header".to_owned(),
        })
    }

    fn request(&self, uri: Uri) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.form.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        for (name, value) in [
            (header::CONTENT_TYPE, "application/x-www-form-urlencoded"),
            (header::ACCEPT, "application/json"),
            (
                header::USER_AGENT,
                concat!("Posthorn/", env!("CARGO_PKG_VERSION")),
            ),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        request
    }

    fn token(&self, granted: &Granted) -> Option<Token> {
        let mut authorization: HeaderValue = format!("Bearer {}", granted.token).parse().ok()?;
        authorization.set_sensitive(true);
        Some(Token {
            authorization,
            scrubber: self.scrubber.and(&granted.token),
            until: Instant::now() + granted.usable,
        })
    }
}

#[cfg(test)]
mod tests;

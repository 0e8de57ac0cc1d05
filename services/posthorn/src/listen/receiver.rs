//! The receiver: verifies, answers as it is told to, and shows.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use domain::{signing::SigningKey, time::Timestamp};
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio::{net::TcpListener, sync::mpsc};
use url::Url;

use super::{
    conduct::Conduct,
    forward::{Answered, Forward},
    show::{Format, Seen, Signature},
};
use crate::{
    failure::{Ended, Failure, failed},
    verify::{self, Key, Signed},
};

/// How far a request's time may be from ours.
const TOLERANCE: Duration = Duration::from_secs(300);
/// An event is at most 1 MiB, and what is added to it little.
const BODY_MAX_BYTES: usize = 2 * 1024 * 1024;
/// How many requests wait to be shown; more have to wait for their answers.
const UNSHOWN_MAX: usize = 64;

/// A receiver that is bound and answers nobody yet.
#[derive(Debug)]
pub(super) struct Listening(TcpListener);

/// How the receiver behaves.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) key: SigningKey,
    pub(super) conduct: Conduct,
    pub(super) forward: Option<Forward>,
    pub(super) format: Format,
}

/// What handlers share.
#[derive(Debug)]
struct Receiver {
    key: Key,
    conduct: Conduct,
    forward: Option<Forward>,
    show: mpsc::Sender<Seen>,
}

impl Listening {
    /// Binds the address.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it is taken.
    pub(super) async fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind(address).await;
        listener
            .map(Self)
            .map_err(failed(format_args!("--address {address}")))
    }

    /// Returns the URL of the address.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it can't be told.
    pub(super) fn url(&self) -> Result<Url, Failure> {
        let address = self.0.local_addr().map_err(failed("read the address"))?;
        Url::parse(&format!("http://{address}/")).map_err(failed("read the address"))
    }

    /// Answers requests and shows them, for ever.
    ///
    /// # Errors
    /// [`Failure`] when they can't be shown or the server fails.
    pub(super) async fn serve(self, settings: Settings) -> Ended {
        let (show, mut shown) = mpsc::channel(UNSHOWN_MAX);
        let receiver = Receiver {
            key: Key::Standard(settings.key),
            conduct: settings.conduct,
            forward: settings.forward,
            show,
        };
        let router = Router::new()
            .fallback(receive)
            .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
            .with_state(Arc::new(receiver));
        let serving = axum::serve(self.0, router);
        let showing = async {
            while let Some(seen) = shown.recv().await {
                let seen: Seen = seen;
                seen.show(settings.format)?;
            }
            Ok(())
        };
        tokio::select! {
            served = async { serving.await } => served.map_err(failed("serve")),
            ended = showing => ended,
        }
    }
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let at = Timestamp::from_millis(lifecycle::clock::now_ms());
    let signature = receiver.verify(&headers, &body, at);
    tokio::time::sleep(receiver.conduct.delay).await;
    let forwarded = receiver
        .forwarded(&signature, (&method, &headers, &body))
        .await;
    let status = match (&signature, &forwarded) {
        (_, Answer::Failure(status)) => *status,
        (Signature::Wrong(_), _) => StatusCode::UNAUTHORIZED,
        (_, Answer::Forwarded(answer)) => answer.status,
        (_, Answer::Own) => StatusCode::OK,
    };
    let (answer, forwarded) = match forwarded {
        Answer::Forwarded(answer) => (answer.body.clone(), Some(answer)),
        Answer::Failure(_) | Answer::Own => (Bytes::new(), None),
    };
    let seen = Seen {
        at,
        method,
        path: uri.path().to_owned(),
        headers,
        body,
        signature,
        answered: Some(status.as_u16()),
        forwarded,
    };
    // When nobody shows any more the process is about to end.
    drop(receiver.show.send(seen).await);
    (status, answer).into_response()
}

/// Where an answer comes from.
enum Answer {
    /// The receiver was told to fail.
    Failure(StatusCode),
    /// Whoever the request was sent on to.
    Forwarded(Answered),
    /// The receiver itself.
    Own,
}

impl Receiver {
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Signature {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let signed = Signed {
            id: text("webhook-id").unwrap_or_default(),
            timestamp: text("webhook-timestamp").unwrap_or_default(),
            signature: text("webhook-signature").unwrap_or_default(),
            body,
        };
        let problems: Vec<String> = verify::check(&self.key, &signed, now, TOLERANCE)
            .into_iter()
            .filter_map(|checked| Some(format!("{} {}", checked.name, checked.problem?)))
            .collect();
        if problems.is_empty() {
            Signature::Right
        } else {
            Signature::Wrong(problems)
        }
    }

    async fn forwarded(
        &self,
        signature: &Signature,
        (method, headers, body): (&Method, &HeaderMap, &Bytes),
    ) -> Answer {
        // What anybody may have sent is neither counted nor sent on.
        if *signature != Signature::Right {
            return Answer::Own;
        }
        let failure = self.conduct.failure();
        if let Some(status) = failure.and_then(|status| StatusCode::from_u16(status).ok()) {
            return Answer::Failure(status);
        }
        match &self.forward {
            Some(forward) => {
                let answer = forward.send(method.clone(), headers, body.clone()).await;
                Answer::Forwarded(answer)
            }
            None => Answer::Own,
        }
    }
}

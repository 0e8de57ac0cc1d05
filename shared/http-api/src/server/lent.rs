//! Bodies of requests that come back when they are dropped unread, to be read to their end.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::{sync::oneshot, time::timeout};

/// How much of a body is read and thrown away.
const DISCARD_MAX_BYTES: usize = 32 * 1024 * 1024;
/// How long throwing away may take.
const DISCARD_PATIENCE: Duration = Duration::from_secs(2);

/// Lends the body of a request to whoever answers it.
pub(super) fn lend(request: Request<Incoming>) -> (Request<Body>, Left) {
    if request.body().is_end_stream() {
        return (request.map(|_empty| Body::empty()), Left(None));
    }
    // Who waits for `100 Continue` sends nothing before somebody asks for it.
    let is_coming = !request.headers().contains_key(header::EXPECT);
    let (home, left) = oneshot::channel();
    let request = request.map(|body| {
        Body::new(Lent {
            body: Some(body),
            is_coming,
            home: Some(home),
        })
    });
    (request, Left(Some(left)))
}

/// What may be left of a body.
pub(super) struct Left(Option<oneshot::Receiver<Incoming>>);

impl Left {
    /// Reads what is left and throws it away, within limits.
    pub(super) async fn discard(self) {
        let Some(mut body) = self.0.and_then(|mut left| left.try_recv().ok()) else {
            return;
        };
        let announced = usize::try_from(body.size_hint().lower());
        if announced.is_ok_and(|bytes| bytes <= DISCARD_MAX_BYTES) {
            // Whether it comes to its end makes no difference: the answer is the same.
            timeout(DISCARD_PATIENCE, read_out(&mut body))
                .await
                .unwrap_or_default();
        }
    }
}

async fn read_out(body: &mut Incoming) {
    let mut room = DISCARD_MAX_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        match room.checked_sub(bytes) {
            Some(rest) => room = rest,
            None => return,
        }
    }
}

/// A body that goes home when it is dropped.
struct Lent {
    body: Option<Incoming>,
    /// Whether the caller sends it, and does not wait to be asked.
    is_coming: bool,
    home: Option<oneshot::Sender<Incoming>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.is_coming = true;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::new, HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.is_coming
            && !self.is_end_stream()
            && let (Some(body), Some(home)) = (self.body.take(), self.home.take())
        {
            // Nobody waits at home once the connection is closed.
            drop(home.send(body));
        }
    }
}

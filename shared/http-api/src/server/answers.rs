//! Answers on their way to callers: how much memory they take, and how long a caller may take to read one.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, body::HttpBody as _, response::IntoResponse as _, response::Response};
use http::Uri;
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use crate::{
    body::Room,
    problem::{self, Code, Problem},
};

/// Up to so many bytes an answer takes no room.
const SMALL: u64 = 128 * 1024;

/// Lets an answer go on its way if there is room for it, which it keeps until its last byte is written.
pub(super) async fn admit(answer: Response, room: &Room, uri: &Uri) -> Response {
    let Some(size) = answer
        .body()
        .size_hint()
        .exact()
        .filter(|size| *size > SMALL)
    else {
        return answer;
    };
    let taken = usize::try_from(size)
        .ok()
        .and_then(|size| room.take_now(size));
    let Some(taken) = taken else {
        let message = "too many large answers are being read, repeat the request";
        return Problem::new(Code::ServiceUnavailable, problem::path(uri), message).into_response();
    };
    let (parts, body) = answer.into_parts();
    match body.collect().await {
        Ok(whole) => Response::from_parts(parts, Body::from(taken.keep(whole.to_bytes()))),
        Err(error) => Problem::internal("answer", &error).into_response(),
    }
}

/// A connection that breaks when its peer does not read what is written to it in time.
#[derive(Debug)]
pub(super) struct Impatient {
    stream: TcpStream,
    patience: Duration,
    /// Runs while something that was to be written waits for the peer.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    pub(super) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            deadline: None,
        }
    }

    /// Lets a write wait until the deadline.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let patience = self.patience;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        let late = || Err(io::ErrorKind::TimedOut.into());
        deadline.as_mut().poll(context).map(|()| late())
    }
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => self.wait(context),
            written @ Poll::Ready(_) => written,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(context, pieces) {
            Poll::Pending => self.wait(context),
            written @ Poll::Ready(_) => written,
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Is asked for when everything is written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.deadline = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

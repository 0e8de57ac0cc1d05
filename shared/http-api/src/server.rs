//! The HTTP server: bounded connections, time limits, and a drain that finishes what is in flight.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    response::{IntoResponse as _, Response},
};
use http::{Version, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use lifecycle::Shutdown;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tower_service::Service as _;

use crate::{
    body::Room,
    problem::{self, Code, Problem},
    server::answers::Impatient,
};

mod answers;
mod lent;

#[cfg(test)]
mod tests;

/// How long to wait before accepting again when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How much of a request is buffered at a time.
const BUFFER_BYTES: usize = 128 * 1024;

/// What a server allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open connections; more wait to be accepted.
    pub connections: usize,
    /// How long the next request's headers may take, and so how long a connection may be idle
    /// between requests.
    ///
    /// Longer than the usual 60 s of connection pools: a server that closes first makes requests
    /// fail that were sent at that moment.
    pub headers_within: Duration,
    /// How long a fresh connection may send nothing at all.
    pub first_byte_within: Duration,
    /// Bytes of a request's headers.
    pub header_bytes: usize,
    /// Bytes of all bodies that are being read or worked on. A body is gathered in a buffer that
    /// grows by doubling, so the memory for them is at most twice as much.
    pub body_bytes: usize,
    /// Bytes of all answers above 128 KiB that their callers have not read yet; what finds no room is
    /// answered with 503.
    pub answer_bytes: usize,
    /// How long a caller may take to read what was written to it.
    pub read_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            headers_within: Duration::from_secs(75),
            first_byte_within: Duration::from_secs(10),
            header_bytes: 64 * 1024,
            body_bytes: 128 * 1024 * 1024,
            answer_bytes: 128 * 1024 * 1024,
            read_within: Duration::from_secs(60),
        }
    }
}

/// Serves a router over HTTP/1.1 with the default [`Limits`] until the drain.
pub fn serve(listener: TcpListener, router: Router, shutdown: &Shutdown) {
    serve_within(Limits::default(), listener, router, shutdown);
}

/// Serves a router over HTTP/1.1 until the drain.
///
/// On the drain the listener and idle connections are closed and requests in flight finish; on the
/// abort all connections are closed. Handlers find the peer as `ConnectInfo<SocketAddr>`, and the
/// room for bodies as [`Room`]. What they leave unread of a body is read before they are answered, so
/// that a caller who sends everything before it reads sees the answer, and no broken connection.
pub fn serve_within(limits: Limits, listener: TcpListener, router: Router, shutdown: &Shutdown) {
    let mut connections = http1::Builder::new();
    connections
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers_within)
        .max_header_size(limits.header_bytes)
        .max_buf_size(BUFFER_BYTES);
    let server = Server {
        connections,
        answering: Answering {
            router,
            room: Room::new(limits.body_bytes),
            answers: Room::new(limits.answer_bytes),
        },
        shutdown: shutdown.clone(),
        first_byte_within: limits.first_byte_within,
        read_within: limits.read_within,
    };
    shutdown.spawn("http", server.accept(listener, limits.connections));
}

#[derive(Clone)]
struct Server {
    connections: http1::Builder,
    answering: Answering,
    shutdown: Shutdown,
    first_byte_within: Duration,
    read_within: Duration,
}

impl Server {
    async fn accept(self, listener: TcpListener, places: usize) -> anyhow::Result<()> {
        let places = Arc::new(Semaphore::new(places));
        let draining = self.shutdown.draining();
        loop {
            let accepted = tokio::select! {
                () = draining.cancelled() => return Ok(()),
                accepted = accept_one(&listener, &places) => accepted,
            };
            match accepted {
                Ok((stream, peer, place)) => {
                    let server = self.clone();
                    self.shutdown
                        .spawn_work(server.converse(stream, peer, place));
                }
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Answers the requests of one connection, which holds its place until it is closed.
    async fn converse(self, stream: TcpStream, peer: SocketAddr, _place: OwnedSemaphorePermit) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was closed at once");
            return;
        }
        let (draining, abort) = (self.shutdown.draining(), self.shutdown.abort());
        tokio::select! {
            is_silent = is_silent(&stream, self.first_byte_within) => if is_silent {
                return;
            },
            () = draining.cancelled() => {}
        }
        let read_within = self.read_within;
        let answering = self.answering;
        let service = service_fn(move |request| answering.clone().answer(request, peer));
        let connection = self
            .connections
            .serve_connection(TokioIo::new(Impatient::new(stream, read_within)), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = draining.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = abort.cancelled() => return,
                }
            }
        };
        if let Err(error) = ended {
            // Callers hang up and send nonsense; nobody has to act.
            tracing::debug!(%error, "a connection broke");
        }
    }
}

/// What is needed to answer a request; cheap to clone.
#[derive(Clone)]
struct Answering {
    router: Router,
    room: Room,
    answers: Room,
}

impl Answering {
    async fn answer(
        mut self,
        request: http::Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response, Infallible> {
        let uri = request.uri().clone();
        let (mut request, left) = lent::lend(request);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(self.room.of_a_stranger());
        let answer = match host_fault(&request) {
            Some(problem) => {
                drop(request);
                problem.into_response()
            }
            None => self.router.call(request).await?,
        };
        left.discard().await;
        Ok(answers::admit(answer, &self.answers, &uri).await)
    }
}

/// Accepts a connection once there is a place for it.
async fn accept_one(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

/// Refuses a request that does not say once for whom it is: two servers might take it for two of them.
fn host_fault(request: &Request) -> Option<Problem> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    let is_right = hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11);
    let path = || problem::path(request.uri());
    (!is_right).then(|| Problem::new(Code::BadRequest, path(), "host: must be given once"))
}

/// Waits until something has come, the end included; returns whether nothing came in time.
async fn is_silent(stream: &TcpStream, within: Duration) -> bool {
    let mut first = [0];
    timeout(within, stream.peek(&mut first)).await.is_err()
}

/// Returns whether an error of `accept` is about the one connection, and not about the listener.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

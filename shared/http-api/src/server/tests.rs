//! The server over real connections.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    routing::{get, post},
};
use bytes::Bytes;
use http::StatusCode;
use lifecycle::Shutdown;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use super::{Limits, serve_within};
use crate::{body, problem::Problem};

/// How long anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than sockets hold of an answer that nobody reads.
const LARGE_BYTES: usize = 32 * 1024 * 1024;

#[tokio::test]
async fn requests_of_one_connection_are_answered_in_turn() {
    let server = Server::start(Limits::default()).await;
    let mut connection = server.connect().await;

    for _ in 0..2 {
        send(&mut connection, "/peer").await;
        assert!(answer(&mut connection).await.ends_with("\r\n\r\n127.0.0.1"));
    }

    server.stop().await;
}

#[tokio::test]
async fn the_drain_finishes_what_is_in_flight_and_closes_what_is_idle() {
    let mut server = Server::start(Limits::default()).await;
    let mut idle = server.connect().await;
    send(&mut idle, "/peer").await;
    answer(&mut idle).await;
    let mut busy = server.connect().await;
    send(&mut busy, "/slow").await;
    server.entered.recv().await.unwrap();

    server.shutdown.draining().cancel();
    assert_eq!(rest(&mut idle).await, "");
    server.release.send(()).unwrap();

    let answered = rest(&mut busy).await;
    assert!(answered.starts_with("HTTP/1.1 200 OK\r\n"), "{answered}");
    assert!(answered.ends_with("late"), "{answered}");
    server.stop().await;
}

#[tokio::test]
async fn the_abort_closes_what_is_in_flight() {
    let shutdown = Shutdown::new(Duration::from_millis(1));
    let mut server = Server::start_on(Limits::default(), shutdown).await;
    let mut busy = server.connect().await;
    send(&mut busy, "/slow").await;
    server.entered.recv().await.unwrap();

    server.stop().await;

    assert_eq!(rest(&mut busy).await, "");
}

#[tokio::test]
async fn a_connection_too_many_waits_for_a_place() {
    let server = Server::start(Limits {
        connections: 1,
        ..Limits::default()
    })
    .await;
    let mut first = server.connect().await;
    send(&mut first, "/peer").await;
    answer(&mut first).await;
    let mut second = server.connect().await;
    send(&mut second, "/peer").await;
    let mut byte = [0];
    let early = timeout(Duration::from_millis(50), second.peek(&mut byte)).await;
    assert!(early.is_err(), "answered without a place");

    drop(first);

    assert!(answer(&mut second).await.ends_with("127.0.0.1"));
    drop(second);
    server.stop().await;
}

#[tokio::test]
async fn headers_that_never_end_close_the_connection() {
    let headers_within = Duration::from_millis(20);
    let server = Server::start(Limits {
        headers_within,
        ..Limits::default()
    })
    .await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\n")
        .await
        .unwrap();

    let answered = rest(&mut slow).await;

    assert!(!answered.contains("200 OK"), "{answered}");
    server.stop().await;
}

#[tokio::test]
async fn a_fresh_connection_that_sends_nothing_is_closed_and_an_idle_one_is_not() {
    let server = Server::start(Limits {
        first_byte_within: Duration::from_millis(20),
        ..Limits::default()
    })
    .await;
    let mut idle = server.connect().await;
    send(&mut idle, "/peer").await;
    answer(&mut idle).await;
    let mut fresh = server.connect().await;

    assert_eq!(rest(&mut fresh).await, "");

    send(&mut idle, "/peer").await;
    assert!(answer(&mut idle).await.ends_with("127.0.0.1"));
    server.stop().await;
}

#[tokio::test]
async fn who_sends_a_large_body_before_it_reads_sees_the_refusal() {
    let server = Server::start(Limits::default()).await;
    let mut connection = server.connect().await;

    for path in ["/refuse", "/nowhere"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
            17 * 1024 * 1024
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..17 {
            connection.write_all(&[b' '; 1024 * 1024]).await.unwrap();
        }
        let answered = answer(&mut connection).await;
        assert!(answered.starts_with("HTTP/1.1 40"), "{answered}");
    }

    // The connection is good for more.
    send(&mut connection, "/peer").await;
    assert!(answer(&mut connection).await.ends_with("127.0.0.1"));
    server.stop().await;
}

#[tokio::test]
async fn bodies_share_the_servers_room() {
    let server = Server::start(Limits {
        body_bytes: 4,
        ..Limits::default()
    })
    .await;
    let mut connection = server.connect().await;

    for (body, status) in [("1234", "HTTP/1.1 200 "), ("12345", "HTTP/1.1 503 ")] {
        let length = body.len();
        let request =
            format!("POST /take HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}");
        connection.write_all(request.as_bytes()).await.unwrap();
        let answered = answer(&mut connection).await;
        assert!(answered.starts_with(status), "{answered}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_waits_for_leave_to_send_is_refused_at_once() {
    let server = Server::start(Limits::default()).await;
    let mut connection = server.connect().await;
    let started = tokio::time::Instant::now();

    connection
        .write_all(
            b"POST /refuse HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n",
        )
        .await
        .unwrap();

    let answered = answer(&mut connection).await;
    assert!(answered.starts_with("HTTP/1.1 401 "), "{answered}");
    assert!(started.elapsed() < Duration::from_secs(1));
    server.stop().await;
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused() {
    let server = Server::start(Limits {
        header_bytes: 16 * 1024,
        ..Limits::default()
    })
    .await;
    let mut connection = server.connect().await;
    let request = format!(
        "GET /peer HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    connection.write_all(request.as_bytes()).await.unwrap();

    let answered = rest(&mut connection).await;

    assert!(answered.starts_with("HTTP/1.1 431 "), "{answered}");
    server.stop().await;
}

#[tokio::test]
async fn who_does_not_read_an_answer_is_given_up_and_its_room_is_free_again() {
    let server = Server::start(Limits {
        answer_bytes: LARGE_BYTES,
        read_within: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    let mut idle = server.connect().await;
    send(&mut idle, "/large").await;
    idle.readable().await.unwrap();

    let deadline = tokio::time::Instant::now() + PATIENCE;
    let (mut refused, mut answered) = (false, String::new());
    while !answered.starts_with("HTTP/1.1 200 ") {
        assert!(tokio::time::Instant::now() < deadline, "{answered}");
        let mut next = server.connect().await;
        send(&mut next, "/large").await;
        answered = answer(&mut next).await;
        refused |= answered.starts_with("HTTP/1.1 503 ");
    }

    assert!(refused, "there is room for one such answer");
    send(&mut server.connect().await, "/peer").await;
    server.stop().await;
}

/// A server with two routes: `/peer` tells the caller's address, `/slow` waits to be released.
struct Server {
    address: SocketAddr,
    shutdown: Shutdown,
    entered: mpsc::UnboundedReceiver<()>,
    release: tokio::sync::broadcast::Sender<()>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::start_on(limits, Shutdown::new(PATIENCE)).await
    }

    async fn start_on(limits: Limits, shutdown: Shutdown) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (enter, entered) = mpsc::unbounded_channel();
        let release = tokio::sync::broadcast::Sender::new(1);
        let gate = release.clone();
        let slow = async move || {
            let mut released = gate.subscribe();
            enter.send(()).unwrap();
            released.recv().await.unwrap();
            "late"
        };
        let router = Router::new()
            .route(
                "/peer",
                get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string()),
            )
            .route("/slow", get(slow))
            .route("/large", get(async || vec![b'x'; LARGE_BYTES]))
            .route("/take", post(take))
            .route("/refuse", post(async || StatusCode::UNAUTHORIZED));
        serve_within(limits, listener, router, &shutdown);
        Self {
            address,
            shutdown,
            entered,
            release,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(&self) {
        self.shutdown.draining().cancel();
        timeout(PATIENCE, self.shutdown.run())
            .await
            .unwrap()
            .unwrap();
    }
}

async fn take(request: Request) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    body::read(&parts, body, 100, "take").await
}

async fn send(connection: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
}

/// Reads what is there of an answer: these answers come in one piece.
async fn answer(connection: &mut TcpStream) -> String {
    let mut buffer = vec![0; 4096];
    let read = timeout(PATIENCE, connection.read(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(buffer[..read].to_vec()).unwrap()
}

/// Reads until the server closes the connection.
async fn rest(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is a close as well.
    let read = timeout(PATIENCE, connection.read_to_end(&mut bytes))
        .await
        .unwrap();
    drop(read);
    String::from_utf8(bytes).unwrap()
}

//! Receivers that reset, stall in the middle, never end their bodies, and send a header of 1 MiB.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use e2e::Stack;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    pace,
    stage::{Seen, Stage},
};

const WELL: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const HEADER_BYTES: usize = 1024 * 1024;

/// What a receiver does to its client once it has read a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ill {
    Resets,
    Stalls,
    NeverEnds,
    SendsLargeHeader,
}

const ILLS: [(Ill, &str); 4] = [
    (Ill::Resets, "a receiver resets connections"),
    (
        Ill::Stalls,
        "a receiver stalls in the middle of its answers",
    ),
    (Ill::NeverEnds, "a receiver sends bodies without an end"),
    (Ill::SendsLargeHeader, "a receiver sends a header of 1 MiB"),
];

#[tokio::test]
async fn receivers_misbehave_below_http() {
    let mut stage = Stage::set(Stack::start().await).await;
    let mut switches = Vec::new();
    for (ill, _) in ILLS {
        let (seen, is_ill) = (Seen::default(), Arc::new(AtomicBool::new(false)));
        let address = listen(ill, seen.clone(), Arc::clone(&is_ill)).await;
        let url = format!("http://{address}/hook");
        stage
            .endpoint(&url, seen, json!({"timeoutMs": 1_000}))
            .await;
        switches.push(is_ill);
    }
    let mut stage = stage.under_load().await;

    for ((_, name), is_ill) in ILLS.iter().zip(&switches) {
        stage
            .fault(name, async |stage| {
                is_ill.store(true, Ordering::Relaxed);
                stage.goes_on(pace::seconds(2, 30)).await;
                is_ill.store(false, Ordering::Relaxed);
            })
            .await;
    }

    let balance = stage.settle("receivers").await;
    assert_eq!((balance.cut_off, balance.repeated), (0, 0));
}

async fn listen(ill: Ill, seen: Seen, is_ill: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (seen, is_ill) = (seen.clone(), Arc::clone(&is_ill));
            // An error is a hang-up.
            tokio::spawn(async move { drop(serve(stream, ill, &seen, &is_ill).await) });
        }
    });
    address
}

async fn serve(
    mut stream: TcpStream,
    ill: Ill,
    seen: &Seen,
    is_ill: &AtomicBool,
) -> std::io::Result<()> {
    loop {
        let head = read_request(&mut stream).await?;
        let value = |name: &str| {
            let (_, rest) = head.split_once(name)?;
            rest.split("\r\n").next()
        };
        let event = value("\r\nwebhook-id: ").unwrap_or_default();
        let attempt = value("\r\nx-posthorn-attempt: ").and_then(|text| text.parse().ok());
        seen.note(event, attempt.unwrap_or(0));
        if is_ill.load(Ordering::Relaxed) {
            return misbehave(&mut stream, ill).await;
        }
        stream.write_all(WELL).await?;
    }
}

async fn misbehave(stream: &mut TcpStream, ill: Ill) -> std::io::Result<()> {
    match ill {
        Ill::Resets => stream.set_zero_linger(),
        Ill::Stalls => {
            let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf ";
            stream.write_all(begun).await?;
            stream.read_u8().await.map(drop)
        }
        Ill::NeverEnds => {
            let begun = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(begun).await?;
            loop {
                stream.write_all(b"5\r\nmore \r\n").await?;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        Ill::SendsLargeHeader => {
            let value = "x".repeat(HEADER_BYTES);
            let head = format!("HTTP/1.1 200 OK\r\nx-large: {value}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await
        }
    }
}

/// Reads a request with its body, and returns its head with names in lower case.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.to_ascii_lowercase();
    let length = length.split_once("\r\ncontent-length: ");
    let length = length.and_then(|(_, rest)| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok(head)
}

//! Receivers that misbehave below HTTP.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use rustls::{
    ServerConfig, ServerConnection,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
};

/// What a receiver does once it has read a request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Writes these bytes and closes the connection.
    Answer(Vec<u8>),
    /// Writes these bytes and then nothing more.
    Hold(Vec<u8>),
    /// Writes the first bytes, and the second ones for as long as anybody reads.
    Endless(&'static [u8], &'static [u8]),
}

/// What is done with the first request to a path, and with all later ones.
pub(super) type Script = (Act, Act);

/// Serves each path as its script says, and returns the server's address.
pub(super) async fn scripted(scripts: HashMap<String, Script>) -> SocketAddr {
    let scripts = Arc::new(scripts);
    listen(move |stream| {
        let scripts = Arc::clone(&scripts);
        async move { drop(serve(stream, &scripts).await) }
    })
    .await
}

/// Closes every connection once it has read a little.
pub(super) async fn closing() -> SocketAddr {
    listen(async |mut stream: TcpStream| drop(stream.read(&mut [0; 64]).await)).await
}

/// Listens with a certificate that nobody has signed but its owner.
///
/// The certificate is for 127.0.0.1 and a hundred years, made by `openssl req -x509 -newkey ec`.
pub(super) fn self_signed() -> SocketAddr {
    let certificate = CertificateDer::from_slice(include_bytes!("self-signed.cert.der"));
    let key = PrivatePkcs8KeyDer::from(&include_bytes!("self-signed.key.der")[..]);
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from(key))
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            // It ends with the alert that says why the certificate is not taken.
            drop(connection.complete_io(&mut stream));
        }
    });
    address
}

/// A listener that takes no further connection, for as long as this is kept.
pub(super) struct Full {
    pub(super) address: SocketAddr,
    _listener: TcpListener,
    _connections: Vec<TcpStream>,
}

/// Fills a listener's queue until the next connection has to wait.
pub(super) async fn full() -> Full {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut connections = Vec::new();
    let patience = std::time::Duration::from_millis(500);
    while let Ok(connected) = tokio::time::timeout(patience, TcpStream::connect(address)).await {
        connections.push(connected.unwrap());
    }
    Full {
        address,
        _listener: listener,
        _connections: connections,
    }
}

async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, scripts: &HashMap<String, Script>) -> std::io::Result<()> {
    let request = read_request(&mut stream).await?;
    let path = request.split(' ').nth(1).unwrap_or_default();
    let Some((first, later)) = scripts.get(path) else {
        let refused = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return answer(&mut stream, refused).await;
    };
    let is_first = request
        .to_ascii_lowercase()
        .contains("x-posthorn-attempt: 1\r\n");
    match if is_first { first } else { later } {
        Act::Answer(bytes) => answer(&mut stream, bytes).await,
        Act::Hold(bytes) => {
            stream.write_all(bytes).await?;
            until_closed(&mut stream).await
        }
        Act::Endless(bytes, more) => {
            stream.write_all(bytes).await?;
            loop {
                stream.write_all(more).await?;
            }
        }
    }
}

/// Reads a request with its body and returns its head; what is no HTTP is read once.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut read = Vec::new();
    loop {
        let mut chunk = [0; 4_096];
        let n = stream.read(&mut chunk).await?;
        read.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let head = text.split_once("\r\n\r\n");
        let is_whole = head.is_some_and(|(head, body)| body.len() >= content_length(head));
        if n == 0 || is_whole || !text.starts_with("POST ") {
            return Ok(text);
        }
    }
}

fn content_length(head: &str) -> usize {
    let head = head.to_ascii_lowercase();
    let value = head.split("\r\ncontent-length: ").nth(1).unwrap_or("0");
    value.lines().next().unwrap_or("0").parse().unwrap()
}

async fn answer(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    until_closed(stream).await
}

async fn until_closed(stream: &mut TcpStream) -> std::io::Result<()> {
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

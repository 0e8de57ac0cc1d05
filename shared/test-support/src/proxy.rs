//! An HTTP proxy that does as a test tells it to, and remembers what it was asked for.

use std::{net::SocketAddr, sync::Arc, thread::JoinHandle};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

const HEAD_MAX_BYTES: usize = 8 * 1024;

/// What a proxy does with a `CONNECT`.
#[derive(Clone, Debug)]
pub enum ProxyConduct {
    /// Connects.
    Connect,
    /// Connects who sends this `proxy-authorization`, and answers 407 to all others.
    ConnectFor(String),
    /// Answers these bytes and closes the connection.
    Answer(&'static [u8]),
    /// Answers nothing, for as long as anybody waits.
    Hang,
}

/// A proxy on a port of the loopback interface, with a thread of its own; stopped when dropped.
#[derive(Debug)]
pub struct HttpProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpProxy {
    /// Starts a proxy.
    ///
    /// # Panics
    /// Panics when it cannot listen.
    #[must_use]
    pub fn start(conduct: ProxyConduct) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
        listener
            .set_nonblocking(true)
            .expect("make a listener non-blocking");
        let address = listener.local_addr().expect("know the proxy's port");
        let heads = Arc::default();
        let kept = Arc::clone(&heads);
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("make the proxy's runtime");
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, conduct, kept) => {}
                        _ = stopped => {}
                    }
                });
            })
            .expect("start the proxy's thread");
        Self {
            address,
            heads,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Returns its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the requests' heads so far, in order.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().clone()
    }
}

impl Drop for HttpProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn accept(
    listener: std::net::TcpListener,
    conduct: ProxyConduct,
    heads: Arc<Mutex<Vec<String>>>,
) {
    let listener = TcpListener::from_std(listener).expect("hand the listener to the runtime");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (conduct, heads) = (conduct.clone(), Arc::clone(&heads));
        // An error is a hang-up.
        tokio::spawn(async move { drop(serve(stream, &conduct, &heads).await) });
    }
}

async fn serve(
    mut client: TcpStream,
    conduct: &ProxyConduct,
    heads: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_MAX_BYTES {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let is_known = match conduct {
        ProxyConduct::ConnectFor(value) => {
            head.contains(&format!("\r\nproxy-authorization: {value}\r\n"))
        }
        ProxyConduct::Connect | ProxyConduct::Answer(_) | ProxyConduct::Hang => true,
    };
    heads.lock().push(head);
    match conduct {
        ProxyConduct::Answer(bytes) => client.write_all(bytes).await,
        ProxyConduct::Hang => client.read_u8().await.map(drop),
        ProxyConduct::ConnectFor(_) if !is_known => {
            let refused =
                b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
            client.write_all(refused).await
        }
        ProxyConduct::Connect | ProxyConduct::ConnectFor(_) => {
            let Ok(mut server) = TcpStream::connect(&target).await else {
                let refused = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
                return client.write_all(refused).await;
            };
            client
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .await?;
            copy_bidirectional(&mut client, &mut server).await.map(drop)
        }
    }
}

//! A way between two processes over TCP that can be cut, silenced and slowed down.

use std::{net::SocketAddr, thread::JoinHandle, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

const CHUNK_BYTES: usize = 64 * 1024;
/// How many chunks may be on the way in one direction; whoever sends more has to wait, as for a full window.
const ON_THE_WAY: usize = 256;

/// What happens to what two processes say to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It arrives.
    Open,
    /// It arrives this much later, in each direction.
    Slow(Duration),
    /// It arrives once the way is open again; connections stay, as when packets are dropped.
    Silent,
    /// Connections are closed, and so is each new one.
    Cut,
}

/// A port of the loopback interface that leads to another, with a thread of its own; closed when dropped.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    condition: watch::Sender<Condition>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    /// Opens a way to an address.
    ///
    /// # Panics
    /// Panics when it cannot listen.
    #[must_use]
    pub fn to(target: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
        listener
            .set_nonblocking(true)
            .expect("make a listener non-blocking");
        let address = listener.local_addr().expect("know the link's port");
        let (condition, seen) = watch::channel(Condition::Open);
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("link".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("make the link's runtime");
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, target, seen) => {}
                        _ = stopped => {}
                    }
                });
            })
            .expect("start the link's thread");
        Self {
            address,
            condition,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Returns the address that leads to the target.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens from now on, also to connections that are open.
    pub fn set(&self, condition: Condition) {
        self.condition.send_replace(condition);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn accept(
    listener: std::net::TcpListener,
    target: SocketAddr,
    condition: watch::Receiver<Condition>,
) {
    let listener = TcpListener::from_std(listener).expect("hand the listener to the runtime");
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(carry(client, target, condition.clone()));
    }
}

/// Carries what both sides say until one ends or the way is cut.
async fn carry(client: TcpStream, target: SocketAddr, condition: watch::Receiver<Condition>) {
    let mut cut = condition.clone();
    let carried = async {
        // A target that is not there hangs up, as it would without the link.
        let Ok(server) = TcpStream::connect(target).await else {
            return;
        };
        drop(client.set_nodelay(true));
        drop(server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::join!(
            carry_one_way(from_client, to_server, condition.clone()),
            carry_one_way(from_server, to_client, condition.clone()),
        );
    };
    tokio::select! {
        () = carried => {}
        _ = cut.wait_for(|condition| *condition == Condition::Cut) => {}
    }
}

async fn carry_one_way(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    condition: watch::Receiver<Condition>,
) {
    let (chunks, arriving) = mpsc::channel(ON_THE_WAY);
    tokio::join!(take_in(from, chunks), hand_out(to, arriving, condition));
}

async fn take_in(mut from: OwnedReadHalf, chunks: mpsc::Sender<(Instant, Bytes)>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let bytes = Bytes::copy_from_slice(&chunk[..length]);
        if chunks.send((Instant::now(), bytes)).await.is_err() {
            return;
        }
    }
}

async fn hand_out(
    mut to: OwnedWriteHalf,
    mut arriving: mpsc::Receiver<(Instant, Bytes)>,
    mut condition: watch::Receiver<Condition>,
) {
    while let Some((at, bytes)) = arriving.recv().await {
        let audible = |condition: &Condition| *condition != Condition::Silent;
        let seen = condition.wait_for(audible).await.map(|seen| *seen);
        let delay = match seen {
            Ok(Condition::Slow(delay)) => delay,
            Ok(Condition::Open | Condition::Silent | Condition::Cut) | Err(_) => Duration::ZERO,
        };
        tokio::time::sleep_until(at + delay).await;
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    // An error means that the other side has gone.
    drop(to.shutdown().await);
}

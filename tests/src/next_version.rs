//! The next version of Posthorn, as far as messages on the broker tell versions apart.
//!
//! A service that reaches the broker through here is one that writes schema 2 and reads 1 and 2: what it sends is
//! rewritten on its way to the broker, what it is sent on its way back. The service itself is the binary that is under
//! test, so no second one has to be built, and what stands on the broker are messages that a real service made.

use std::{net::SocketAddr, thread::JoinHandle};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// How messages of this version begin to say what they are, and those of the next. Both are of one length, which the
/// broker's protocol counts on.
const THIS: &[u8] = b"\"schema\":1";
const NEXT: &[u8] = b"\"schema\":2";

/// A way to the broker for services of the next version, with a thread of its own; stopped when dropped.
#[derive(Debug)]
pub(crate) struct NextVersion {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl NextVersion {
    /// Starts one before the broker on this port of the loopback interface.
    pub(crate) fn start(broker: u16) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
        listener
            .set_nonblocking(true)
            .expect("make a listener non-blocking");
        let address = listener.local_addr().expect("know the listener's port");
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("next version".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("make a runtime");
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, broker) => {}
                        _ = stopped => {}
                    }
                });
            })
            .expect("start a thread");
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Returns its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for NextVersion {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn accept(listener: std::net::TcpListener, broker: u16) {
    let listener = TcpListener::from_std(listener).expect("hand the listener to the runtime");
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        // An error is a hang-up.
        tokio::spawn(async move { drop(serve(client, broker).await) });
    }
}

/// Carries bytes both ways until one side hangs up.
async fn serve(client: TcpStream, broker: u16) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", broker)).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        ended = carry(from_client, to_server, Rewriter::new(THIS, NEXT)) => ended,
        ended = carry(from_server, to_client, Rewriter::new(NEXT, THIS)) => ended,
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut rewriter: Rewriter,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&rewriter.feed(&buffer[..count])).await?;
    }
}

/// Replaces one text by another of its length in a stream of bytes that comes in pieces.
struct Rewriter {
    find: &'static [u8],
    put: &'static [u8],
    /// The end of what came, if it may be the beginning of the text. A whole message of the broker's protocol ends
    /// with a line break, so nothing is held back that anybody waits for.
    held: Vec<u8>,
}

impl Rewriter {
    fn new(find: &'static [u8], put: &'static [u8]) -> Self {
        Self {
            find,
            put,
            held: Vec::new(),
        }
    }

    /// Takes the next piece, and returns what can go on.
    fn feed(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(piece);
        let found: Vec<usize> = memchr::memmem::find_iter(&bytes, self.find).collect();
        for at in found {
            bytes[at..at + self.put.len()].copy_from_slice(self.put);
        }
        let longest = self.find.len() - 1;
        let begun = (1..=longest)
            .rev()
            .find(|length| bytes.ends_with(&self.find[..*length]))
            .unwrap_or(0);
        self.held = bytes.split_off(bytes.len() - begun);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{NEXT, Rewriter, THIS};

    #[test]
    fn a_text_is_replaced_wherever_the_stream_is_cut() {
        let whole = b"HPUB a 1 2\r\n{\"schema\":1,\"a\":\"schem\",\"schema\":1}\r\nPING\r\n";
        let expected = b"HPUB a 1 2\r\n{\"schema\":2,\"a\":\"schem\",\"schema\":2}\r\nPING\r\n";
        for first in 0..whole.len() {
            for second in first..whole.len() {
                let mut rewriter = Rewriter::new(THIS, NEXT);
                let pieces = [&whole[..first], &whole[first..second], &whole[second..]];

                let rewritten: Vec<u8> = pieces
                    .iter()
                    .flat_map(|piece| rewriter.feed(piece))
                    .collect();

                assert_eq!(rewritten, expected, "cut at {first} and {second}");
            }
        }
    }
}

//! A bare relay: a request in, the same request out, no broker and no store. What Posthorn's promises cost is the
//! difference to it.

use std::{net::SocketAddr, thread::JoinHandle};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioIo,
};
use tokio::{net::TcpListener, sync::oneshot};

use super::requests::client;

/// The relay's thread.
pub(super) const THREAD: &str = "floor-relay";

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A relay to one URL, on a thread of its own; stopped when dropped.
#[derive(Debug)]
pub(super) struct Relay {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts it.
    ///
    /// # Errors
    /// Fails when it cannot listen.
    pub(super) fn start(to: &str) -> anyhow::Result<Self> {
        let to: Uri = to.parse()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, to) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Dropping the sender ends the thread's wait; that the thread panicked has been printed.
        drop(self.stop.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn accept(listener: std::net::TcpListener, to: Uri) {
    let listener = TcpListener::from_std(listener).expect("hand the listener to the runtime");
    let client = client();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        // Without it answers wait for the peer's delayed acknowledgement.
        drop(stream.set_nodelay(true));
        let (client, to) = (client.clone(), to.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| relay(client.clone(), to.clone(), request));
            // An error is a hang-up of whoever asks.
            drop(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn relay(
    client: Client<HttpConnector, Full<Bytes>>,
    to: Uri,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Failure> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut onward = Request::new(Full::new(body));
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = to;
    let response = client.request(onward).await?;
    let (parts, body) = response.into_parts();
    body.collect().await?;
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = parts.status;
    Ok(answer)
}

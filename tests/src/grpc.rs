//! A server of gRPC that takes any call, keeps its message, and answers an empty one.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, thread::JoinHandle};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::oneshot};

/// What stands before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// A call: its path, its metadata and its message.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) metadata: HeaderMap,
    pub(crate) message: Bytes,
}

/// A server on a port of the loopback interface, with a thread of its own; stopped when dropped.
#[derive(Debug)]
pub(crate) struct GrpcServer {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl GrpcServer {
    /// Starts a server.
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
        listener.set_nonblocking(true).expect("a socket for tokio");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let calls = Arc::default();
        let (stop, stopped) = oneshot::channel();
        let kept = Arc::clone(&calls);
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().expect("make a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a socket for tokio");
                tokio::select! {
                    () = serve(listener, kept) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            calls,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }
}

impl Drop for GrpcServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, calls: Arc<Mutex<Vec<Call>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let calls = Arc::clone(&calls);
        let service = service_fn(move |request| answer(request, Arc::clone(&calls)));
        let connection = http2::Builder::new(TokioExecutor::new());
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    calls: Arc<Mutex<Vec<Call>>>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let (parts, body) = request.into_parts();
    if let Ok(body) = body.collect().await {
        let framed = body.to_bytes();
        assert_eq!(framed.first(), Some(&0), "the message is compressed");
        calls.lock().push(Call {
            path: parts.uri.path().to_owned(),
            metadata: parts.headers,
            message: framed.slice(PREFIX_BYTES..),
        });
    }
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let empty = Full::new(Bytes::from_static(&[0; PREFIX_BYTES]));
    let body = empty.with_trailers(async move { Some(Ok(trailers)) });
    let mut response = Response::new(body);
    let form = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", form);
    Ok(response)
}

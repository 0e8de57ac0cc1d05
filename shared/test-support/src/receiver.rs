//! A scripted receiver of webhooks: a real HTTP/1.1 server that records what it gets and answers as told.

mod answer;
pub mod script;

use std::{
    error::Error,
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_rustls::TlsAcceptor;

pub use self::answer::Answer;
use crate::eventually;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Method.
    pub method: Method,
    /// Path with its query.
    pub path: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// The certificate that the client showed, in DER.
    pub client_certificate: Option<Vec<u8>>,
    /// When its last byte was read.
    pub at: Instant,
}

impl Received {
    /// Returns a header's value, or the empty string when there is none that is text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Returns the event's id, from `webhook-id`.
    #[must_use]
    pub fn event_id(&self) -> &str {
        self.header("webhook-id")
    }

    /// Returns the attempt's number, from `x-posthorn-attempt`; 0 when it is missing.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.header("x-posthorn-attempt")
            .parse()
            .unwrap_or_default()
    }
}

type Script = Arc<dyn Fn(&Received) -> Answer + Send + Sync>;
type Observer = Arc<dyn Fn(&Parts, &Bytes) -> StatusCode + Send + Sync>;

/// What becomes of the requests: kept and answered by a script, or shown to an observer and forgotten.
#[derive(Clone)]
enum Conduct {
    Scripted {
        script: Script,
        kept: Arc<Mutex<Vec<Received>>>,
    },
    Observed(Observer),
}

/// A server on a port of the loopback interface, with a thread of its own; stopped when dropped.
pub struct Receiver {
    scheme: &'static str,
    address: SocketAddr,
    count: Arc<AtomicU64>,
    kept: Arc<Mutex<Vec<Received>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Receiver")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Receiver {
    /// Starts a receiver that keeps every request and answers by the script.
    ///
    /// # Panics
    /// Panics when it cannot listen.
    pub fn start(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let kept = Arc::default();
        let conduct = Conduct::Scripted {
            script: Arc::new(script),
            kept: Arc::clone(&kept),
        };
        Self::listen(conduct, kept, None)
    }

    /// Starts a receiver that keeps every request and answers by the script, over TLS.
    ///
    /// # Panics
    /// Panics when it cannot listen.
    pub fn start_tls(
        tls: Arc<ServerConfig>,
        script: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let kept = Arc::default();
        let conduct = Conduct::Scripted {
            script: Arc::new(script),
            kept: Arc::clone(&kept),
        };
        Self::listen(conduct, kept, Some(tls))
    }

    /// Starts a receiver that answers at once as the observer says and keeps nothing but the count: for measurements.
    /// The observer runs on the receiver's only thread, so it must be quick.
    ///
    /// # Panics
    /// Panics when it cannot listen.
    pub fn observing(
        observer: impl Fn(&Parts, &Bytes) -> StatusCode + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Conduct::Observed(Arc::new(observer)), Arc::default(), None)
    }

    fn listen(
        conduct: Conduct,
        kept: Arc<Mutex<Vec<Received>>>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
        listener
            .set_nonblocking(true)
            .expect("make a listener non-blocking");
        let address = listener.local_addr().expect("know the receiver's port");
        let count = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let server = Server {
            tls: tls.map(TlsAcceptor::from),
            conduct,
            count: Arc::clone(&count),
        };
        let thread = std::thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || server.run(listener, stopped))
            .expect("start the receiver's thread");
        Self {
            scheme,
            address,
            count,
            kept,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Returns the URL of a path that starts with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Returns the URL of a path under a name that leads to the loopback interface.
    #[must_use]
    pub fn url_of(&self, name: &str, path: &str) -> String {
        format!("{}://{name}:{}{path}", self.scheme, self.address.port())
    }

    /// Returns all requests so far in the order of arrival; none for an observing receiver.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.kept.lock().clone()
    }

    /// Returns the requests that came to one path.
    #[must_use]
    pub fn requests_to(&self, path: &str) -> Vec<Received> {
        self.kept
            .lock()
            .iter()
            .filter(|request| request.path == path)
            .cloned()
            .collect()
    }

    /// Returns how many requests have arrived.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until at least `n` requests have arrived and returns all of them.
    ///
    /// # Panics
    /// Panics when fewer arrive within the bound.
    pub async fn wait_for(&self, n: u64, bound: Duration) -> Vec<Received> {
        eventually(&format!("{n} requests arrive"), bound, async || {
            let count = self.count();
            if count >= n { Ok(()) } else { Err(count) }
        })
        .await;
        self.requests()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Dropping the sender ends the thread's wait; that the thread panicked has been printed.
        drop(self.stop.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

#[derive(Clone)]
struct Server {
    tls: Option<TlsAcceptor>,
    conduct: Conduct,
    count: Arc<AtomicU64>,
}

impl Server {
    fn run(self, listener: std::net::TcpListener, stopped: oneshot::Receiver<()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("make the receiver's runtime");
        runtime.block_on(async {
            tokio::select! {
                () = self.accept(listener) => {}
                _ = stopped => {}
            }
        });
    }

    async fn accept(self, listener: std::net::TcpListener) {
        let listener = TcpListener::from_std(listener).expect("hand the listener to the runtime");
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            // Without it answers wait for the peer's delayed acknowledgement.
            drop(stream.set_nodelay(true));
            tokio::spawn(self.clone().serve(stream));
        }
    }

    async fn serve(self, stream: TcpStream) {
        let Some(acceptor) = &self.tls else {
            return self.serve_http(stream, None).await;
        };
        // A handshake that fails is the client's to tell of.
        let Ok(stream) = acceptor.accept(stream).await else {
            return;
        };
        let shown = stream.get_ref().1.peer_certificates();
        let certificate = shown.and_then(|chain| Some(chain.first()?.as_ref().to_vec()));
        self.serve_http(stream, certificate).await;
    }

    async fn serve_http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        certificate: Option<Vec<u8>>,
    ) {
        let service = service_fn(|request| self.answer(request, certificate.clone()));
        // An error is a hang-up, the peer's or a scripted one.
        drop(
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await,
        );
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        certificate: Option<Vec<u8>>,
    ) -> Result<Response<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let mut answer = match &self.conduct {
            Conduct::Observed(observer) => Answer::Reply {
                status: observer(&parts, &body).as_u16(),
                headers: Vec::new(),
                body: Bytes::new(),
            },
            Conduct::Scripted { script, kept } => {
                let received = received(parts, body, certificate);
                let answer = script(&received);
                kept.lock().push(received);
                answer
            }
        };
        self.count.fetch_add(1, Ordering::Relaxed);
        while let Answer::After(pause, next) = answer {
            tokio::time::sleep(pause).await;
            answer = *next;
        }
        match answer {
            Answer::Reply {
                status,
                headers,
                body,
            } => Ok(answer::response(status, &headers, body)),
            Answer::Drop | Answer::After(..) => Err("hang up".into()),
        }
    }
}

fn received(parts: Parts, body: Bytes, client_certificate: Option<Vec<u8>>) -> Received {
    let path = parts
        .uri
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    Received {
        method: parts.method,
        path,
        headers: parts.headers,
        body,
        client_certificate,
        at: Instant::now(),
    }
}

//! A receiver with several endpoints, each of which behaves as told and notes when requests come and go.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::oneshot};

use super::{
    tally::Tally,
    timeline::{Span, Timeline},
};

/// What an endpoint does with its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Conduct {
    /// Answers with a status, after so long.
    Answers(StatusCode, Duration),
    /// Never answers.
    Hangs,
}

impl Conduct {
    pub(crate) const HEALTHY: Self = Self::Answers(StatusCode::NO_CONTENT, Duration::ZERO);
    pub(crate) const FAILING: Self =
        Self::Answers(StatusCode::INTERNAL_SERVER_ERROR, Duration::ZERO);

    pub(crate) const fn slow(pause: Duration) -> Self {
        Self::Answers(StatusCode::NO_CONTENT, pause)
    }

    fn takes(self) -> bool {
        match self {
            Self::Answers(status, _) => status.is_success(),
            Self::Hangs => false,
        }
    }
}

/// One endpoint, with the events of its own name.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) tally: Arc<Tally>,
    conduct: Mutex<Conduct>,
    timeline: Mutex<Timeline>,
    origin: Instant,
}

impl Site {
    pub(crate) fn new(name: &str, conduct: Conduct) -> Arc<Self> {
        Arc::new(Self {
            tally: Arc::new(Tally::new(name, 1)),
            conduct: Mutex::new(conduct),
            timeline: Mutex::default(),
            origin: Instant::now(),
        })
    }

    pub(crate) fn behave(&self, conduct: Conduct) {
        *self.conduct.lock() = conduct;
    }

    /// Returns the time that its timeline counts.
    pub(crate) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Returns a moment as its timeline counts.
    pub(crate) fn moment(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.origin)
    }

    /// Returns what has passed since a moment of its timeline.
    pub(crate) fn since(&self, from: Duration) -> Span {
        Span {
            from,
            to: self.now(),
        }
    }

    pub(crate) fn timeline(&self) -> Timeline {
        self.timeline.lock().clone()
    }

    pub(crate) fn under_way(&self) -> u64 {
        u64::from(self.timeline.lock().under_way())
    }

    /// Takes a request; the guard counts it as under way.
    fn take(self: &Arc<Self>, body: &[u8]) -> (Conduct, UnderWay) {
        let conduct = *self.conduct.lock();
        if conduct.takes() {
            let _always_taken = self.tally.arrived_at(Some(0), body);
        }
        self.timeline.lock().arrived(self.now());
        (conduct, UnderWay(Arc::clone(self)))
    }
}

/// Counts as under way until it is dropped: by the answer, or because whoever asked has hung up.
struct UnderWay(Arc<Site>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.timeline.lock().left(self.0.now());
    }
}

/// A server of endpoints under `/0`, `/1` and so on, on a thread of its own; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Sites {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sites {
    pub(crate) fn serve(sites: &[Arc<Site>]) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
        listener
            .set_nonblocking(true)
            .expect("make a listener non-blocking");
        let address = listener.local_addr().expect("know the receiver's port");
        let sites: Arc<[Arc<Site>]> = sites.into();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("sites".to_owned())
            .spawn(move || run(&sites, listener, stopped))
            .expect("start the receiver's thread");
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Returns the URL of an endpoint.
    pub(crate) fn url(&self, index: usize) -> String {
        format!("http://{}/{index}", self.address)
    }
}

impl Drop for Sites {
    fn drop(&mut self) {
        // Dropping the sender ends the thread's wait; that the thread panicked has been printed.
        drop(self.stop.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn run(sites: &Arc<[Arc<Site>]>, listener: std::net::TcpListener, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("make the receiver's runtime");
    runtime.block_on(async {
        tokio::select! {
            () = accept(sites, listener) => {}
            _ = stopped => {}
        }
    });
}

async fn accept(sites: &Arc<[Arc<Site>]>, listener: std::net::TcpListener) {
    let listener = TcpListener::from_std(listener).expect("hand the listener to the runtime");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        // Without it answers wait for the peer's delayed acknowledgement.
        drop(stream.set_nodelay(true));
        let sites = Arc::clone(sites);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&sites), request));
            // An error is a hang-up of whoever asks.
            drop(
                http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn answer(
    sites: Arc<[Arc<Site>]>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let index = parts.uri.path().strip_prefix('/');
    let index = index.and_then(|digits| digits.parse::<usize>().ok());
    let body = body.collect().await;
    let (Some(site), Ok(body)) = (index.and_then(|index| sites.get(index)), body) else {
        return Ok(status(StatusCode::NOT_FOUND));
    };
    let (conduct, _under_way) = site.take(&body.to_bytes());
    match conduct {
        Conduct::Answers(code, pause) => {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            Ok(status(code))
        }
        Conduct::Hangs => std::future::pending().await,
    }
}

fn status(code: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = code;
    response
}

#[cfg(test)]
mod tests {
    use test_support::{HttpClient, eventually};

    use super::*;

    #[tokio::test]
    async fn requests_are_counted_while_they_are_under_way_and_no_longer() {
        let hanging = Site::new("hanging", Conduct::Hangs);
        let healthy = Site::new("healthy", Conduct::HEALTHY);
        let sites = Sites::serve(&[Arc::clone(&hanging), Arc::clone(&healthy)]);
        let base = sites.url(0);

        let client = HttpClient::new(base.trim_end_matches("/0"));
        let asking = tokio::spawn(async move { client.get("/0").await });
        let bound = Duration::from_secs(20);
        eventually("the request is under way", bound, async || {
            (hanging.under_way() == 1).then_some(()).ok_or("none")
        })
        .await;
        asking.abort();
        eventually("whoever asked has hung up", bound, async || {
            (hanging.under_way() == 0).then_some(()).ok_or("one")
        })
        .await;
        let client = HttpClient::new(base.trim_end_matches("/0"));
        client.get("/1").await.expect(204);

        assert_eq!(hanging.timeline().requests(), 1);
        assert_eq!(hanging.tally.delivered_count(), 0);
        assert_eq!(healthy.timeline().requests(), 1);
    }
}

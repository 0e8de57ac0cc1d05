//! What the process of every service does: telemetry, broker, topology, probes, HTTP, drain.

use std::{future::Future, time::Duration};

use anyhow::Context as _;
use axum::Router;
use config::{Common, Nats};
use jetstream::{
    Broker, Options,
    consumer::{Gate, Pull},
    presence::{Lease, Presence},
    subject::Durable,
    topology,
};
use lifecycle::{Readiness, Shutdown, probes};
use telemetry::{Metrics, Telemetry, Tracer};
use tokio::net::TcpListener;

use crate::{backlog, problem, server, span};

/// How often the connection to the broker is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a service is built from.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The broker, its topology made.
    pub broker: Broker,
    /// Where tasks are started.
    pub shutdown: Shutdown,
    /// What the service waits for before it is ready.
    pub readiness: Readiness,
    /// Where instruments come from.
    pub metrics: Metrics,
    /// Where spans come from.
    pub tracer: Tracer,
}

impl Parts {
    /// Makes the heartbeat of this replica of a service.
    ///
    /// # Errors
    /// When the bucket of heartbeats can't be opened.
    pub async fn presence(&self, service: &str) -> anyhow::Result<Presence> {
        Presence::new(&self.broker, service, &lifecycle::entropy::uuid_v7())
            .await
            .context("open the replicas bucket")
    }

    /// Makes a pull loop on a consumer that ends with this process, and shows how much lies before it.
    #[must_use]
    pub fn pull(&self, durable: Durable, places: usize, gate: Gate) -> Pull {
        let (broker, stop) = (self.broker.clone(), self.shutdown.draining());
        let watching = backlog::watch(broker, durable, self.metrics.clone(), stop);
        self.shutdown.spawn_infallible("backlog", watching);
        Pull {
            durable,
            places,
            gate,
            draining: self.shutdown.draining(),
            abort: self.shutdown.abort(),
        }
    }

    /// Runs a heartbeat, and makes readiness wait for it; returns the lease, which holds while what
    /// the replica has in memory is up to date.
    pub fn keep_present(&self, what: &'static str, presence: Presence) -> Lease {
        let lease = presence.lease();
        self.shutdown
            .spawn_work(self.readiness.follow(what, lease.changes()));
        self.shutdown
            .spawn_infallible("heartbeat", presence.run(self.shutdown.draining()));
        lease
    }
}

/// Runs a service on its configured address until it is told to stop: `start` starts its tasks and
/// returns its routes.
///
/// # Errors
/// Whatever keeps it from starting, and any task that ended by itself.
pub async fn run<F>(
    service: &'static str,
    common: &Common,
    start: impl FnOnce(Parts) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<Router>>,
{
    let listener = TcpListener::bind(common.listen)
        .await
        .with_context(|| format!("listen on {}", common.listen))?;
    run_on(listener, service, common, start).await
}

/// As [`run`], on a listener that is bound already.
///
/// # Errors
/// As [`run`].
pub async fn run_on<F>(
    listener: TcpListener,
    service: &'static str,
    common: &Common,
    start: impl FnOnce(Parts) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<Router>>,
{
    let log =
        telemetry::init(service, &common.log.filter, common.log.json).context("start the log")?;
    let telemetry = Telemetry::start(service, &common.telemetry).context("start telemetry")?;
    let shutdown = Shutdown::new(common.shutdown_grace);
    let readiness = Readiness::new(shutdown.draining());
    let broker = Broker::connect(&broker_options(&common.nats), service)
        .await
        .context("connect to the broker")?;
    topology::ensure(&broker, &topology_limits(&common.nats))
        .await
        .context("make the topology")?;
    shutdown.spawn_work(follow_connection(&broker, &readiness, &shutdown));
    let parts = Parts {
        broker,
        shutdown: shutdown.clone(),
        readiness,
        metrics: telemetry.metrics(),
        tracer: telemetry.tracer(),
    };
    let own = start(parts.clone()).await?;

    let (rendered, filter) = (parts.metrics.clone(), log.log_filter());
    let shown = filter.clone();
    let probes = probes::router(
        parts.readiness.clone(),
        move || rendered.render(),
        move || shown.current(),
        move |directives| filter.set(directives),
    );
    let address = listener.local_addr().context("read the address")?;
    server::serve(
        listener,
        problem::with_fallbacks(span::watched(own, &parts.tracer, &parts.metrics).merge(probes)),
        &shutdown,
    );
    tracing::info!(service, version = env!("CARGO_PKG_VERSION"), %address, "started");
    let ended = shutdown.run().await;
    telemetry.finish().await;
    ended
}

/// Returns how the broker is connected to.
#[must_use]
pub fn broker_options(nats: &Nats) -> Options {
    Options {
        url: nats.url.clone(),
        credentials: nats.creds.clone(),
        tls_ca: nats.tls_ca.clone(),
        prefix: nats.prefix.clone(),
        replicas: nats.replicas,
    }
}

/// Returns the limits of the topology.
#[must_use]
pub fn topology_limits(nats: &Nats) -> topology::Limits {
    topology::Limits {
        events_max_bytes: nats.events_max_bytes,
        attempts_max_bytes: nats.attempts_max_bytes,
        ..topology::Limits::default()
    }
}

/// Keeps the latch of the broker's connection until the drain.
fn follow_connection(
    broker: &Broker,
    readiness: &Readiness,
    shutdown: &Shutdown,
) -> impl Future<Output = ()> + use<> {
    let latch = readiness.latch("broker");
    let (broker, draining) = (broker.clone(), shutdown.draining());
    async move {
        while !draining.is_cancelled() {
            if broker.is_connected() {
                latch.ready();
            } else {
                latch.not_ready("not connected");
            }
            tokio::select! {
                () = draining.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

//! How a process stops: draining first, then, after a grace period, abort.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[cfg(test)]
mod tests;

/// How long tasks may take to hand back their work once they are told to abort.
const ABORT_PATIENCE: Duration = Duration::from_secs(5);

/// The shutdown of a process, shared by everything that runs in it; cheap to clone.
///
/// A signal, or a task that failed, cancels [`Shutdown::draining`]: no new work is taken. Work in
/// flight may finish within the grace period; then [`Shutdown::abort`] is cancelled and what is
/// left has 5 s to hand back its work. A second signal ends the grace period at once.
#[derive(Debug, Clone)]
pub struct Shutdown {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    grace: Duration,
    draining: CancellationToken,
    abort: CancellationToken,
    tracker: TaskTracker,
    failure: Mutex<Option<anyhow::Error>>,
    signals: Mutex<Option<Signals>>,
}

impl Shutdown {
    /// Makes a shutdown with a grace period.
    ///
    /// Made inside of a runtime, it notices signals from here on, so that one that comes during
    /// start-up isn't lost.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        let signals = tokio::runtime::Handle::try_current()
            .ok()
            .and_then(|_runtime| Signals::listen().ok());
        Self {
            inner: Arc::new(Inner {
                grace,
                draining: CancellationToken::new(),
                abort: CancellationToken::new(),
                tracker: TaskTracker::new(),
                failure: Mutex::new(None),
                signals: Mutex::new(signals),
            }),
        }
    }

    /// Returns the token that is cancelled when no new work may be taken. Whoever cancels it
    /// starts the shutdown.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.inner.draining.clone()
    }

    /// Returns the token that is cancelled when work in flight must be handed back.
    #[must_use]
    pub fn abort(&self) -> CancellationToken {
        self.inner.abort.clone()
    }

    /// Returns the tracker that the shutdown waits for.
    #[must_use]
    pub fn tracker(&self) -> &TaskTracker {
        &self.inner.tracker
    }

    /// Spawns a task that lives as long as the process.
    ///
    /// An error, a panic, or an end before the drain makes the process drain and fail.
    pub fn spawn<F>(&self, name: impl Into<String>, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let fate = Fate {
            shutdown: self.clone(),
            name: name.into(),
            ended: false,
        };
        self.inner
            .tracker
            .spawn(async move { fate.decide(task.await) });
    }

    /// Spawns a task that lives as long as the process and can't fail; its end before the drain, or
    /// a panic, makes the process drain and fail.
    pub fn spawn_infallible<F>(&self, name: impl Into<String>, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(name, async move {
            task.await;
            Ok(())
        });
    }

    /// Spawns a piece of work that the drain waits for and whose end means nothing else.
    pub fn spawn_work<F>(&self, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.inner.tracker.spawn(work);
    }

    /// Waits for a signal, a failed task or a cancelled `draining`; then drains.
    ///
    /// # Errors
    /// The first task that failed, or tasks that were still running 5 s after the abort.
    pub async fn run(&self) -> anyhow::Result<()> {
        let installed = self.inner.signals.lock().take();
        let mut signals = match installed {
            Some(signals) => signals,
            None => Signals::listen().context("install signal handlers")?,
        };
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, "draining"),
            () = self.inner.draining.cancelled() => tracing::info!("draining"),
        }
        self.inner.draining.cancel();
        self.inner.tracker.close();
        let drained = tokio::select! {
            () = self.inner.tracker.wait() => true,
            () = tokio::time::sleep(self.inner.grace) => false,
            name = signals.next() => {
                tracing::warn!(signal = name, "grace period cut short");
                false
            }
        };
        if !drained {
            self.abort_rest().await?;
        }
        self.inner.failure.lock().take().map_or(Ok(()), Err)?;
        tracing::info!("drained");
        Ok(())
    }

    async fn abort_rest(&self) -> anyhow::Result<()> {
        tracing::warn!(
            tasks = self.inner.tracker.len(),
            "handing back what is in flight"
        );
        self.inner.abort.cancel();
        timeout(ABORT_PATIENCE, self.inner.tracker.wait())
            .await
            .map_err(|_elapsed| anyhow::anyhow!("{} tasks did not stop", self.inner.tracker.len()))
    }

    fn fail(&self, failure: anyhow::Error) {
        tracing::error!("{failure:#}");
        self.inner.failure.lock().get_or_insert(failure);
        self.inner.draining.cancel();
    }
}

/// Judges the end of a task; being dropped undecided means that the task panicked.
struct Fate {
    shutdown: Shutdown,
    name: String,
    ended: bool,
}

impl Fate {
    fn decide(mut self, result: anyhow::Result<()>) {
        self.ended = true;
        match result {
            Err(error) => self
                .shutdown
                .fail(error.context(format!("task {}", self.name))),
            Ok(()) if !self.shutdown.inner.draining.is_cancelled() => {
                self.shutdown
                    .fail(anyhow::anyhow!("task {} ended by itself", self.name));
            }
            Ok(()) => {}
        }
    }
}

impl Drop for Fate {
    fn drop(&mut self) {
        if !self.ended {
            self.shutdown
                .fail(anyhow::anyhow!("task {} panicked", self.name));
        }
    }
}

/// The signals that ask a process to stop.
#[derive(Debug)]
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

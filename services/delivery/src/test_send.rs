//! Test sends: admin asks, delivery executes, because only delivery may call out.
//!
//! A test is one attempt with the endpoint's own settings, be it enabled or not. It is recorded like any
//! other, before it is answered; nothing follows from it, and neither breaker nor ladder takes notice.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context as _, anyhow};
use domain::{name::OrganisationId, time::Timestamp};
use jetstream::{
    retry_lane::Cargo,
    test_send::{Answer, Asked, Requests, Sent},
};
use lifecycle::Shutdown;
use parking_lot::Mutex;
use telemetry::trace::{Kind, Origin};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{attempt::Attempted, targets::NoTarget, worker::Worker};

/// How many test sends a replica has under way at most, and of one organisation: who tests an endpoint that hangs
/// keeps nobody else from testing.
const AT_ONCE: usize = 16;
const AT_ONCE_OF_ONE: usize = 4;

/// Begins to listen for test sends, and answers them until the drain.
///
/// # Errors
/// When the broker refuses.
pub(crate) async fn start(worker: &Arc<Worker>, shutdown: &Shutdown) -> anyhow::Result<()> {
    let requests = Requests::listen(&worker.broker)
        .await
        .map_err(|reason| anyhow!(reason))
        .context("listen for test sends")?;
    let serving = serve(requests, Arc::clone(worker), shutdown.clone());
    shutdown.spawn_infallible("test sends", serving);
    Ok(())
}

async fn serve(mut requests: Requests, worker: Arc<Worker>, shutdown: Shutdown) {
    let (draining, abort) = (shutdown.draining(), shutdown.abort());
    let places = Places::new();
    loop {
        let asked = tokio::select! {
            () = draining.cancelled() => break,
            asked = requests.next() => asked,
        };
        let Some(asked) = asked else { break };
        let Some(place) = places.take(&asked.job.organisation) else {
            asked.reply.send(&Answer::Busy).await;
            continue;
        };
        let (worker, abort) = (Arc::clone(&worker), abort.clone());
        shutdown.spawn_work(async move {
            // Of a test that may have been sent nobody says that it was not: the asker waits in vain.
            let answer = tokio::select! {
                answer = execute(&worker, &asked) => answer,
                () = abort.cancelled() => None,
            };
            if let Some(answer) = answer {
                asked.reply.send(&answer).await;
            }
            drop(place);
        });
    }
    requests.stop().await;
}

/// Where test sends are under way.
#[derive(Clone)]
struct Places {
    all: Arc<Semaphore>,
    own: Arc<Mutex<HashMap<OrganisationId, usize>>>,
}

/// A place that is taken until this is dropped.
struct Place {
    _one_of_all: OwnedSemaphorePermit,
    places: Places,
    organisation: OrganisationId,
}

impl Places {
    fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(AT_ONCE)),
            own: Arc::default(),
        }
    }

    fn take(&self, organisation: &OrganisationId) -> Option<Place> {
        let one_of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let mut own = self.own.lock();
        let taken = own.entry(organisation.clone()).or_default();
        if *taken >= AT_ONCE_OF_ONE {
            return None;
        }
        *taken += 1;
        Some(Place {
            _one_of_all: one_of_all,
            places: self.clone(),
            organisation: organisation.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut own = self.places.own.lock();
        if let Some(taken) = own.get_mut(&self.organisation) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                own.remove(&self.organisation);
            }
        }
    }
}

async fn execute(worker: &Worker, asked: &Asked) -> Option<Answer> {
    let Asked { job, .. } = asked;
    let now = Timestamp::from_millis(lifecycle::clock::now_ms());
    let target = match worker.targets.even_disabled(job, now).await {
        Ok(target) => target,
        Err(NoTarget::Never(reason)) => return Some(not_sent(reason.as_str())),
        Err(NoTarget::NotNow(reason)) => {
            tracing::error!(reason, endpoint.id = %job.endpoint, "endpoint can't be used");
            return Some(not_sent(&reason));
        }
    };
    let cargo = Cargo {
        body: asked.body.clone(),
        trace: asked.trace.clone(),
        previous: None,
    };
    let origin = Origin::of(cargo.trace.parent.as_deref());
    let mut span = (worker.tracer).begin(Kind::Consumer, "process test", origin);
    let Attempted { record, .. } = worker.execute(&target, job, &cargo, &mut span).await;
    let sent = Sent::of(&record);
    let stored = worker.recorder.record(record, &span).await;
    stored.ok().map(|()| Answer::Sent(Box::new(sent)))
}

fn not_sent(reason: &str) -> Answer {
    Answer::NotSent {
        reason: reason.to_owned(),
    }
}

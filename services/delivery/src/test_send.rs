//! Test sends: admin asks, delivery executes, because only delivery may call out.
//!
//! A test is one attempt with the endpoint's own settings, be it enabled or not. It is recorded like any
//! other, before it is answered; nothing follows from it, and neither breaker nor ladder takes notice.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use domain::time::Timestamp;
use jetstream::test_send::{Answer, Asked, Requests, Sent};
use lifecycle::Shutdown;
use tokio::sync::Semaphore;

use crate::{
    attempt::{self, Attempted},
    targets::NoTarget,
    worker::Worker,
};

/// How many test sends a replica has under way at most.
const AT_ONCE: usize = 16;

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
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let asked = tokio::select! {
            () = draining.cancelled() => break,
            asked = requests.next() => asked,
        };
        let Some(asked) = asked else { break };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
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

async fn execute(worker: &Worker, asked: &Asked) -> Option<Answer> {
    let Asked {
        job, body, trace, ..
    } = asked;
    let now = Timestamp::from_millis(lifecycle::clock::now_ms());
    let target = match worker.targets.even_disabled(job, now).await {
        Ok(target) => target,
        Err(NoTarget::Never(reason)) => return Some(not_sent(reason.as_str())),
        Err(NoTarget::NotNow(reason)) => {
            tracing::error!(reason, endpoint.id = %job.endpoint, "endpoint can't be used");
            return Some(not_sent(&reason));
        }
    };
    let under_way = worker.instruments.attempt_begins();
    let Attempted { record, .. } =
        attempt::execute(&worker.sender, &target, job, body, trace).await;
    drop(under_way);
    let sent = Sent::of(&record);
    let stored = worker.recorder.record(record).await;
    stored.ok().map(|()| Answer::Sent(Box::new(sent)))
}

fn not_sent(reason: &str) -> Answer {
    Answer::NotSent {
        reason: reason.to_owned(),
    }
}

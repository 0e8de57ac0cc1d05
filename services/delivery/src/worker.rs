//! One job: attempt → record → what follows → settle, in that order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{
    job::Job,
    retry::{Decision, Reason},
    time::Timestamp,
};
use jetstream::{
    Broker,
    consumer::{Delivery, NEWER_PAUSE, POISON_DELIVERIES, Settlement},
    dead_letter::{Rejection, dead_letter, rejection},
    publisher::{Outgoing, Publisher},
    retry_lane::{self, Cargo, Waiting},
    subject::Durable,
    wire::{self, DecodeError, TraceHeaders},
};
use tokio_util::sync::CancellationToken;

use crate::{
    attempt,
    client::Client,
    metrics::Instruments,
    recorder::Recorder,
    targets::{NoTarget, Targets},
};

/// How long a job waits when what follows from it can't be stored.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a job is parked at first; each further time twice as long, up to ten minutes.
const PARKED: Duration = Duration::from_secs(5);
const PARKED_DOUBLINGS: u32 = 7;
/// How often the crowd on the retry lane is counted.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Delivers jobs.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) broker: Broker,
    pub(crate) publisher: Publisher,
    pub(crate) recorder: Recorder,
    pub(crate) targets: Targets,
    pub(crate) client: Client,
    pub(crate) instruments: Arc<Instruments>,
    pub(crate) crowd: Crowd,
}

impl Worker {
    /// Handles one message of either lane.
    pub(crate) async fn handle(&self, delivery: Delivery) -> Settlement {
        let text = wire::header(delivery.headers.as_ref(), wire::JOB_HEADER).unwrap_or_default();
        let job = match wire::job::decode(text) {
            Ok(job) => job,
            Err(DecodeError::Newer(_)) => return Settlement::NakAfter(NEWER_PAUSE),
            Err(DecodeError::Malformed(reason)) => return self.put_aside(&delivery, &reason).await,
        };
        let cargo = Cargo {
            body: delivery.payload.clone(),
            trace: TraceHeaders::read(delivery.headers.as_ref()),
            previous: Some(text.to_owned()),
        };
        let now = now();
        let remaining = job.remaining(now);
        if !remaining.is_zero() {
            // It came early; a wait of less than the clock's grain would come back at once.
            return Settlement::NakAfter(remaining.max(Duration::from_millis(1)));
        }
        if delivery.deliveries > POISON_DELIVERIES {
            return self.give_up(&job, &cargo, Reason::Poison, None).await;
        }
        self.deliver(job, cargo, now).await
    }

    /// Makes the attempt that is due.
    async fn deliver(&self, job: Job, cargo: Cargo, now: Timestamp) -> Settlement {
        let target = match self.targets.of(&job, now).await {
            Ok(target) => target,
            Err(NoTarget::Never(reason)) => return self.give_up(&job, &cargo, reason, None).await,
            Err(NoTarget::NotNow(reason)) => {
                tracing::error!(reason, endpoint.id = %job.endpoint, "endpoint can't be used");
                return self.park(&job, &cargo).await;
            }
        };
        let under_way = self.instruments.attempt_begins();
        let attempted =
            attempt::execute(&self.client, &target, &job, &cargo.body, &cargo.trace).await;
        drop(under_way);
        self.instruments.attempted(&job, &attempted);
        let decision = target.endpoint.retry_policy.decide(
            target.endpoint.max_retries(),
            job.retry,
            &attempted.outcome,
            lifecycle::entropy::unit(),
        );
        let error = attempted.record.error_message.clone();
        let mut record = attempted.record;
        let due = match decision {
            Decision::RetryAfter(wait) => Some(self::now().after(wait)),
            Decision::Delivered | Decision::DeadLetter(_) => None,
        };
        record.next_attempt_at = due;
        if self.recorder.record(record).await.is_err() {
            // The process is stopping, and the broker hands the job to another one.
            return Settlement::NakAfter(Duration::ZERO);
        }
        match (decision, due) {
            (Decision::Delivered, _) => Settlement::Ack,
            (Decision::RetryAfter(wait), due) => self.put_off(&job, &cargo, wait, due).await,
            (Decision::DeadLetter(reason), _) => {
                self.give_up(&job, &cargo, reason, error.as_deref()).await
            }
        }
    }

    /// Puts the next attempt into its wait, then lets go of this one.
    async fn put_off(
        &self,
        job: &Job,
        cargo: &Cargo,
        wait: Duration,
        due: Option<Timestamp>,
    ) -> Settlement {
        let next = job.next_retry(due.unwrap_or_else(now));
        self.wait(&next, cargo, wait).await
    }

    /// Parks a job that can't be attempted now for want of something of ours: the same attempt, later.
    async fn park(&self, job: &Job, cargo: &Cargo) -> Settlement {
        let wait = PARKED * 2_u32.saturating_pow(job.hold.min(PARKED_DOUBLINGS));
        self.wait(&job.held(now().after(wait)), cargo, wait).await
    }

    /// Stores a job that waits. A broker that refuses its schedule takes it into the retry lane.
    async fn wait(&self, job: &Job, cargo: &Cargo, wait: Duration) -> Settlement {
        let names = &self.broker.names;
        let waiting = retry_lane::choose(wait, self.crowd.count(), self.broker.keeps_schedules());
        let message = retry_lane::message(names, job, cargo, waiting);
        match self.publisher.publish_until_stored(message).await {
            Ok(_) => Settlement::Ack,
            Err(error) => {
                tracing::error!(error = %error, job.id = %job.id, "wait is refused as it is");
                self.finish_with(retry_lane::message(names, job, cargo, Waiting::Nak))
                    .await
            }
        }
    }

    /// Makes a dead letter of the job, then lets go of it.
    async fn give_up(
        &self,
        job: &Job,
        cargo: &Cargo,
        reason: Reason,
        error: Option<&str>,
    ) -> Settlement {
        self.instruments.given_up(reason);
        tracing::info!(
            job.id = %job.id,
            endpoint.id = %job.endpoint,
            attempt.number = job.attempt,
            reason = reason.as_str(),
            "job given up"
        );
        self.finish_with(dead_letter(&self.broker.names, job, cargo, reason, error))
            .await
    }

    /// Puts aside what is no job at all.
    async fn put_aside(&self, delivery: &Delivery, reason: &str) -> Settlement {
        tracing::error!(reason, subject = delivery.subject, "message is no job");
        let rejected = Rejection {
            organisation: None,
            subject: &delivery.subject,
            reason,
            message_id: format!("{}:{}", delivery.subject, delivery.sequence),
            payload: &delivery.payload,
        };
        let limit = self.broker.payload_limit();
        self.finish_with(rejection(&self.broker.names, rejected, limit))
            .await
    }

    /// Stores what follows from a job; only then may the job be acknowledged.
    async fn finish_with(&self, message: Outgoing) -> Settlement {
        match self.publisher.publish_until_stored(message).await {
            Ok(_) => Settlement::Ack,
            Err(error) => {
                tracing::error!(error = %error, "what follows from a job can't be stored");
                Settlement::NakAfter(PAUSE)
            }
        }
    }
}

/// How many jobs wait on the retry lane's consumer, counted every second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crowd(Arc<AtomicU64>);

impl Crowd {
    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts until `stop`.
    pub(crate) async fn watch(self, broker: Broker, stop: CancellationToken) {
        let watching = async {
            loop {
                if let Ok(waiting) = broker.waiting(Durable::DeliveryRetries).await {
                    self.0.store(waiting, Ordering::Relaxed);
                }
                tokio::time::sleep(COUNT_EVERY).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = watching => {}
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(lifecycle::clock::now_ms())
}

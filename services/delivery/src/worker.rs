//! One job: admission → attempt → record → what follows → settle, in that order.
//!
//! The endpoint's health is told of the attempt before its record is stored: a breaker must not stay shut
//! for as long as a record waits for company. A crash in between repeats the attempt.

use std::{borrow::Cow, sync::Arc, time::Duration};

use domain::{
    dispatch::{self, Follow, Step},
    flow::Parked,
    job::Job,
    job_state::{JobState, StateRecord},
    outcome::ErrorKind,
    retry::Reason,
    time::Timestamp,
};
use jetstream::{
    Broker,
    consumer::{Delivery, NEWER_PAUSE, Settlement},
    dead_letter::{Rejection, dead_letter, rejection},
    publisher::{Outgoing, Publisher},
    retry_lane::{self, Cargo, Waiting},
    subject::Durable,
    wire::{self, DecodeError, TraceHeaders},
};
use telemetry::{
    KeyValue, Tracer, attribute,
    trace::{Origin, Span},
};

use crate::{
    attempt::{self, Attempted},
    crowd::Crowd,
    health::{Ended, Keeper},
    metrics::Instruments,
    recorder::Recorder,
    sender::Sender,
    spans::{Arrival, Calls},
    targets::{NoTarget, Target, Targets},
    traffic::{Admission, Pass, Traffic},
};

/// How long a job waits when what follows from it can't be stored.
const PAUSE: Duration = Duration::from_secs(5);
/// How long a job is parked at first for want of something of ours; each further time twice as long, up
/// to ten minutes.
const UNUSABLE: Duration = Duration::from_secs(5);
const UNUSABLE_DOUBLINGS: u32 = 7;

/// Delivers jobs.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) broker: Broker,
    pub(crate) publisher: Publisher,
    pub(crate) recorder: Recorder,
    pub(crate) targets: Targets,
    pub(crate) sender: Sender,
    pub(crate) instruments: Arc<Instruments>,
    pub(crate) crowd: Crowd,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) tracer: Tracer,
}

/// A job as it was handed out, and what travels with it.
struct Errand {
    job: Job,
    cargo: Cargo,
    arrival: Arrival,
}

impl Worker {
    /// Handles one message of either lane.
    pub(crate) async fn handle(&self, delivery: Delivery, durable: Durable) -> Settlement {
        let text = wire::header(delivery.headers.as_ref(), wire::JOB_HEADER).unwrap_or_default();
        let job = match wire::job::decode(text) {
            Ok(job) => job,
            Err(DecodeError::Newer(_)) => return Settlement::NakAfter(NEWER_PAUSE),
            Err(DecodeError::Malformed(reason)) => {
                return Box::pin(self.put_aside(&delivery, &reason)).await;
            }
        };
        let step = dispatch::step(&job, now(), delivery.is_poison);
        if let Step::Early(remaining) = step {
            let keeps_schedules = self.broker.keeps_schedules();
            return Settlement::NakAfter(retry_lane::hand_back(remaining, keeps_schedules));
        }
        let errand = Errand {
            job,
            cargo: Cargo {
                body: delivery.payload.clone(),
                trace: TraceHeaders::read(delivery.headers.as_ref()),
                previous: Some(text.to_owned()),
            },
            arrival: Arrival::now(delivery.subject, durable),
        };
        match step {
            Step::Poison => Box::pin(self.leave(&errand, Reason::Poison)).await,
            Step::Due | Step::Early(_) => self.deliver(errand).await,
        }
    }

    /// Makes the attempt that is due, if its endpoint may have it now. The endpoint is looked up each time
    /// anew: what was changed while the job waited for its turn holds.
    async fn deliver(&self, errand: Errand) -> Settlement {
        let job = &errand.job;
        let mut visitor = self.traffic.visitor(job);
        loop {
            let target = match self.targets.of(job, now()).await {
                Ok(target) => target,
                Err(NoTarget::Never(reason)) => {
                    return Box::pin(self.leave(&errand, reason)).await;
                }
                Err(NoTarget::NotNow(reason)) => {
                    tracing::error!(reason, endpoint.id = %job.endpoint, "endpoint can't be used");
                    let wait = UNUSABLE * 2_u32.pow(job.hold.min(UNUSABLE_DOUBLINGS));
                    return Box::pin(self.park(&errand, wait, Parked::Unusable)).await;
                }
            };
            match visitor.ask(&target).await {
                Admission::Start(pass) => return self.attempt(&errand, &target, pass).await,
                Admission::Again => {}
                Admission::Park { wait, why } => {
                    return Box::pin(self.park(&errand, wait, why)).await;
                }
            }
        }
    }

    /// Makes an attempt, records it, and does what follows from it.
    async fn attempt(&self, errand: &Errand, target: &Target, pass: Pass) -> Settlement {
        let Errand {
            job,
            cargo,
            arrival,
        } = errand;
        let mut span = arrival.span(&self.tracer, job, &cargo.trace);
        let Attempted {
            outcome,
            mut record,
        } = self.execute(target, job, cargo, &mut span).await;
        let is_probe = pass.is_probe;
        pass.ended(&outcome);
        self.instruments.attempted(job, &record);
        let (policy, max_retries) = (&target.endpoint.retry_policy, target.endpoint.max_retries());
        let jitter = lifecycle::entropy::unit();
        let follow = dispatch::follow(job, (policy, max_retries), &outcome, now(), jitter);
        self.keeper
            .ended(Ended {
                job,
                target,
                began: record.created_at,
                outcome: &outcome,
                is_gone: follow == Follow::DeadLetter(Reason::Gone),
                is_probe,
            })
            .await;
        if let Follow::Retry(next) = &follow {
            record.next_attempt_at = next.due;
            retried(&mut span, next);
            if let Some(note) = policy.delay_note(job.retry, &outcome) {
                record.error_message = record
                    .error_message
                    .map(|message| format!("{message} ({note})"));
            }
        }
        let error = record.error_message.clone();
        if self.recorder.record(record, &span).await.is_err() {
            // The process is stopping, and the broker hands the job to another one.
            return Settlement::NakAfter(Duration::ZERO);
        }
        match follow {
            Follow::Delivered | Follow::Nothing => Settlement::Ack,
            Follow::Retry(next) => {
                let is_traced = span.is_recorded();
                Box::pin(self.wait(&next, &waiting(cargo, is_traced))).await
            }
            Follow::DeadLetter(reason) => {
                Box::pin(self.give_up(errand, reason, error.as_deref(), &mut span)).await
            }
        }
    }

    /// Makes an attempt, and says in its span what it came to.
    pub(crate) async fn execute(
        &self,
        target: &Target,
        job: &Job,
        cargo: &Cargo,
        span: &mut Span,
    ) -> Attempted {
        let under_way = self.instruments.attempt_begins();
        let state = cargo.trace.state.as_deref();
        let calls = Calls::new(&self.tracer, &self.instruments, span.context(), state);
        let attempted = attempt::execute(&self.sender, target, job, &cargo.body, &calls).await;
        drop(under_way);
        let kind = attempted.record.error_kind.map(ErrorKind::as_str);
        span.set(attribute::ATTEMPT_OUTCOME, kind.unwrap_or("accepted"));
        if let Some(kind) = kind {
            span.fail(kind);
        }
        attempted
    }

    /// Parks a job that can't be attempted now: the same attempt, later.
    async fn park(&self, errand: &Errand, wait: Duration, why: Parked) -> Settlement {
        let Errand { job, cargo, .. } = errand;
        self.instruments.parked(why);
        let next = if wait.is_zero() {
            job.forwarded()
        } else {
            job.held(now().after(wait))
        };
        let is_traced = self
            .tracer
            .would_record(Origin::of(cargo.trace.parent.as_deref()));
        let settlement = self.wait(&next, &parked(cargo, is_traced)).await;
        // What a person wants to see is that it waits, not how often it was looked at.
        let is_first = job.hold == 0 || job.due.is_none();
        if settlement == Settlement::Ack && is_first && !wait.is_zero() {
            let state = state(&next, JobState::Parked, why.as_str(), next.due);
            return self.recorded(state).await;
        }
        settlement
    }

    /// Stores a job that waits. A broker that refuses its schedule takes it into the retry lane.
    async fn wait(&self, job: &Job, cargo: &Cargo) -> Settlement {
        let names = &self.broker.names;
        let wait = job.remaining(now());
        let waiting = retry_lane::choose(wait, self.crowd.count(), self.broker.keeps_schedules());
        if waiting == Waiting::Full {
            tracing::error!(job.id = %job.id, "too many jobs wait on this broker");
            return self.bury(job, cargo, Reason::Backlog, None).await;
        }
        let message = || retry_lane::message(names, job, cargo, waiting);
        match self.publisher.publish_until_stored(message).await {
            Ok(_) => Settlement::Ack,
            Err(error) => {
                tracing::error!(error = %error, job.id = %job.id, "wait is refused as it is");
                self.finish_with(retry_lane::message(names, job, cargo, Waiting::Nak))
                    .await
            }
        }
    }

    /// Gives a job up without an attempt.
    async fn leave(&self, errand: &Errand, reason: Reason) -> Settlement {
        let Errand {
            job,
            cargo,
            arrival,
        } = errand;
        let mut span = arrival.span(&self.tracer, job, &cargo.trace);
        span.fail(reason.as_str());
        self.give_up(errand, reason, None, &mut span).await
    }

    /// Gives a job up, and says so in its span.
    async fn give_up(
        &self,
        errand: &Errand,
        reason: Reason,
        error: Option<&str>,
        span: &mut Span,
    ) -> Settlement {
        span.event("dead-letter", || {
            [KeyValue::new(
                attribute::DEAD_LETTER_REASON,
                reason.as_str(),
            )]
        });
        self.bury(&errand.job, &errand.cargo, reason, error).await
    }

    /// Makes a dead letter of the job, then lets go of it.
    async fn bury(
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
        // A dead letter waits for nobody.
        let letter = dead_letter(&self.broker.names, job, &since(cargo, None), reason, error);
        match self.finish_with(letter).await {
            Settlement::Ack => {
                self.recorded(state(job, JobState::Dead, reason.as_str(), None))
                    .await
            }
            settlement @ Settlement::NakAfter(_) => settlement,
        }
    }

    /// Records a state; only then may the job be acknowledged.
    async fn recorded(&self, state: StateRecord) -> Settlement {
        match self.recorder.state(state).await {
            Ok(()) => Settlement::Ack,
            Err(_dropped) => Settlement::NakAfter(Duration::ZERO),
        }
    }

    /// Puts aside what is no job at all.
    async fn put_aside(&self, delivery: &Delivery, reason: &str) -> Settlement {
        tracing::error!(reason, subject = delivery.subject, "message is no job");
        let rejected = Rejection {
            organisation: None,
            subject: &delivery.subject,
            reason,
            message_id: format!("{}:{}", delivery.subject, delivery.sequence),
            headers: delivery.headers.as_ref(),
            payload: &delivery.payload,
        };
        let limit = self.broker.payload_limit();
        self.finish_with(rejection(&self.broker.names, rejected, limit))
            .await
    }

    /// Stores what follows from a job; only then may the job be acknowledged.
    async fn finish_with(&self, message: Outgoing) -> Settlement {
        let message = || message.clone();
        match self.publisher.publish_until_stored(message).await {
            Ok(_) => Settlement::Ack,
            Err(error) => {
                tracing::error!(error = %error, "what follows from a job can't be stored");
                Settlement::NakAfter(PAUSE)
            }
        }
    }
}

/// Says in an attempt's span that another one follows, and when.
fn retried(span: &mut Span, next: &Job) {
    span.event("retry", || {
        let wait_ms = i64::try_from(next.remaining(now()).as_millis()).unwrap_or(i64::MAX);
        let due = next.due.map_or_else(String::new, |due| due.to_string());
        [
            KeyValue::new(attribute::NEXT_ATTEMPT_IN_MS, wait_ms),
            KeyValue::new(attribute::NEXT_ATTEMPT_AT, due),
        ]
    });
}

/// Returns what travels with a job that begins to wait; of one whose trace is recorded, since when.
fn waiting(cargo: &Cargo, is_traced: bool) -> Cow<'_, Cargo> {
    since(cargo, is_traced.then(now))
}

/// Returns what travels with a job that is parked: if it waited before, it goes on waiting.
fn parked(cargo: &Cargo, is_traced: bool) -> Cow<'_, Cargo> {
    match cargo.trace.waits_since {
        Some(_) => Cow::Borrowed(cargo),
        None => waiting(cargo, is_traced),
    }
}

fn since(cargo: &Cargo, waits_since: Option<Timestamp>) -> Cow<'_, Cargo> {
    if cargo.trace.waits_since == waits_since {
        return Cow::Borrowed(cargo);
    }
    let mut cargo = cargo.clone();
    cargo.trace.waits_since = waits_since;
    Cow::Owned(cargo)
}

/// Makes the record of what happened to a job without an attempt.
fn state(
    job: &Job,
    state: JobState,
    reason: &str,
    next_attempt_at: Option<Timestamp>,
) -> StateRecord {
    StateRecord {
        id: lifecycle::entropy::uuid_v7(),
        organisation_id: job.organisation.clone(),
        webhook_config_id: job.endpoint.clone(),
        job_id: job.id.clone(),
        event_id: job.event.clone(),
        event_category: job.category.clone(),
        event_sub_category: job.name.clone(),
        body_hash: job.body_hash,
        attempt: job.attempt,
        trigger: job.trigger,
        state,
        reason: Some(reason.to_owned()),
        next_attempt_at,
        created_at: now(),
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(lifecycle::clock::now_ms())
}

//! What is done with a job that the broker hands out, and what follows its attempt.

use std::time::Duration;

use crate::{
    job::{Job, Run},
    outcome::Outcome,
    retry::{Decision, Reason, RetryPolicy},
    time::Timestamp,
};

/// The shortest wait that is worth handing a job back for.
const GRAIN: Duration = Duration::from_millis(1);

/// What is done with a job that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It came early, and waits its remainder.
    Early(Duration),
    /// Its handlers did not return, one after the other.
    Poison,
    /// It is due.
    Due,
}

/// What follows an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follow {
    /// Nothing: the event was taken.
    Delivered,
    /// Nothing: it was one attempt that a person asked for, and its record says how it went.
    Nothing,
    /// This job waits for its time.
    Retry(Box<Job>),
    /// The job becomes a dead letter.
    DeadLetter(Reason),
}

/// Decides what is done with a job that was handed out, and that may keep its handlers from returning.
#[must_use]
pub fn step(job: &Job, now: Timestamp, is_poison: bool) -> Step {
    let remaining = job.remaining(now);
    if !remaining.is_zero() {
        Step::Early(remaining.max(GRAIN))
    } else if is_poison {
        Step::Poison
    } else {
        Step::Due
    }
}

/// Decides what follows an attempt of a job that ended at `now`.
#[must_use]
pub fn follow(
    job: &Job,
    (policy, max_retries): (&RetryPolicy, u32),
    outcome: &Outcome,
    now: Timestamp,
    jitter: f64,
) -> Follow {
    match (
        policy.decide(max_retries, job.retry, outcome, jitter),
        job.run,
    ) {
        (Decision::Delivered, _) => Follow::Delivered,
        (_, Run::Once) => Follow::Nothing,
        (_, Run::OnceOrDead) => Follow::DeadLetter(Reason::ManualRetryFailed),
        (Decision::RetryAfter(wait), Run::Policy) => {
            Follow::Retry(Box::new(job.next_retry(now.after(wait))))
        }
        (Decision::DeadLetter(reason), Run::Policy) => Follow::DeadLetter(reason),
    }
}

#[cfg(test)]
mod tests;

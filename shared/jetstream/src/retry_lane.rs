//! How a job waits: decided here only, by the wait, the crowd and the server.
//!
//! A short wait is a delayed NAK: the job is published to the retry lane at once, and whoever gets it
//! too early hands it back for the remainder. That costs nothing while few wait, and ruins the
//! consumer when a million do. So a long wait, and any wait in a crowd, is a scheduled publish, which
//! the broker holds back by itself. Before server 2.14 a SIGKILL loses schedules, so there every wait
//! is a delayed NAK. A NAK of less than 2 s comes back up to 1.6 s late: such a wait is scheduled too.

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use domain::{job::Job, time::Timestamp};

use crate::{
    publisher::Outgoing,
    subject::Names,
    wire::{self, TraceHeaders},
};

/// The shortest wait that a delayed NAK keeps accurately.
const NAK_SHORTEST: Duration = Duration::from_secs(2);
/// The longest wait that is a delayed NAK.
const NAK_LONGEST: Duration = Duration::from_secs(60);
/// How many jobs may wait on the consumer before it is a crowd.
const CROWD: u64 = 5_000;

/// How many jobs may wait on a broker without safe schedules.
const FULL: u64 = 100_000;

/// How long a broker without safe schedules keeps a job before it is looked at again.
const LOOK_WITHOUT_SCHEDULES: Duration = Duration::from_secs(600);

/// How a job waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// In the retry lane, handed back until it is due.
    Nak,
    /// Held back by the broker.
    Schedule,
    /// Not at all: more waiting jobs would ruin the broker.
    Full,
}

/// Decides how a job waits, with `waiting` jobs on the retry lane's consumer, on a broker that keeps
/// schedules or not.
#[must_use]
pub fn choose(wait: Duration, waiting: u64, keeps_schedules: bool) -> Waiting {
    if wait.is_zero() {
        // It adds nothing to the crowd, and a schedule would only hold it up.
        return Waiting::Nak;
    }
    let nak_is_accurate = (NAK_SHORTEST..=NAK_LONGEST).contains(&wait);
    match keeps_schedules {
        false if waiting >= FULL => Waiting::Full,
        false => Waiting::Nak,
        true if nak_is_accurate && waiting < CROWD => Waiting::Nak,
        true => Waiting::Schedule,
    }
}

/// Returns for how long a job that came too early is handed back: what remains, or until another look.
///
/// A clock that was set back for a moment makes hours of seconds, and the broker does not forget what it was told.
#[must_use]
pub fn hand_back(remaining: Duration, keeps_schedules: bool) -> Duration {
    if keeps_schedules {
        remaining.min(NAK_LONGEST)
    } else {
        remaining.min(LOOK_WITHOUT_SCHEDULES)
    }
}

/// What travels with a job besides itself.
#[derive(Debug, Clone)]
pub struct Cargo {
    /// The event's body.
    pub body: Bytes,
    /// The trace context.
    pub trace: TraceHeaders,
    /// The header of the job before, whose unknown fields are kept.
    pub previous: Option<String>,
}

/// Makes the message that puts a job into its wait.
#[must_use]
pub fn message(names: &Names, job: &Job, cargo: &Cargo, waiting: Waiting) -> Outgoing {
    let mut headers = job_headers(job, cargo);
    let subject = match (waiting, job.due) {
        (Waiting::Schedule, Some(due)) => {
            headers.insert("Nats-Schedule", format!("@at {}", rounded_up(due)).as_str());
            headers.insert("Nats-Schedule-Target", names.retry(&job.endpoint).as_str());
            names.scheduled(job)
        }
        (Waiting::Schedule | Waiting::Nak | Waiting::Full, _) => names.retry(&job.endpoint),
    };
    Outgoing {
        subject,
        message_id: job.waiting_id(),
        headers,
        payload: cargo.body.clone(),
    }
}

/// Makes the headers that a job travels with.
#[must_use]
pub fn job_headers(job: &Job, cargo: &Cargo) -> HeaderMap {
    let text = match &cargo.previous {
        Some(previous) => wire::job::encode_next(job, previous),
        None => wire::job::encode(job),
    };
    let mut headers = HeaderMap::new();
    headers.insert(wire::JOB_HEADER, text.as_str());
    cargo.trace.write(&mut headers);
    headers
}

/// Rounds up to a whole second, the grain of the broker's schedules, so that nothing fires early.
fn rounded_up(due: Timestamp) -> Timestamp {
    let millis = due.millis();
    Timestamp::from_millis(millis.saturating_add(999).div_euclid(1_000) * 1_000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Waiting, choose, hand_back};

    #[test]
    fn no_job_is_handed_back_for_longer_than_until_another_look() {
        let check = |seconds, keeps_schedules, expected| {
            let remaining = Duration::from_secs(seconds);
            let expected = Duration::from_secs(expected);
            assert_eq!(hand_back(remaining, keeps_schedules), expected, "{seconds}");
        };
        check(0, true, 0);
        check(5, true, 5);
        check(60, true, 60);
        check(3_605, true, 60);
        check(60, false, 60);
        check(600, false, 600);
        check(86_400, false, 600);
    }

    #[test]
    fn waits_go_where_they_are_kept_best() {
        let check = |seconds: f64, waiting, keeps_schedules, expected| {
            let wait = Duration::from_secs_f64(seconds);
            assert_eq!(
                choose(wait, waiting, keeps_schedules),
                expected,
                "{seconds} {waiting}"
            );
        };
        check(5.0, 0, true, Waiting::Nak);
        check(60.0, 4_999, true, Waiting::Nak);
        check(0.0, 0, true, Waiting::Nak);
        check(0.0, 5_000, true, Waiting::Nak);
        check(0.0, 100_000, false, Waiting::Nak);
        check(1.0, 0, true, Waiting::Schedule);
        check(61.0, 0, true, Waiting::Schedule);
        check(5.0, 5_000, true, Waiting::Schedule);
        check(86_400.0, 99_999, false, Waiting::Nak);
        check(5.0, 100_000, false, Waiting::Full);
    }
}

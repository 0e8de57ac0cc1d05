//! What follows from a job, on its way to the broker.

use std::time::Duration;

use domain::{flow::Parked, job::Job, retry::Reason};
use jetstream::{
    consumer::Settlement,
    dead_letter::dead_letter,
    publisher::Outgoing,
    retry_lane::{self, Waiting},
};

use super::{Doing, Next, Replica, Task, settles};
use crate::{
    broker::PubAck,
    outside::{Mistake, Outside},
};

/// How long the answer of a publish is waited for.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// How long to wait between tries of a publish.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// A message that must be stored before its job may be settled.
#[derive(Debug)]
pub(super) struct Publishing {
    message: Outgoing,
    /// The job in the message.
    next: Job,
    /// Whether it is a dead letter.
    is_letter: bool,
    /// Whether it was published before.
    is_repeated: bool,
}

impl Replica {
    /// Parks a job: the same attempt, later.
    pub(super) fn park(
        &mut self,
        task: &Task,
        (wait, why): (Duration, Parked),
        outside: &mut Outside,
    ) -> Next {
        let now = outside.agenda.now;
        let mut next = if wait.is_zero() {
            task.job.forwarded()
        } else {
            task.job.held(now.after(wait))
        };
        if outside.makes(Mistake::ForgetsHold) {
            next.hold = task.job.hold;
        } else {
            outside.ledger.parks(&task.job, &next);
        }
        outside.tell(|| {
            let id = task.job.waiting_id();
            format!(
                "replica {} parks {id} for {wait:?}: {}",
                self.id,
                why.as_str()
            )
        });
        self.wait(task, &next, outside)
    }

    /// Stores a job that waits.
    pub(super) fn wait(&mut self, task: &Task, next: &Job, outside: &mut Outside) -> Next {
        let wait = next.remaining(outside.agenda.now);
        let setting = outside.setting;
        let waiting = retry_lane::choose(wait, setting.crowd, setting.keeps_schedules);
        if waiting == Waiting::Full {
            return self.give_up(task, next, Reason::Backlog, outside);
        }
        let message = retry_lane::message(&outside.names, next, &task.cargo, waiting);
        publishes(message, next, false)
    }

    /// Makes a dead letter of the job.
    pub(super) fn give_up(
        &mut self,
        task: &Task,
        job: &Job,
        reason: Reason,
        outside: &mut Outside,
    ) -> Next {
        let now = outside.agenda.now;
        outside.ledger.gives_up(job, reason, &outside.broker, now);
        let message = dead_letter(&outside.names, job, &task.cargo, reason, None);
        outside.tell(|| {
            let id = job.waiting_id();
            format!("replica {} gives {id} up: {}", self.id, reason.as_str())
        });
        publishes(message, job, true)
    }

    /// Publishes until it is stored, then settles.
    pub(super) fn published(
        &mut self,
        task: &Task,
        mut publishing: Publishing,
        outside: &mut Outside,
    ) -> Next {
        let was_repeated = std::mem::replace(&mut publishing.is_repeated, true);
        if !outside.broker.is_up {
            if outside.agenda.random.one_in(4) {
                outside.broker.publish_late(publishing.message.clone());
            }
            self.stalls += usize::from(!was_repeated);
            return (Doing::Publishing(publishing), RETRY_PAUSE);
        }
        let answer = outside
            .broker
            .publish(&publishing.message, &mut outside.agenda);
        if outside.is_lost() {
            outside.ledger.stalled(outside.agenda.now);
            outside.tell(|| format!("the answer to {} is lost", publishing.message.message_id));
            self.stalls += usize::from(!was_repeated);
            return (Doing::Publishing(publishing), ANSWERED_WITHIN + RETRY_PAUSE);
        }
        self.stalls -= usize::from(was_repeated);
        if answer == PubAck::Duplicate && !was_repeated {
            outside.ledger.duplicate(&publishing.next);
        }
        if publishing.is_letter {
            outside.ledger.buried(&task.job);
        }
        // The state that is recorded now, if any, may be cut off like everything else.
        let (_, wait) = settles(Settlement::Ack);
        (
            Doing::Settling(Settlement::Ack),
            wait + outside.agenda.random.millis(0, 12),
        )
    }
}

fn publishes(message: Outgoing, next: &Job, is_letter: bool) -> Next {
    let publishing = Publishing {
        message,
        next: next.clone(),
        is_letter,
        is_repeated: false,
    };
    (Doing::Publishing(publishing), Duration::from_millis(1))
}

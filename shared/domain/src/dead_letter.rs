//! Dead letters: which of them are meant, and what becomes of one that is tried again.

use crate::{
    job::{Job, Run},
    name::{EndpointId, EventId, EventName, RequestId},
    retry::Reason,
    time::Timestamp,
};

/// A job that was given up, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place among all dead letters, and its id.
    pub sequence: u64,
    /// The job.
    pub job: Job,
    /// Why it was given up, as a text: a later version may know more reasons.
    pub reason: String,
    /// The last attempt's error, if one was made.
    pub error: Option<String>,
    /// When it was given up.
    pub stored_at: Timestamp,
    /// When it is forgotten; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// Which dead letters are meant: those that satisfy every condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of that endpoint.
    pub endpoint: Option<EndpointId>,
    /// Of that event.
    pub event: Option<EventId>,
    /// Of events with that name.
    pub name: Option<EventName>,
    /// Given up for that reason.
    pub reason: Option<Reason>,
    /// Given up at that time or later.
    pub from: Option<Timestamp>,
    /// Given up at that time or earlier.
    pub to: Option<Timestamp>,
}

impl DeadLetter {
    /// Returns the job as the attempt that a person asks for. A failed one is a dead letter again, unless
    /// `with_retries` starts the policy anew.
    ///
    /// The request is named after the dead letter, so that two who ask for the same at once ask for one
    /// attempt.
    #[must_use]
    pub fn again(&self, highest_recorded: Option<u32>, with_retries: bool) -> Job {
        let run = if with_retries {
            Run::Policy
        } else {
            Run::OnceOrDead
        };
        let attempt = self.next_attempt(highest_recorded);
        self.job.manual(attempt, run, self.request())
    }

    /// Returns the number of the next attempt: one past the last that was made. Its record may not have
    /// reached the store yet, so what the dead letter says counts too.
    fn next_attempt(&self, highest_recorded: Option<u32>) -> u32 {
        let is_made = Reason::from_name(&self.reason).is_none_or(Reason::follows_an_attempt);
        let made = if is_made {
            self.job.attempt
        } else {
            self.job.attempt.saturating_sub(1)
        };
        made.max(highest_recorded.unwrap_or(0)).saturating_add(1)
    }

    fn request(&self) -> RequestId {
        #[expect(
            clippy::expect_used,
            reason = "letters, digits and a hyphen are allowed"
        )]
        RequestId::try_new(&format!("dl-{}", self.sequence)).expect("a number makes a valid id")
    }
}

impl Filter {
    /// Returns whether it has no condition: then it means all, which nobody may mean by leaving it out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether it has no condition but, perhaps, the endpoint.
    #[must_use]
    pub fn is_of_endpoint_only(&self) -> bool {
        *self
            == Self {
                endpoint: self.endpoint.clone(),
                ..Self::default()
            }
    }

    /// Returns whether a dead letter is meant.
    #[must_use]
    pub fn wants(&self, letter: &DeadLetter) -> bool {
        let job = &letter.job;
        is_or_any(self.endpoint.as_ref(), &job.endpoint)
            && is_or_any(self.event.as_ref(), &job.event)
            && is_or_any(self.name.as_ref(), &job.name)
            && (self.reason).is_none_or(|reason| reason.as_str() == letter.reason)
            && self.from.is_none_or(|from| from <= letter.stored_at)
            && !self.ends_before(letter.stored_at)
    }

    /// Returns whether nothing that was given up at that time or later is meant.
    #[must_use]
    pub fn ends_before(&self, time: Timestamp) -> bool {
        self.to.is_some_and(|to| to < time)
    }
}

fn is_or_any<T: PartialEq>(wanted: Option<&T>, found: &T) -> bool {
    wanted.is_none_or(|wanted| wanted == found)
}

#[cfg(test)]
mod tests;

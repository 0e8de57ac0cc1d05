//! The duty to deliver one event to one endpoint, and the two numbers that travel with it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    attempt::{AttemptRecord, Trigger},
    content::Content,
    event::{BodyHash, Event},
    matching::Match,
    name::{EndpointId, EventId, EventName, JobId, OrganisationId, RequestId},
    time::Timestamp,
};

/// How many shards the subjects of jobs have.
pub const SHARDS: u8 = 64;

/// What a failed attempt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Run {
    /// What the endpoint's retry policy says.
    #[default]
    Policy,
    /// Nothing: a person asked for this one attempt.
    Once,
    /// The dead letter that the job was: a person asked for one attempt of it.
    OnceOrDead,
}

/// A delivery job; its event's body travels beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The job's id.
    pub id: JobId,
    /// The organisation of event and endpoint.
    pub organisation: OrganisationId,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The revision of the endpoint's config that fan-out matched.
    pub revision: u64,
    /// The event.
    pub event: EventId,
    /// The event's name.
    pub name: EventName,
    /// The event's category.
    pub category: Option<String>,
    /// The headers that travel with the event's body.
    pub content: Content,
    /// Which body it is.
    pub body_hash: BodyHash,
    /// When the event was accepted.
    pub accepted_at: Timestamp,
    /// The number of the attempt to be made, from 1: for people and records.
    pub attempt: u32,
    /// Automatic retries used up in this run, from 0: for the policy.
    pub retry: u32,
    /// How often this attempt was put off or parked, from 0.
    pub hold: u32,
    /// When the attempt is due; `None` is at once.
    pub due: Option<Timestamp>,
    /// What causes the attempt.
    pub trigger: Trigger,
    /// What a failure leads to.
    pub run: Run,
    /// The request that asked for this run, if a person did.
    pub request: Option<RequestId>,
}

impl Job {
    /// Makes the first job of an event for an endpoint that matched it.
    #[must_use]
    pub fn first(
        event: &Event,
        body_hash: BodyHash,
        found: &Match,
        accepted_at: Timestamp,
    ) -> Self {
        Self {
            id: JobId::of(&event.id, &found.endpoint),
            organisation: event.organisation.clone(),
            endpoint: found.endpoint.clone(),
            revision: found.revision,
            event: event.id.clone(),
            name: event.name.clone(),
            category: event.category.clone(),
            content: event.content.clone(),
            body_hash,
            accepted_at,
            attempt: 1,
            retry: 0,
            hold: 0,
            due: None,
            trigger: Trigger::Auto,
            run: Run::Policy,
            request: None,
        }
    }

    /// Returns the job that an attempt belonged to, as its record tells it, for an endpoint of that
    /// revision. The archive knows when the event was accepted, and what travels with its body.
    #[must_use]
    pub fn of_record(
        record: &AttemptRecord,
        revision: u64,
        accepted_at: Timestamp,
        content: Content,
    ) -> Self {
        Self {
            id: record.job_id.clone(),
            organisation: record.organisation_id.clone(),
            endpoint: record.webhook_config_id.clone(),
            revision,
            event: record.event_id.clone(),
            name: record.event_sub_category.clone(),
            category: record.event_category.clone(),
            content,
            body_hash: record.body_hash,
            accepted_at,
            attempt: record.attempt,
            retry: 0,
            hold: 0,
            due: None,
            trigger: record.trigger,
            run: Run::Policy,
            request: None,
        }
    }

    /// Returns the job as one attempt that a person asked for, due at once. With [`Run::Policy`] the
    /// policy starts anew, its numbers go on.
    #[must_use]
    pub fn manual(&self, attempt: u32, run: Run, request: RequestId) -> Self {
        Self {
            attempt,
            retry: 0,
            hold: 0,
            due: None,
            trigger: Trigger::Manual,
            run,
            request: Some(request),
            ..self.clone()
        }
    }

    /// Makes the job's next automatic retry.
    #[must_use]
    pub fn next_retry(&self, due: Timestamp) -> Self {
        Self {
            attempt: self.attempt.saturating_add(1),
            retry: self.retry.saturating_add(1),
            hold: 0,
            due: Some(due),
            trigger: Trigger::Retry,
            ..self.clone()
        }
    }

    /// Returns the same attempt, put off until `due`.
    #[must_use]
    pub fn held(&self, due: Timestamp) -> Self {
        Self {
            hold: self.hold.saturating_add(1),
            due: Some(due),
            ..self.clone()
        }
    }

    /// Returns the same attempt, on its way to another replica.
    #[must_use]
    pub fn forwarded(&self) -> Self {
        Self {
            hold: self.hold.saturating_add(1),
            ..self.clone()
        }
    }

    /// Returns how long the job still has to wait; zero when it is due.
    #[must_use]
    pub fn remaining(&self, now: Timestamp) -> Duration {
        self.due.map_or(Duration::ZERO, |due| due.since(now))
    }

    /// Returns the id of the run that the attempt belongs to: the job's, with `:m:<request id>` behind
    /// it if a person asked for it. An automatic run and an asked one may be alive at once under the
    /// same numbers; the broker must not take one for the other.
    #[must_use]
    pub fn run_id(&self) -> String {
        match &self.request {
            None => self.id.as_str().to_owned(),
            Some(request) => format!("{}:m:{request}", self.id),
        }
    }

    /// Returns the id under which the broker knows this attempt while it waits:
    /// `<run id>:<attempt>:<hold>`.
    #[must_use]
    pub fn waiting_id(&self) -> String {
        format!("{}:{}:{}", self.run_id(), self.attempt, self.hold)
    }
}

/// Returns the shard of an endpoint's jobs, the same in every process and version.
#[must_use]
pub fn shard(endpoint: &EndpointId) -> u8 {
    // FNV-1a, 64 bit.
    let hash = endpoint
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    u8::try_from(hash % u64::from(SHARDS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::{Job, Run, shard};
    use crate::{
        attempt::Trigger, event::Event, matching::Match, name::EndpointId, time::Timestamp,
    };

    #[test]
    fn a_retry_counts_both_numbers_up_and_starts_a_new_hold() {
        let mut first = job();
        first.hold = 3;

        let next = first.next_retry(Timestamp::from_millis(6_000));

        assert_eq!(
            (next.attempt, next.retry, next.hold, next.trigger),
            (2, 1, 0, Trigger::Retry)
        );
        assert_eq!(next.waiting_id(), "evt-1:ep_1:2:0");
        assert_eq!(
            next.remaining(Timestamp::from_millis(1_000)),
            Duration::from_secs(5)
        );
        assert_eq!(
            next.remaining(Timestamp::from_millis(9_000)),
            Duration::ZERO
        );
    }

    #[test]
    fn a_hold_leaves_both_numbers_alone() {
        let held = job().held(Timestamp::from_millis(6_000));

        assert_eq!((held.attempt, held.retry, held.hold), (1, 0, 1));
        assert_eq!(held.waiting_id(), "evt-1:ep_1:1:1");
        assert_eq!(held.trigger, Trigger::Auto);
    }

    #[test]
    fn a_manual_attempt_is_numbered_as_asked_and_due_at_once() {
        let asked = job().next_retry(Timestamp::from_millis(6_000)).manual(
            7,
            Run::Once,
            "r1".parse().unwrap(),
        );

        assert_eq!((asked.attempt, asked.retry, asked.due), (7, 0, None));
        assert_eq!((asked.trigger, asked.run), (Trigger::Manual, Run::Once));
        assert_eq!(asked.waiting_id(), "evt-1:ep_1:m:r1:7:0");
    }

    #[test]
    fn the_same_event_and_endpoint_make_the_same_job() {
        assert_eq!(job(), job());
        assert_eq!(job().id.as_str(), "evt-1:ep_1");
    }

    #[test]
    fn shards_are_stable_and_spread() {
        let of = |text: &str| shard(&EndpointId::try_new(text).unwrap());
        let mut seen = [0_u32; 64];
        for n in 0..6_400 {
            seen[usize::from(of(&format!("ep_{n}")))] += 1;
        }

        assert_eq!(of("ep_1"), of("ep_1"));
        assert!(
            seen.iter().all(|count| (50..200).contains(count)),
            "{seen:?}"
        );
    }

    fn job() -> Job {
        let body = Bytes::from_static(b"{\"id\":\"evt-1\",\"eventSubCategory\":\"a\"}");
        let at = Timestamp::from_millis(1_000);
        let event = Event::read(&"acme".parse().unwrap(), &body, at, 1_000).unwrap();
        let found = Match {
            endpoint: "ep_1".parse().unwrap(),
            revision: 7,
        };
        Job::first(&event, event.body_hash(), &found, at)
    }
}

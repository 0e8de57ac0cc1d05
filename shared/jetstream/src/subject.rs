//! The names of subjects, streams, consumers and buckets. Nobody else writes one.

use domain::{
    job::shard,
    name::{EndpointId, EventName, OrganisationId},
};

/// The names of one installation, all under its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    prefix: String,
}

/// The streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Accepted events.
    Events,
    /// First attempts.
    Jobs,
    /// Attempts that wait.
    Retries,
    /// Records of attempts.
    Attempts,
    /// Jobs that were given up.
    Dead,
    /// Messages that are no events.
    Rejected,
    /// Signals about endpoints.
    Signals,
}

impl Stream {
    /// All streams.
    pub const ALL: [Self; 7] = [
        Self::Events,
        Self::Jobs,
        Self::Retries,
        Self::Attempts,
        Self::Dead,
        Self::Rejected,
        Self::Signals,
    ];

    /// Returns what the stream is called behind the prefix of an installation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "EVENTS",
            Self::Jobs => "JOBS",
            Self::Retries => "RETRIES",
            Self::Attempts => "ATTEMPTS",
            Self::Dead => "DEAD",
            Self::Rejected => "REJECTED",
            Self::Signals => "SIGNALS",
        }
    }
}

/// The durable consumers, with the names that they bear on the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durable {
    /// Fan-out, on events.
    FanOut,
    /// The log writer's archive of event bodies, on events.
    EventArchive,
    /// Delivery of first attempts, on jobs.
    Delivery,
    /// Delivery of waiting attempts, on retries.
    DeliveryRetries,
    /// The log writer, on attempts.
    LogWriter,
}

impl Durable {
    /// All durable consumers.
    pub const ALL: [Self; 5] = [
        Self::FanOut,
        Self::EventArchive,
        Self::Delivery,
        Self::DeliveryRetries,
        Self::LogWriter,
    ];

    /// Returns the name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out",
            Self::EventArchive => "event-archive",
            Self::Delivery => "delivery",
            Self::DeliveryRetries => "delivery-retries",
            Self::LogWriter => "log-writer",
        }
    }

    /// Returns the stream that it reads.
    #[must_use]
    pub fn stream(self) -> Stream {
        match self {
            Self::FanOut | Self::EventArchive => Stream::Events,
            Self::Delivery => Stream::Jobs,
            Self::DeliveryRetries => Stream::Retries,
            Self::LogWriter => Stream::Attempts,
        }
    }
}

/// The key-value buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// Endpoints, the source of truth of webhook configs.
    Endpoints,
    /// Tokens, under their hashes.
    Tokens,
    /// The health of endpoints.
    Health,
    /// The catalogue of event types.
    EventTypes,
    /// Which replicas live, and what they hold in memory.
    Replicas,
    /// Replays, with how far they are.
    Replays,
    /// Erasures, with how far they are.
    Erasures,
    /// The settings of organisations.
    Organisations,
    /// Notes about messages that keep their handlers from returning.
    Suspects,
}

impl Bucket {
    /// All buckets.
    pub const ALL: [Self; 9] = [
        Self::Endpoints,
        Self::Tokens,
        Self::Health,
        Self::EventTypes,
        Self::Replicas,
        Self::Replays,
        Self::Erasures,
        Self::Organisations,
        Self::Suspects,
    ];

    fn suffix(self) -> &'static str {
        match self {
            Self::Endpoints => "endpoints",
            Self::Tokens => "tokens",
            Self::Health => "health",
            Self::EventTypes => "event_types",
            Self::Replicas => "replicas",
            Self::Replays => "replays",
            Self::Erasures => "erasures",
            Self::Organisations => "organisations",
            Self::Suspects => "suspects",
        }
    }
}

impl Names {
    /// Makes the names under a prefix of `[a-z0-9-]`.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// Returns a stream's name, such as `posthorn_EVENTS`.
    #[must_use]
    pub fn stream(&self, stream: Stream) -> String {
        format!("{}_{}", self.prefix, stream.name())
    }

    /// Returns a bucket's name, such as `posthorn_endpoints`.
    #[must_use]
    pub fn bucket(&self, bucket: Bucket) -> String {
        format!("{}_{}", self.prefix, bucket.suffix())
    }

    /// Returns the subjects that a stream takes.
    #[must_use]
    pub fn subjects(&self, stream: Stream) -> Vec<String> {
        let tails: &[&str] = match stream {
            Stream::Events => &["events.*.>"],
            Stream::Jobs => &["jobs.*"],
            Stream::Retries => &["retries.*", "scheduled.>"],
            Stream::Attempts => &["attempts"],
            Stream::Dead => &["dead.*.*"],
            Stream::Rejected => &["rejected.*"],
            Stream::Signals => &["signals.*.*"],
        };
        tails
            .iter()
            .map(|tail| format!("{}.{tail}", self.prefix))
            .collect()
    }

    /// Returns the subject that a consumer is limited to, if it is.
    #[must_use]
    pub fn filter(&self, durable: Durable) -> Option<String> {
        match durable {
            // Nothing consumes what is scheduled: the broker itself turns it into a retry.
            Durable::DeliveryRetries => Some(format!("{}.retries.*", self.prefix)),
            Durable::FanOut | Durable::EventArchive | Durable::Delivery | Durable::LogWriter => {
                None
            }
        }
    }

    /// Returns the subject of an event.
    #[must_use]
    pub fn event(&self, organisation: &OrganisationId, name: &EventName) -> String {
        format!("{}.events.{organisation}.{name}", self.prefix)
    }

    /// Returns the subjects of an organisation's events.
    #[must_use]
    pub fn all_events(&self, organisation: &OrganisationId) -> String {
        format!("{}.events.{organisation}.>", self.prefix)
    }

    /// Returns organisation and event name of an event's subject, unchecked.
    #[must_use]
    pub fn parse_event<'a>(&self, subject: &'a str) -> Option<(&'a str, &'a str)> {
        subject
            .strip_prefix(&self.prefix)?
            .strip_prefix(".events.")?
            .split_once('.')
    }

    /// Returns the subject of an endpoint's jobs.
    #[must_use]
    pub fn job(&self, endpoint: &EndpointId) -> String {
        format!("{}.jobs.{}", self.prefix, shard(endpoint))
    }

    /// Returns the subject of an endpoint's waiting attempts.
    #[must_use]
    pub fn retry(&self, endpoint: &EndpointId) -> String {
        format!("{}.retries.{}", self.prefix, shard(endpoint))
    }

    /// Returns the subject that holds one schedule: one per job, attempt and hold, because a second
    /// publish there would replace the first.
    #[must_use]
    pub fn scheduled(&self, job: &domain::job::Job) -> String {
        format!(
            "{}.scheduled.{}.{}.{}.{}",
            self.prefix,
            shard(&job.endpoint),
            job.run_id(),
            job.attempt,
            job.hold
        )
    }

    /// Returns the subjects of all schedules.
    #[must_use]
    pub fn all_scheduled(&self) -> String {
        format!("{}.scheduled.>", self.prefix)
    }

    /// Returns the subject of attempt records.
    #[must_use]
    pub fn attempts(&self) -> String {
        format!("{}.attempts", self.prefix)
    }

    /// Returns the subject of an endpoint's dead letters.
    #[must_use]
    pub fn dead(&self, organisation: &OrganisationId, endpoint: &EndpointId) -> String {
        format!("{}.dead.{organisation}.{endpoint}", self.prefix)
    }

    /// Returns the subjects of an organisation's dead letters.
    #[must_use]
    pub fn all_dead(&self, organisation: &OrganisationId) -> String {
        format!("{}.dead.{organisation}.*", self.prefix)
    }

    /// Returns the subject of a signal about one of an organisation's endpoints.
    #[must_use]
    pub fn signal(&self, organisation: &OrganisationId, kind: &str) -> String {
        format!("{}.signals.{organisation}.{kind}", self.prefix)
    }

    /// Returns the subject on which delivery is asked for a test send; no stream takes it.
    #[must_use]
    pub fn test_send(&self) -> String {
        format!("{}.test-send", self.prefix)
    }

    /// Returns the subject of what an organisation sent and is no event; without a valid
    /// organisation it is `~`, which no organisation can be called.
    #[must_use]
    pub fn rejected(&self, organisation: Option<&OrganisationId>) -> String {
        let organisation = organisation.map_or("~", |organisation| organisation.as_str());
        format!("{}.rejected.{organisation}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Durable, Names, Stream};

    #[test]
    fn an_event_subject_leads_back_to_its_parts() {
        let names = Names::new("posthorn");
        let subject = names.event(&"acme".parse().unwrap(), &"reward.earned".parse().unwrap());

        assert_eq!(subject, "posthorn.events.acme.reward.earned");
        assert_eq!(names.parse_event(&subject), Some(("acme", "reward.earned")));
        assert_eq!(names.parse_event("posthorn.jobs.1"), None);
        assert_eq!(names.parse_event("other.events.acme.a"), None);
    }

    #[test]
    fn names_stand_under_their_prefix() {
        let names = Names::new("blue");

        assert_eq!(names.stream(Stream::Dead), "blue_DEAD");
        assert_eq!(names.bucket(Bucket::EventTypes), "blue_event_types");
        assert_eq!(
            names.filter(Durable::DeliveryRetries).as_deref(),
            Some("blue.retries.*")
        );
        assert_eq!(names.rejected(None), "blue.rejected.~");
        for stream in Stream::ALL {
            assert!(
                names
                    .subjects(stream)
                    .iter()
                    .all(|subject| subject.starts_with("blue."))
            );
        }
    }
}

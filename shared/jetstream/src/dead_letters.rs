//! Reading, retrying and deleting dead letters, which stay on their stream until they expire.
//!
//! They are read one after the other by direct get, the oldest first: the broker leads from one message
//! of a subject to the next one, and has no way back.

use async_nats::jetstream::{
    message::StreamMessage,
    stream::{DirectGetError, DirectGetErrorKind, Stream as Handle},
};
use domain::{
    dead_letter::DeadLetter,
    job::Job,
    name::{EndpointId, OrganisationId},
    time::Timestamp,
};
use futures::TryStreamExt as _;

use crate::{
    connection::Broker,
    patience::patiently,
    publisher::Outgoing,
    retry_lane::{self, Cargo, Waiting},
    subject::{Names, Stream},
    wire::{self, TraceHeaders},
};

/// The broker does not answer, or refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dead letters can't be reached: {0}")]
pub struct Unavailable(String);

/// The dead letters on the broker, their retention as it was when they were opened.
#[derive(Debug)]
pub struct DeadLetters {
    names: Names,
    stream: Handle,
}

/// A dead letter with what travels beside its job.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The dead letter.
    pub dead: DeadLetter,
    /// The event's body and the trace context.
    pub cargo: Cargo,
}

/// A message on the stream of dead letters.
#[derive(Debug)]
pub struct Found {
    /// Its sequence.
    pub sequence: u64,
    /// The bytes of its payload.
    pub bytes: usize,
    /// The dead letter; `None` if only another version can read it.
    pub letter: Option<Letter>,
}

impl DeadLetters {
    /// Opens the dead letters.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn open(broker: &Broker) -> Result<Self, Unavailable> {
        let name = broker.names.stream(Stream::Dead);
        let stream = patiently(&name, || broker.context.get_stream(&name))
            .await
            .map_err(unavailable)?;
        Ok(Self {
            names: broker.names.clone(),
            stream,
        })
    }

    /// Returns the sequence of the last dead letter of anybody when they were opened.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.stream.cached_info().state.last_sequence
    }

    /// Returns how many dead letters an organisation has, or one of its endpoints.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn count(
        &self,
        organisation: &OrganisationId,
        endpoint: Option<&EndpointId>,
    ) -> Result<u64, Unavailable> {
        let subjects = self.subjects(organisation, endpoint);
        let mut counts = (self.stream.info_with_subjects(subjects).await).map_err(unavailable)?;
        let mut total = 0_u64;
        while let Some((_, count)) = counts.try_next().await.map_err(unavailable)? {
            total = total.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(total)
    }

    /// Returns the oldest dead letter of an organisation, or of one of its endpoints, whose sequence is
    /// at least `from`.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn next(
        &self,
        organisation: &OrganisationId,
        endpoint: Option<&EndpointId>,
        from: u64,
    ) -> Result<Option<Found>, Unavailable> {
        let subjects = self.subjects(organisation, endpoint);
        let next = self
            .stream
            .direct_get_next_for_subject(subjects, Some(from.max(1)));
        let Some(message) = found(next.await)? else {
            return Ok(None);
        };
        Ok(Some(Found {
            sequence: message.sequence,
            bytes: message.payload.len(),
            letter: self.read(message),
        }))
    }

    /// Returns a dead letter of an organisation; another organisation's is not there.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn get(
        &self,
        organisation: &OrganisationId,
        sequence: u64,
    ) -> Result<Option<Letter>, Unavailable> {
        let message = found(self.stream.direct_get(sequence).await)?;
        let letter = message.and_then(|message| self.read(message));
        Ok(letter.filter(|letter| letter.dead.job.organisation == *organisation))
    }

    /// Deletes a dead letter; returns whether it was there.
    ///
    /// # Errors
    /// [`Unavailable`]; it may be deleted all the same.
    pub async fn delete(&self, letter: &DeadLetter) -> Result<bool, Unavailable> {
        match self.stream.delete_message(letter.sequence).await {
            Ok(deleted) => Ok(deleted),
            // One that is gone is refused with no code of its own.
            Err(error) => match found(self.stream.direct_get(letter.sequence).await)? {
                None => Ok(false),
                Some(_) => Err(unavailable(error)),
            },
        }
    }

    fn subjects(&self, organisation: &OrganisationId, endpoint: Option<&EndpointId>) -> String {
        match endpoint {
            Some(endpoint) => self.names.dead(organisation, endpoint),
            None => self.names.all_dead(organisation),
        }
    }

    /// Reads a message; `None` if only another version can.
    fn read(&self, message: StreamMessage) -> Option<Letter> {
        let header = |name| wire::header(Some(&message.headers), name);
        let text = header(wire::JOB_HEADER).unwrap_or_default();
        let job = self.job(&message, text)?;
        let stored_at = timestamp(&message);
        let max_age = self.stream.cached_info().config.max_age;
        let dead = DeadLetter {
            sequence: message.sequence,
            job,
            reason: header(wire::REASON_HEADER).unwrap_or_default().to_owned(),
            error: header(wire::ERROR_HEADER).map(str::to_owned),
            stored_at,
            expires_at: (!max_age.is_zero()).then(|| stored_at.after(max_age)),
        };
        let cargo = Cargo {
            trace: TraceHeaders::read(Some(&message.headers)),
            previous: Some(text.to_owned()),
            body: message.payload,
        };
        Some(Letter { dead, cargo })
    }

    /// Reads a message's job. Whose it is the subject says, and the job must say the same.
    fn job(&self, message: &StreamMessage, text: &str) -> Option<Job> {
        let sequence = message.sequence;
        match wire::job::decode(text) {
            Ok(job) => {
                let own = self.names.dead(&job.organisation, &job.endpoint);
                let is_own = message.subject.as_str() == own;
                if !is_own {
                    tracing::error!(sequence, "dead letter stands under another's subject");
                }
                is_own.then_some(job)
            }
            Err(error) => {
                tracing::warn!(error = %error, sequence, "dead letter is not readable");
                None
            }
        }
    }
}

/// Makes the message of an attempt that a person asks for. The same request makes the same id, whatever
/// number its attempt has, so that the broker stores one of two that come at once.
#[must_use]
pub fn asked(names: &Names, job: &Job, cargo: &Cargo) -> Outgoing {
    Outgoing {
        message_id: job.run_id(),
        ..retry_lane::message(names, job, cargo, Waiting::Nak)
    }
}

fn found(got: Result<StreamMessage, DirectGetError>) -> Result<Option<StreamMessage>, Unavailable> {
    match got {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
        Err(error) => Err(unavailable(error)),
    }
}

fn timestamp(message: &StreamMessage) -> Timestamp {
    let millis = message.time.unix_timestamp_nanos().div_euclid(1_000_000);
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(0))
}

fn unavailable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable(error.to_string())
}

//! Attempts that people ask for: of a dead letter, of a log record, or as a test.
//!
//! The order is effect, settle: the attempt is stored in the retry lane, then its dead letter is deleted.
//! A crash in between leaves the dead letter; who asks again within the broker's deduplication window asks
//! for the same attempt.

mod bulk;
mod refusal;
mod walk;

use std::{collections::HashSet, sync::Arc, time::Duration};

use attempt_store::{ArchivedEvent, AttemptStore};
use domain::{
    attempt::{AttemptRecord, Trigger},
    job::{Job, Run},
    name::{EndpointId, JobId, OrganisationId, RequestId},
    trace::TraceParent,
};
use http_api::host::Parts;
use jetstream::{
    Broker,
    dead_letters::{DeadLetters, Letter, asked},
    endpoint_bucket::{Endpoints, Stored},
    publisher::Publisher,
    retry_lane::Cargo,
    subject::{Durable, Stream},
    test_send::{self, Sent},
    wire::TraceHeaders,
};
use lifecycle::entropy;
use telemetry::{
    Tracer,
    trace::{Kind, Origin},
};

pub(crate) use self::{
    bulk::{IDS_MAX, Picked},
    refusal::Refusal,
    walk::{Place, Walk},
};

/// How long the answer to a test send may take beyond the attempt's own time-out.
const TEST_MARGIN: Duration = Duration::from_secs(5);

/// Asks for attempts.
#[derive(Debug)]
pub(crate) struct Asking {
    broker: Broker,
    publisher: Publisher,
    store: AttemptStore,
    endpoints: Arc<Endpoints>,
    tracer: Tracer,
}

impl Asking {
    pub(crate) fn new(parts: &Parts, store: &AttemptStore, endpoints: &Arc<Endpoints>) -> Self {
        Self {
            broker: parts.broker.clone(),
            publisher: Publisher::new(&parts.broker),
            store: store.clone(),
            endpoints: Arc::clone(endpoints),
            tracer: parts.tracer.clone(),
        }
    }

    /// Returns the dead letters.
    pub(crate) async fn letters(&self) -> Result<DeadLetters, Refusal> {
        Ok(DeadLetters::open(&self.broker).await?)
    }

    /// Returns how many bytes an event may have that a producer sends.
    pub(crate) fn event_max_bytes(&self) -> usize {
        domain::event::sent_max_bytes(self.broker.payload_limit())
    }

    /// Returns those jobs of dead letters that were delivered all the same.
    pub(crate) async fn delivered(
        &self,
        organisation: &OrganisationId,
        letters: &[Letter],
    ) -> Result<HashSet<JobId>, Refusal> {
        let jobs: Vec<JobId> = (letters.iter())
            .map(|letter| letter.dead.job.id.clone())
            .collect();
        Ok(self.store.delivered_jobs(organisation, &jobs).await?)
    }

    /// Has a dead letter attempted again, then deletes it; returns the attempt.
    pub(crate) async fn retry_letter(
        &self,
        letters: &DeadLetters,
        letter: &Letter,
        with_retries: bool,
    ) -> Result<Job, Refusal> {
        let dead = &letter.dead;
        let endpoint = self.usable(&dead.job.organisation, &dead.job.endpoint)?;
        // Without the store nobody knows which numbers are taken, so there is no guessing.
        let highest = self.highest(&dead.job.organisation, &dead.job.id).await?;
        let job = Job {
            revision: endpoint.revision.max(dead.job.revision),
            ..dead.again(highest, with_retries)
        };
        self.store_attempt(&job, &letter.cargo).await?;
        letters.delete(dead).await?;
        Ok(job)
    }

    /// Has the event of a log record sent again; returns the attempt.
    pub(crate) async fn retry_record(
        &self,
        record: &AttemptRecord,
        with_retries: bool,
    ) -> Result<Job, Refusal> {
        if record.trigger == Trigger::Test {
            return Err(Refusal::IsTest);
        }
        let endpoint = self.usable(&record.organisation_id, &record.webhook_config_id)?;
        let event = self.archived(record).await?;
        let highest = self
            .highest(&record.organisation_id, &record.job_id)
            .await?;
        let attempt = highest.unwrap_or(0).max(record.attempt).saturating_add(1);
        let run = if with_retries { Run::Policy } else { Run::Once };
        let job = Job::of_record(record, endpoint.revision, event.accepted_at, event.content);
        let job = job.manual(attempt, run, request_id());
        let cargo = Cargo {
            body: event.body,
            trace: self.trace_of(record),
            previous: None,
        };
        self.store_attempt(&job, &cargo).await?;
        Ok(job)
    }

    /// Has delivery send a job's event as a test.
    pub(crate) async fn test(
        &self,
        endpoint: &Stored,
        job: &Job,
        cargo: &Cargo,
    ) -> Result<Sent, Refusal> {
        let timeout = Duration::from_millis(u64::from(endpoint.endpoint.timeout_ms));
        match test_send::ask(&self.broker, job, cargo, timeout + TEST_MARGIN).await? {
            test_send::Answer::Sent(sent) => Ok(*sent),
            test_send::Answer::Busy => Err(Refusal::TestsBusy),
            test_send::Answer::NotSent { reason } => Err(Refusal::TestNotSent(reason)),
        }
    }

    /// Returns an endpoint that takes attempts. A paused one does, later.
    fn usable(
        &self,
        organisation: &OrganisationId,
        id: &EndpointId,
    ) -> Result<Arc<Stored>, Refusal> {
        let stored = self.endpoints.get(organisation, id);
        let stored = stored.ok_or(Refusal::EndpointDeleted)?;
        if stored.endpoint.is_enabled {
            Ok(stored)
        } else {
            Err(Refusal::EndpointDisabled)
        }
    }

    async fn highest(
        &self,
        organisation: &OrganisationId,
        job: &JobId,
    ) -> Result<Option<u32>, Refusal> {
        Ok(self.store.highest_attempt(organisation, job).await?)
    }

    /// Returns the event of a record from the archive. One that is missing there may be on its way, or
    /// has expired.
    async fn archived(&self, record: &AttemptRecord) -> Result<ArchivedEvent, Refusal> {
        let read = || {
            let (organisation, event) = (&record.organisation_id, &record.event_id);
            self.store.event_body(organisation, event, record.body_hash)
        };
        if let Some(event) = read().await? {
            return Ok(event);
        }
        let broker = Refusal::Broker;
        let written = self.broker.written(Stream::Events).await.map_err(broker)?;
        let passed = self
            .broker
            .has_passed(Durable::EventArchive, written.sequence)
            .await
            .map_err(broker)?;
        if !passed {
            return Err(Refusal::NotArchived);
        }
        // It may have come in between the two looks.
        read().await?.ok_or(Refusal::Expired)
    }

    /// Returns the trace of a record, for a new attempt to be part of. Which span was its last is not known.
    fn trace_of(&self, record: &AttemptRecord) -> TraceHeaders {
        let known = TraceParent::within(&record.trace_id, entropy::bytes());
        let trace_id = known.map_or_else(entropy::bytes, TraceParent::trace_bytes);
        let origin = Origin::Root { trace_id };
        let span = (self.tracer).begin(Kind::Producer, "publish retries", origin);
        TraceHeaders::default().at(span.context())
    }

    async fn store_attempt(&self, job: &Job, cargo: &Cargo) -> Result<(), Refusal> {
        let message = asked(&self.broker.names, job, cargo);
        self.publisher.publish(message).await?;
        tracing::info!(
            job.id = %job.id,
            endpoint.id = %job.endpoint,
            attempt.number = job.attempt,
            "attempt asked for"
        );
        Ok(())
    }
}

/// Makes the id of a request that nobody repeats.
fn request_id() -> RequestId {
    #[expect(clippy::expect_used, reason = "hexadecimal digits are allowed")]
    RequestId::try_new(&entropy::uuid_v7()).expect("a UUID makes a valid id")
}

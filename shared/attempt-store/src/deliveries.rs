//! Finding jobs: a walk over the records that jobs begin with, and all records of those that it meets.
//!
//! Every job begins with its first attempt, its first parking or its dead letter, so one walk in order of
//! time over records of attempt number 1 meets every job. Keeping a row for each job instead would cost a
//! write for each attempt.

pub(crate) mod range;
mod walk;

use std::collections::{BTreeSet, HashSet};

use domain::{
    job_state::DeliveryState,
    name::{EndpointId, EventId, JobId, OrganisationId},
};

use crate::{
    delivery::{DeliveryDetail, DeliveryFilter, DeliveryPage, History},
    entry::{HeadRow, Table},
    error::ReadError,
    filter::{Cursor, Filter, Order},
    store::{AttemptStore, Engine},
};
use range::JobRange;
use walk::{Filling, Heads, STEP};

pub(crate) use walk::JOBS_AT_ONCE;

/// How many steps one page takes at most; then it ends short, with a cursor.
const STEPS: usize = 10;
/// How many events are looked up at once.
const EVENTS_AT_ONCE: usize = 100;

impl AttemptStore {
    /// Reads a page of deliveries behind a cursor, the newest first; `limit` is brought into 1 to
    /// [`PAGE_LIMIT`](crate::PAGE_LIMIT).
    ///
    /// A page looks at five thousand records of each kind at most that jobs may begin with. If what is asked for is rare it may be
    /// short or empty, and its cursor leads on.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        limit: u32,
        after: Option<&Cursor>,
    ) -> Result<DeliveryPage, ReadError> {
        let mut filling = Filling::new(limit);
        let mut reached = after.cloned();
        for _ in 0..STEPS {
            let heads = self.heads(filter, reached.as_ref()).await?;
            for rows in heads.rows.chunks(filling.lookup(filter.state)) {
                let ranges: BTreeSet<_> = rows.iter().map(JobRange::of_head).collect();
                let histories = self.histories(&filter.organisation, &ranges).await?;
                filling.take(rows, &histories, filter.state);
                if filling.full() {
                    return Ok(filling.finish(None));
                }
            }
            reached = heads.reached;
            if reached.is_none() {
                break;
            }
        }
        Ok(filling.finish(reached))
    }

    /// Reads one job of an organisation with its timeline.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn delivery(
        &self,
        organisation: &OrganisationId,
        job: &JobId,
    ) -> Result<Option<DeliveryDetail>, ReadError> {
        let histories = self.history(organisation, job).await?;
        Ok(histories.map(History::detail))
    }

    /// Returns the highest attempt number recorded for a job; `None` if no attempt is.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn highest_attempt(
        &self,
        organisation: &OrganisationId,
        job: &JobId,
    ) -> Result<Option<u32>, ReadError> {
        let history = self.history(organisation, job).await?;
        Ok(history.and_then(|history| history.highest_attempt()))
    }

    /// Returns those of the jobs that were delivered.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn delivered_jobs(
        &self,
        organisation: &OrganisationId,
        jobs: &[JobId],
    ) -> Result<HashSet<JobId>, ReadError> {
        let mut delivered = HashSet::new();
        for jobs in jobs.chunks(JOBS_AT_ONCE) {
            let ranges: BTreeSet<_> = jobs.iter().map(JobRange::of_job).collect();
            let histories = self.histories(organisation, &ranges).await?;
            let found = histories
                .iter()
                .filter(|it| it.state() == DeliveryState::Delivered);
            delivered.extend(found.map(|it| it.key().job.clone()));
        }
        Ok(delivered)
    }

    /// Returns those of the events that were delivered to the endpoint, by their first job or a replay.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn delivered_events(
        &self,
        organisation: &OrganisationId,
        endpoint: &EndpointId,
        events: &[EventId],
    ) -> Result<HashSet<EventId>, ReadError> {
        self.events(organisation, endpoint, events, |state| {
            state == DeliveryState::Delivered
        })
        .await
    }

    /// Returns those of the events that have a job for the endpoint, their first or a replay's, that still
    /// waits for an attempt.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn live_events(
        &self,
        organisation: &OrganisationId,
        endpoint: &EndpointId,
        events: &[EventId],
    ) -> Result<HashSet<EventId>, ReadError> {
        self.events(organisation, endpoint, events, |state| match state {
            DeliveryState::Pending | DeliveryState::Retrying => true,
            DeliveryState::Delivered | DeliveryState::Failed => false,
        })
        .await
    }

    async fn events(
        &self,
        organisation: &OrganisationId,
        endpoint: &EndpointId,
        events: &[EventId],
        counts: fn(DeliveryState) -> bool,
    ) -> Result<HashSet<EventId>, ReadError> {
        let mut counted = HashSet::new();
        for events in events.chunks(EVENTS_AT_ONCE) {
            let ranges: BTreeSet<_> = events
                .iter()
                .map(|event| JobId::of(event, endpoint))
                .flat_map(|job| [JobRange::of_job(&job), JobRange::of_replays(&job)])
                .collect();
            let histories = self.histories(organisation, &ranges).await?;
            let found = histories
                .iter()
                // An event's id may hold colons: `a:b` for `c` reads like `a` for `b` in a replay `c`.
                .filter(|it| it.key().endpoint == *endpoint && counts(it.state()));
            counted.extend(found.map(|it| it.key().event.clone()));
        }
        Ok(counted)
    }

    async fn history(
        &self,
        organisation: &OrganisationId,
        job: &JobId,
    ) -> Result<Option<History>, ReadError> {
        let range = BTreeSet::from([JobRange::of_job(job)]);
        Ok(self.histories(organisation, &range).await?.pop())
    }

    /// Returns what is known of the jobs in the ranges, in order of their ids.
    pub(crate) async fn histories(
        &self,
        organisation: &OrganisationId,
        ranges: &BTreeSet<JobRange>,
    ) -> Result<Vec<History>, ReadError> {
        let mut entries = Vec::new();
        for table in [Table::Attempts, Table::States] {
            let rows = match self.engine() {
                Engine::Postgres(store) => store.entries(table, ranges).await?,
                Engine::Sqlite(store) => store.entries(table, ranges).await?,
            };
            for row in rows {
                entries.push(row.entry()?);
            }
        }
        // Asked of the database it would offer a second index, which may look as good as the right one.
        entries.retain(|it| it.key.organisation == *organisation);
        Ok(History::of_each(entries))
    }

    /// Returns the next records of either table that jobs may begin with.
    pub(crate) async fn heads(
        &self,
        filter: &DeliveryFilter,
        after: Option<&Cursor>,
    ) -> Result<Heads, ReadError> {
        let mut heads = Heads::default();
        let tables = [
            (Table::Attempts, filter.attempt_heads()),
            (Table::States, Some(filter.heads())),
        ];
        for (table, filter) in tables {
            let Some(filter) = filter else { continue };
            let order = Order::NewestFirst;
            let sight = self.sight(table, &filter, (order, after)).await?;
            let filter = filter.within(order, sight);
            let rows = self.read_heads(table, &filter, after, STEP).await?;
            heads.add(rows, sight.map(|sight| Cursor::behind(order, sight)));
        }
        Ok(heads.sorted())
    }

    /// Reads some records of a table, the newest first.
    pub(crate) async fn read_heads(
        &self,
        table: Table,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Vec<HeadRow>, ReadError> {
        match self.engine() {
            Engine::Postgres(store) => store.heads(table, filter, after, limit).await,
            Engine::Sqlite(store) => store.heads(table, filter, after, limit).await,
        }
    }
}

//! Finding jobs: a walk over the records that jobs begin with, and all records of those that it meets.
//!
//! Every job begins with its first attempt, its first parking or its dead letter, so one walk in order of
//! time over records of attempt number 1 meets every job. Keeping a row for each job instead would cost a
//! write for each attempt.

use std::collections::{BTreeSet, HashSet};

use domain::{
    job_state::DeliveryState,
    name::{EndpointId, EventId, JobId, OrganisationId},
};

use crate::{
    delivery::{Delivery, DeliveryDetail, DeliveryFilter, DeliveryPage, History},
    entry::{HeadRow, Table},
    error::ReadError,
    filter::{Cursor, PAGE_LIMIT},
    store::{AttemptStore, Engine},
};

/// How many records of each table one step of a walk reads.
const STEP: usize = 500;
/// How many steps one page takes at most; then it ends short, with a cursor.
const STEPS: usize = 20;
/// How many jobs are looked up at once.
const JOBS_AT_ONCE: usize = 100;
/// How many events are looked up at once.
const EVENTS_AT_ONCE: usize = 100;

/// A stretch of job ids, from the first (included) to the second (not included).
pub(crate) type JobRange = (String, String);

/// What one step of a walk found.
#[derive(Debug)]
struct Heads {
    rows: Vec<HeadRow>,
    /// Up to where everything was found; `None` if that is the end.
    reached: Option<Cursor>,
}

/// A page while it fills.
#[derive(Debug)]
struct Filling {
    size: usize,
    found: Vec<(Cursor, Delivery)>,
    jobs: HashSet<JobId>,
}

impl AttemptStore {
    /// Reads a page of deliveries behind a cursor, the newest first; `limit` is brought into 1 to
    /// [`PAGE_LIMIT`].
    ///
    /// A page looks at ten thousand records at most. If what is asked for is rare it may be short or
    /// empty, and its cursor leads on.
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
            for rows in heads.rows.chunks(filling.lookup(filter)) {
                let ranges: BTreeSet<_> = rows.iter().map(|row| only(&row.job_id)).collect();
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
            let ranges: BTreeSet<_> = jobs.iter().map(|job| only(job.as_str())).collect();
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
                .flat_map(|job| [only(job.as_str()), replays_of(&job)])
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
        let range = BTreeSet::from([only(job.as_str())]);
        Ok(self.histories(organisation, &range).await?.pop())
    }

    /// Returns what is known of the jobs in the ranges, in order of their ids.
    async fn histories(
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
    async fn heads(
        &self,
        filter: &DeliveryFilter,
        after: Option<&Cursor>,
    ) -> Result<Heads, ReadError> {
        let mut heads = Heads {
            rows: Vec::new(),
            reached: None,
        };
        let tables = [
            (Table::Attempts, filter.attempt_heads()),
            (Table::States, Some(filter.heads())),
        ];
        for (table, filter) in tables {
            let Some(filter) = filter else { continue };
            let rows = match self.engine() {
                Engine::Postgres(store) => store.heads(table, &filter, after, STEP).await?,
                Engine::Sqlite(store) => store.heads(table, &filter, after, STEP).await?,
            };
            heads.add(rows);
        }
        Ok(heads.sorted())
    }
}

impl Heads {
    /// Adds what a table gave, the newest first; as many as were asked for means that there may be more.
    fn add(&mut self, rows: Vec<HeadRow>) {
        if rows.len() >= STEP {
            let reached = rows.last().map(HeadRow::place);
            self.reached = self.reached.take().max(reached);
        }
        self.rows.extend(rows);
    }

    /// Leaves out what lies beyond the place up to which both tables were read, and what begins no job.
    fn sorted(mut self) -> Self {
        let reached = self.reached.as_ref();
        self.rows.retain(|row| {
            row.attempt == 1 && reached.is_none_or(|reached| row.place() >= *reached)
        });
        self.rows.sort_by_key(|row| std::cmp::Reverse(row.place()));
        self
    }
}

impl Filling {
    fn new(limit: u32) -> Self {
        Self {
            size: usize::try_from(limit.clamp(1, PAGE_LIMIT)).unwrap_or(1),
            found: Vec::new(),
            jobs: HashSet::new(),
        }
    }

    /// Returns how many jobs are worth looking up at once.
    fn lookup(&self, filter: &DeliveryFilter) -> usize {
        if filter.state.is_none() {
            // Nearly all of them belong on the page.
            self.size.saturating_add(1)
        } else {
            JOBS_AT_ONCE
        }
    }

    fn take(&mut self, rows: &[HeadRow], histories: &[History], state: Option<DeliveryState>) {
        for row in rows {
            let place = row.place();
            let found = histories
                .binary_search_by(|it| it.key().job.as_str().cmp(&row.job_id))
                .ok()
                .and_then(|at| histories.get(at));
            let Some(history) = found.filter(|it| it.begins_at(&place)) else {
                continue;
            };
            let delivery = history.delivery();
            if state.is_none_or(|state| state == delivery.state)
                && self.jobs.insert(delivery.job_id.clone())
            {
                self.found.push((place, delivery));
            }
        }
    }

    /// Returns whether there is one more than the page holds, which tells that there is a next page.
    fn full(&self) -> bool {
        self.found.len() > self.size
    }

    /// Ends the page; `reached` is where the walk stopped without being done.
    fn finish(mut self, reached: Option<Cursor>) -> DeliveryPage {
        let full = self.full();
        self.found.truncate(self.size);
        let next_cursor = if full {
            self.found.last().map(|(place, _)| place.clone())
        } else {
            reached
        };
        DeliveryPage {
            deliveries: self.found.into_iter().map(|(_, it)| it).collect(),
            next_cursor,
        }
    }
}

/// Returns the range that holds one id: what may follow in a longer one sorts behind `!`.
fn only(job: &str) -> JobRange {
    (job.to_owned(), format!("{job}!"))
}

/// Returns the range of the ids of the job's replays.
fn replays_of(job: &JobId) -> JobRange {
    // A semicolon is the character behind the colon.
    (format!("{job}:"), format!("{job};"))
}

#[cfg(test)]
mod tests {
    use domain::name::JobId;

    use super::{Heads, STEP, only, replays_of};
    use crate::entry::HeadRow;

    #[test]
    fn ranges_hold_a_job_and_its_replays_and_no_neighbours() {
        let job: JobId = "evt-1:ep_1".parse().unwrap();
        let holds =
            |(low, high): &(String, String), id: &str| low.as_str() <= id && id < high.as_str();

        for (id, first, replay) in [
            ("evt-1:ep_1", true, false),
            ("evt-1:ep_1:r1", false, true),
            ("evt-1:ep_1:-", false, true),
            ("evt-1:ep_10", false, false),
            ("evt-1:ep_1-", false, false),
            ("evt-1:ep_1_", false, false),
            ("evt-1:ep_1a", false, false),
            ("evt-1:ep_1Z", false, false),
            ("evt-1:ep_", false, false),
        ] {
            assert_eq!(holds(&only(job.as_str()), id), first, "{id}");
            assert_eq!(holds(&replays_of(&job), id), replay, "{id}");
        }
    }

    #[test]
    fn a_step_ends_where_the_table_that_goes_on_was_left() {
        let mut heads = Heads {
            rows: Vec::new(),
            reached: None,
        };
        heads.add(
            (1_000..)
                .take(STEP)
                .map(row)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect(),
        );
        heads.add(vec![row(9_000), row(1_000), row(999)]);

        let sorted = heads.sorted();

        let times: Vec<_> = sorted.rows.iter().map(|row| row.created_at).collect();
        assert_eq!(times.len(), STEP + 2);
        assert!(times.is_sorted_by(|a, b| a >= b));
        assert_eq!((times.first(), times.last()), (Some(&9_000), Some(&1_000)));
        assert_eq!(sorted.reached, Some(row(1_000).place()));
    }

    fn row(created_at: i64) -> HeadRow {
        HeadRow {
            created_at,
            id: format!("{created_at}"),
            job_id: "evt-1:ep_1".to_owned(),
            attempt: 1,
        }
    }
}

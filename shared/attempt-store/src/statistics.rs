//! Figures about one endpoint or a whole organisation, from a bounded number of records.
//!
//! **Invariant:** however many attempts there were, no question here reads more than some ten thousands of
//! them. What was not read in full says so.

use std::collections::{BTreeSet, HashSet};

use domain::{
    job_state::DeliveryState,
    name::{EndpointId, OrganisationId},
    statistics::{Figures, Sample, Slice, Window},
    time::Timestamp,
};

use crate::{
    deliveries::{JOBS_AT_ONCE, range::JobRange},
    delivery::DeliveryFilter,
    entry::Table,
    error::ReadError,
    filter::{Cursor, Filter, Order},
    store::{AttemptStore, Engine},
};

/// Up to how many attempts in a window are all read.
pub(crate) const READ_ALL: usize = 20_000;
/// Into how many parts the time between two points is divided when there are more.
const PARTS_PER_POINT: u32 = 12;
/// How many attempts of each part are read then.
const READ_OF_PART: usize = 100;
/// Of how many failures the endpoints that have most are looked for: the newest.
const FAILURES_READ: u32 = 2_000;
/// How many steps are taken to find jobs that wait.
const WAITING_STEPS: usize = 4;

/// When an endpoint was last heard of, tests included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LastTimes {
    /// When the last attempt began.
    pub attempt: Option<Timestamp>,
    /// When the last successful attempt began; `None` also if it lies more than
    /// [`LOOK_LIMIT`](crate::LOOK_LIMIT) attempts back.
    pub success: Option<Timestamp>,
}

/// How many jobs wait for an attempt, as far as their records say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How many were found.
    pub jobs: u64,
    /// Whether these are all.
    pub is_exact: bool,
}

/// An endpoint that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Which one; it may have been deleted since.
    pub endpoint: EndpointId,
    /// How many failures were counted.
    pub failures: u64,
}

/// An endpoint and how many failures it has.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct FailingRow {
    endpoint_id: String,
    failures: i64,
}

/// One attempt, and of which part of a window it was read.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct SampleRow {
    part: i64,
    at: i64,
    success: bool,
    duration_ms: i64,
    is_test: bool,
}

impl AttemptStore {
    /// Returns figures about the attempts of an organisation, or of one endpoint of it, in a window, without
    /// tests.
    ///
    /// If there are more than twenty thousand attempts the figures are estimates: the first hundred of each of
    /// twelve parts between two points stand for the part.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn figures<'e>(
        &self,
        organisation: &OrganisationId,
        endpoint: impl Into<Option<&'e EndpointId>>,
        window: Window,
    ) -> Result<Figures, ReadError> {
        let of = (organisation, endpoint.into());
        let engine = self.engine();
        let whole = engine.samples(of, &[window], READ_ALL + 1).await?;
        let slices = if whole.len() <= READ_ALL {
            vec![slice(window, &whole, READ_ALL)]
        } else {
            let parts = window.parts(PARTS_PER_POINT);
            let rows = engine.samples(of, &parts, READ_OF_PART + 1).await?;
            slices(&parts, &rows)
        };
        Ok(Figures::of(window, &slices))
    }

    /// Returns the endpoints of an organisation that fail most since a time, those with most failures first, tests
    /// left out. Only the newest two thousand failures are counted.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn failing(
        &self,
        organisation: &OrganisationId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Failing>, ReadError> {
        let limits = (FAILURES_READ, limit);
        let rows = match self.engine() {
            Engine::Postgres(store) => store.failing(organisation, since, limits).await?,
            Engine::Sqlite(store) => store.failing(organisation, since, limits).await?,
        };
        Ok(rows.into_iter().filter_map(FailingRow::read).collect())
    }

    /// Returns when an endpoint was last heard of.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn last_times(
        &self,
        organisation: &OrganisationId,
        endpoint: &EndpointId,
    ) -> Result<LastTimes, ReadError> {
        let all = Filter {
            organisation: Some(organisation.clone()),
            endpoint: Some(endpoint.clone()),
            ..Filter::default()
        };
        let successes = Filter {
            success: Some(true),
            ..all.clone()
        };
        Ok(LastTimes {
            attempt: self.newest(&all, None).await?,
            success: self.newest_of(&successes, &all).await?,
        })
    }

    /// Counts the jobs of an organisation, or of one endpoint of it, that wait for an attempt, parked or
    /// between two.
    ///
    /// Looks at two thousand records of each kind at most that such jobs may begin with, the newest.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn waiting<'e>(
        &self,
        organisation: &OrganisationId,
        endpoint: impl Into<Option<&'e EndpointId>>,
    ) -> Result<Waiting, ReadError> {
        let filter = DeliveryFilter {
            endpoint: endpoint.into().cloned(),
            state: Some(DeliveryState::Retrying),
            ..DeliveryFilter::all(organisation.clone())
        };
        let mut waiting = HashSet::new();
        let mut reached: Option<Cursor> = None;
        for _ in 0..WAITING_STEPS {
            let heads = self.heads(&filter, reached.as_ref()).await?;
            for rows in heads.rows.chunks(JOBS_AT_ONCE) {
                let ranges: BTreeSet<_> = rows.iter().map(JobRange::of_head).collect();
                let histories = self.histories(organisation, &ranges).await?;
                let found = histories.iter().filter(|history| match history.state() {
                    DeliveryState::Pending | DeliveryState::Retrying => !history.is_test(),
                    DeliveryState::Delivered | DeliveryState::Failed => false,
                });
                waiting.extend(found.map(|history| history.key().job.clone()));
            }
            reached = heads.reached;
            if reached.is_none() {
                break;
            }
        }
        Ok(Waiting {
            jobs: u64::try_from(waiting.len()).unwrap_or(u64::MAX),
            is_exact: reached.is_none(),
        })
    }

    /// Returns when the newest record began that satisfies the filter: of an endpoint that works it is among the
    /// last few of all.
    async fn newest_of(
        &self,
        filter: &Filter,
        all: &Filter,
    ) -> Result<Option<Timestamp>, ReadError> {
        const A_FEW: usize = 200;
        let few = self.read_heads(Table::Attempts, all, None, A_FEW).await?;
        let oldest = few.last().map(|row| Timestamp::from_millis(row.created_at));
        if let Some(time) = self.newest(filter, oldest).await? {
            return Ok(Some(time));
        }
        let from = (Order::NewestFirst, None);
        let sight = self.sight(Table::Attempts, filter, from).await?;
        self.newest(filter, sight).await
    }

    async fn newest(
        &self,
        filter: &Filter,
        bound: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, ReadError> {
        let filter = filter.within(Order::NewestFirst, bound);
        let rows = self.read_heads(Table::Attempts, &filter, None, 1).await?;
        let newest = rows.first();
        Ok(newest.map(|row| Timestamp::from_millis(row.created_at)))
    }
}

impl Engine {
    /// Reads the first attempts of an organisation or an endpoint in each part of a window.
    async fn samples(
        &self,
        of: (&OrganisationId, Option<&EndpointId>),
        parts: &[Window],
        limit: usize,
    ) -> Result<Vec<SampleRow>, ReadError> {
        match self {
            Self::Postgres(store) => store.samples(of, parts, limit).await,
            Self::Sqlite(store) => store.samples(of, parts, limit).await,
        }
    }
}

/// Sorts rows, given in any order, by their parts.
fn slices(parts: &[Window], rows: &[SampleRow]) -> Vec<Slice> {
    let mut of_each: Vec<Vec<&SampleRow>> = parts.iter().map(|_| Vec::new()).collect();
    for row in rows {
        let part = usize::try_from(row.part).ok();
        if let Some(own) = part.and_then(|part| of_each.get_mut(part)) {
            own.push(row);
        }
    }
    let own = parts.iter().zip(of_each);
    own.map(|(part, rows)| slice(*part, rows, READ_OF_PART))
        .collect()
}

/// Makes a slice of the rows of one part; one more than `limit` tells where it was cut.
fn slice<'r>(part: Window, rows: impl IntoIterator<Item = &'r SampleRow>, limit: usize) -> Slice {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|row| row.at);
    let cut_at = rows.get(limit).map(|row| Timestamp::from_millis(row.at));
    let samples = rows.into_iter().take(limit).filter(|row| !row.is_test);
    Slice {
        part,
        samples: samples.map(SampleRow::sample).collect(),
        cut_at,
    }
}

impl FailingRow {
    fn read(self) -> Option<Failing> {
        Some(Failing {
            endpoint: self.endpoint_id.parse().ok()?,
            failures: u64::try_from(self.failures).ok()?,
        })
    }
}

impl SampleRow {
    fn sample(&self) -> Sample {
        Sample {
            at: Timestamp::from_millis(self.at),
            is_success: self.success,
            duration_ms: u32::try_from(self.duration_ms).unwrap_or(u32::MAX),
        }
    }
}

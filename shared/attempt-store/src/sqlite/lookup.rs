//! Reading from SQLite what jobs are put together from, and the archive.

use std::collections::BTreeSet;

use domain::{
    event::BodyHash,
    name::{EventId, OrganisationId},
};
use sqlx::{QueryBuilder, Sqlite};

use super::{SqliteStore, read::query_as};
use crate::{
    archive::{ArchivePosition, ArchiveRange, ArchivedRow},
    deliveries::range::JobRange,
    entry::{ENTRIES_PER_JOB, EntryRow, HeadRow, Table},
    error::ReadError,
    filter::{Cursor, Filter},
    select::{self, Dialect},
};

const HEAD: &str = "created_at, id, job_id, attempt";
const ENTRY: &str = "id, created_at, organisation_id, endpoint_id, job_id, event_id, event_category, \
    event_name, attempt, triggered_by, next_attempt_at";
const ARCHIVED: &str = "accepted_at, event_id, body_hash, event_name, event_category, source_id, content, \
    length(body) as body_bytes, \
    expired";

impl SqliteStore {
    pub(crate) async fn heads(
        &self,
        table: Table,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Vec<HeadRow>, ReadError> {
        let query = select::heads((Dialect::Sqlite, HEAD), table, filter, after, limit);
        Ok(query_as(&query).fetch_all(&self.readers).await?)
    }

    /// Reads the newest entries of each range of jobs.
    pub(crate) async fn entries(
        &self,
        table: Table,
        ranges: &BTreeSet<JobRange>,
    ) -> Result<Vec<EntryRow>, ReadError> {
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("with range (low, high, since) as (");
        query.push_values(ranges, |mut row, range| {
            row.push_bind(&range.low)
                .push_bind(&range.high)
                .push_bind(range.since(table).millis());
        });
        let (name, more) = (table.name(), own_columns(table));
        // A cross join is taken in the order in which it is written: from the ranges to the table.
        query.push(format_args!(
            ") select {ENTRY}, {more} from range cross join {name} r on r.rowid in \
             (select s.rowid from {name} s where s.job_id >= range.low and s.job_id < range.high \
             and s.created_at >= range.since order by s.job_id desc, s.created_at desc limit {ENTRIES_PER_JOB})"
        ));
        Ok(query.build_query_as().fetch_all(&self.readers).await?)
    }

    pub(crate) async fn archived(
        &self,
        organisation: &OrganisationId,
        range: &ArchiveRange,
        after: Option<&ArchivePosition>,
        limit: usize,
    ) -> Result<Vec<ArchivedRow>, ReadError> {
        let query = select::archived(ARCHIVED, organisation, range, after, limit);
        Ok(query_as(&query).fetch_all(&self.readers).await?)
    }

    pub(crate) async fn archived_count(
        &self,
        organisation: &OrganisationId,
        range: &ArchiveRange,
    ) -> Result<i64, ReadError> {
        let query = select::archived_count(organisation, range);
        let (count,): (i64,) = query_as(&query).fetch_one(&self.readers).await?;
        Ok(count)
    }

    pub(crate) async fn one_archived(
        &self,
        organisation: &OrganisationId,
        event: &EventId,
        hash: BodyHash,
    ) -> Result<Option<ArchivedRow>, ReadError> {
        let query = select::one_archived(ARCHIVED, organisation, event, hash);
        Ok(query_as(&query).fetch_optional(&self.readers).await?)
    }
}

/// Returns the columns that only this table has.
fn own_columns(table: Table) -> &'static str {
    match table {
        Table::Attempts => "success, error_kind, error_message, response_status, duration_ms",
        Table::States => "state, reason",
    }
}

//! Reading from PostgreSQL what jobs are put together from, and the archive.

use std::collections::BTreeSet;

use domain::{
    event::BodyHash,
    name::{EventId, OrganisationId},
};
use sqlx::AssertSqlSafe;

use super::{PostgresStore, read::query_as, timestamptz};
use crate::{
    archive::{ArchivePosition, ArchiveRange, ArchivedRow},
    deliveries::range::JobRange,
    entry::{ENTRIES_PER_JOB, EntryRow, HeadRow, Table},
    error::ReadError,
    filter::{Cursor, Filter},
    select::{self, Dialect},
};

const HEAD: &str =
    "(extract(epoch from created_at) * 1000)::bigint as created_at, id, job_id, attempt";
const ENTRY: &str = "id, (extract(epoch from created_at) * 1000)::bigint as created_at, \
    organisation_id, endpoint_id, job_id, event_id, event_category, event_name, attempt, triggered_by, \
    (extract(epoch from next_attempt_at) * 1000)::bigint as next_attempt_at";
const ARCHIVED: &str = "(extract(epoch from b.accepted_at) * 1000)::bigint as accepted_at, event_id, \
    body_hash, event_name, event_category, source_id, content, octet_length(body)::bigint as body_bytes, \
    expired";

impl PostgresStore {
    pub(crate) async fn heads(
        &self,
        table: Table,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Vec<HeadRow>, ReadError> {
        let query = select::heads((Dialect::Postgres, HEAD), table, filter, after, limit);
        Ok(query_as(&query).fetch_all(&self.pool).await?)
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
        let texts = |text: fn(&JobRange) -> &String| ranges.iter().map(text).collect::<Vec<_>>();
        let since: Vec<_> = ranges
            .iter()
            .map(|range| timestamptz(range.since(table)))
            .collect();
        Ok(sqlx::query_as(AssertSqlSafe(entries_text(table)))
            .bind(texts(|range| &range.low))
            .bind(texts(|range| &range.high))
            .bind(since)
            .fetch_all(&self.pool)
            .await?)
    }

    pub(crate) async fn archived(
        &self,
        organisation: &OrganisationId,
        range: &ArchiveRange,
        after: Option<&ArchivePosition>,
        limit: usize,
    ) -> Result<Vec<ArchivedRow>, ReadError> {
        let query = select::archived(ARCHIVED, organisation, range, after, limit);
        Ok(query_as(&query).fetch_all(&self.pool).await?)
    }

    pub(crate) async fn archived_count(
        &self,
        organisation: &OrganisationId,
        range: &ArchiveRange,
    ) -> Result<i64, ReadError> {
        let query = select::archived_count(organisation, range);
        let (count,): (i64,) = query_as(&query).fetch_one(&self.pool).await?;
        Ok(count)
    }

    pub(crate) async fn one_archived(
        &self,
        organisation: &OrganisationId,
        event: &EventId,
        hash: BodyHash,
    ) -> Result<Option<ArchivedRow>, ReadError> {
        let query = select::one_archived(ARCHIVED, organisation, event, hash);
        Ok(query_as(&query).fetch_optional(&self.pool).await?)
    }
}

/// Asks for a walk along the index of jobs for each range: the order, which is the index's own, leaves the
/// planner no better choice.
fn entries_text(table: Table) -> String {
    let name = table.name();
    let own = match table {
        Table::Attempts => "success, error_kind, error_message, response_status, duration_ms",
        Table::States => "state, reason",
    };
    format!(
        "select {ENTRY}, {own} from unnest($1::text[], $2::text[], $3::timestamptz[]) \
         as range (low, high, since) \
         cross join lateral (select * from {name} r \
         where r.job_id >= range.low and r.job_id < range.high and r.created_at >= range.since \
         order by r.job_id desc, r.created_at desc limit {ENTRIES_PER_JOB}) as found"
    )
}

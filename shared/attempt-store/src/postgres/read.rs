//! Reading from PostgreSQL.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use domain::{attempt::AttemptRecord, name::OrganisationId};
use sqlx::{
    AssertSqlSafe, FromRow,
    postgres::{PgArguments, PgRow},
    query::QueryAs,
};

use super::{PostgresStore, timestamptz};
use crate::{
    error::ReadError,
    filter::{Filter, Page},
    record::{AttemptPage, AttemptRow, BodyKey, BodyRow, StoredAttempt, body_key},
    select::{self, Query, Value},
};

const COLUMNS: &str = "id, (extract(epoch from created_at) * 1000)::bigint as created_at, \
    organisation_id, endpoint_id, job_id, event_id, body_hash, event_category, event_name, attempt, \
    triggered_by, success, error_kind, error_message, url, http_method, request_headers, \
    response_status, response_headers, response_body, response_body_encoding, duration_ms, \
    (extract(epoch from next_attempt_at) * 1000)::bigint as next_attempt_at, trace_id";

/// One probe of the index for each key and partition, and one row for each key: the lateral form leaves the
/// planner no other choice.
const BODIES: &str = "select key.organisation_id, key.event_id, key.body_hash, found.body \
    from unnest($1::text[], $2::text[], $3::bytea[]) as key (organisation_id, event_id, body_hash) \
    cross join lateral (select b.body from event_bodies b where b.organisation_id = key.organisation_id \
    and b.event_id = key.event_id and b.body_hash = key.body_hash limit 1) as found";

impl PostgresStore {
    pub(crate) async fn attempts(
        &self,
        filter: &Filter,
        page: &Page,
    ) -> Result<AttemptPage, ReadError> {
        let count = select::count(filter);
        let (total,): (i64,) = query_as(&count).fetch_one(&self.pool).await?;
        let query = select::page(COLUMNS, filter, page);
        let rows: Vec<AttemptRow> = query_as(&query).fetch_all(&self.pool).await?;
        let records = rows
            .into_iter()
            .map(AttemptRow::record)
            .collect::<Result<Vec<_>, _>>()?;
        let bodies = self.bodies(&records).await?;
        Ok(AttemptPage::new(page, total, records, &bodies))
    }

    pub(crate) async fn attempt(
        &self,
        organisation: &OrganisationId,
        id: &str,
    ) -> Result<Option<StoredAttempt>, ReadError> {
        let query = select::one(COLUMNS, organisation, id);
        let row: Option<AttemptRow> = query_as(&query).fetch_optional(&self.pool).await?;
        let Some(record) = row.map(AttemptRow::record).transpose()? else {
            return Ok(None);
        };
        let bodies = self.bodies(std::slice::from_ref(&record)).await?;
        Ok(Some(StoredAttempt::new(record, &bodies)))
    }

    async fn bodies(
        &self,
        records: &[AttemptRecord],
    ) -> Result<HashMap<BodyKey, Bytes>, ReadError> {
        let keys: HashSet<BodyKey> = records.iter().map(body_key).collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let organisations: Vec<&str> = keys.iter().map(|(o, _, _)| o.as_str()).collect();
        let events: Vec<&str> = keys.iter().map(|(_, e, _)| e.as_str()).collect();
        let hashes: Vec<&[u8]> = keys
            .iter()
            .map(|(_, _, h)| h.as_bytes().as_slice())
            .collect();
        let rows: Vec<BodyRow> = sqlx::query_as(BODIES)
            .bind(organisations)
            .bind(events)
            .bind(hashes)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(BodyRow::body).collect()
    }
}

fn query_as<T: for<'r> FromRow<'r, PgRow>>(
    query: &Query,
) -> QueryAs<'_, sqlx::Postgres, T, PgArguments> {
    let text = AssertSqlSafe(query.text.clone());
    query
        .values
        .iter()
        .fold(sqlx::query_as(text), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::Time(time) => query.bind(timestamptz(*time)),
        })
}

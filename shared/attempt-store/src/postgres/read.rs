//! Reading from PostgreSQL.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use domain::name::OrganisationId;
use sqlx::{
    AssertSqlSafe, FromRow,
    postgres::{PgArguments, PgRow},
    query::QueryAs,
};

use super::{PostgresStore, timestamptz};
use crate::{
    error::ReadError,
    filter::{Filter, Page},
    page::{AttemptPage, Draft},
    record::{AttemptRow, BodyKey, BodyRow, StoredAttempt, body_key},
    select::{self, Query, Value},
};

const COLUMNS: &str = "id, (extract(epoch from created_at) * 1000)::bigint as created_at, \
    organisation_id, endpoint_id, job_id, event_id, body_hash, event_category, event_name, attempt, \
    triggered_by, success, error_kind, error_message, url, http_method, request_headers, \
    response_status, response_headers, response_body, response_body_encoding, duration_ms, \
    (extract(epoch from next_attempt_at) * 1000)::bigint as next_attempt_at, trace_id";

// PostgreSQL tells the length of a large body without reading it.
const LENGTH: &str = "octet_length(b.body)::bigint";
const BODY: &str = "b.body";

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
        let mut draft = Draft::new(page, total, records);
        let lengths = self.of_bodies(LENGTH, &draft.keys()).await?;
        let bodies = self.bodies(&draft.cut(&lengths)).await?;
        Ok(draft.complete(&bodies))
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
        let bodies = self.bodies(&HashSet::from([body_key(&record)])).await?;
        Ok(Some(StoredAttempt::new(record, &bodies)))
    }

    pub(crate) async fn bodies(
        &self,
        keys: &HashSet<BodyKey>,
    ) -> Result<HashMap<BodyKey, Bytes>, ReadError> {
        let bodies = self.of_bodies::<Vec<u8>>(BODY, keys).await?;
        Ok(bodies
            .into_iter()
            .map(|(key, body)| (key, Bytes::from(body)))
            .collect())
    }

    /// Reads one value of each body that there is.
    async fn of_bodies<T>(
        &self,
        value: &'static str,
        keys: &HashSet<BodyKey>,
    ) -> Result<HashMap<BodyKey, T>, ReadError>
    where
        BodyRow<T>: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let organisations: Vec<&str> = keys.iter().map(|(o, _, _)| o.as_str()).collect();
        let events: Vec<&str> = keys.iter().map(|(_, e, _)| e.as_str()).collect();
        let hashes: Vec<&[u8]> = keys
            .iter()
            .map(|(_, _, h)| h.as_bytes().as_slice())
            .collect();
        let rows: Vec<BodyRow<T>> = sqlx::query_as(AssertSqlSafe(bodies_text(value)))
            .bind(organisations)
            .bind(events)
            .bind(hashes)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(BodyRow::entry).collect()
    }
}

/// Asks for one probe of the index for each key and partition, and one row for each key: the lateral form
/// leaves the planner no other choice.
fn bodies_text(value: &'static str) -> String {
    format!(
        "select key.organisation_id, key.event_id, key.body_hash, found.value \
         from unnest($1::text[], $2::text[], $3::bytea[]) as key (organisation_id, event_id, body_hash) \
         cross join lateral (select {value} as value from event_bodies b \
         where b.organisation_id = key.organisation_id and b.event_id = key.event_id \
         and b.body_hash = key.body_hash limit 1) as found"
    )
}

pub(super) fn query_as<T: for<'r> FromRow<'r, PgRow>>(
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
            Value::Bytes(bytes) => query.bind(bytes.as_slice()),
        })
}

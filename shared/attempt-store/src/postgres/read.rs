//! Reading from PostgreSQL.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use sqlx::{
    AssertSqlSafe, FromRow,
    postgres::{PgArguments, PgRow},
    query::QueryAs,
};

use super::{PostgresStore, timestamptz};
use crate::{
    error::ReadError,
    record::{AttemptRow, BodyKey, BodyRow},
    select::{Query, Value},
};

/// The time of a record in milliseconds.
pub(crate) const TIME: &str = "(extract(epoch from created_at) * 1000)::bigint";
/// The columns of an attempt.
pub(crate) const COLUMNS: &str = "id, (extract(epoch from created_at) * 1000)::bigint as created_at, \
    organisation_id, endpoint_id, job_id, event_id, body_hash, event_category, event_name, attempt, \
    triggered_by, success, error_kind, error_message, url, http_method, request_headers, \
    response_status, response_headers, response_body, response_body_encoding, duration_ms, \
    (extract(epoch from next_attempt_at) * 1000)::bigint as next_attempt_at, trace_id, \
    response_body_expired";

// PostgreSQL tells the length of a large body without reading it.
const LENGTH: &str = "octet_length(b.body)::bigint";
const BODY: &str = "b.body";

const KEPT: &str = "not b.expired";
const EXPIRED: &str = "b.expired";

impl PostgresStore {
    pub(crate) async fn attempt_rows(&self, query: &Query) -> Result<Vec<AttemptRow>, ReadError> {
        Ok(query_as(query).fetch_all(&self.pool).await?)
    }

    /// Reads one number, if there is one.
    pub(crate) async fn number(&self, query: &Query) -> Result<Option<i64>, ReadError> {
        let number: Option<(i64,)> = query_as(query).fetch_optional(&self.pool).await?;
        Ok(number.map(|(number,)| number))
    }

    pub(crate) async fn plan(&self, query: &Query) -> Result<Vec<String>, ReadError> {
        let query = Query {
            text: format!("explain {}", query.text),
            values: query.values.clone(),
        };
        let lines: Vec<(String,)> = query_as(&query).fetch_all(&self.pool).await?;
        Ok(lines.into_iter().map(|(line,)| line).collect())
    }

    /// Returns the lengths of the bodies that are kept.
    pub(crate) async fn lengths(
        &self,
        keys: &HashSet<BodyKey>,
    ) -> Result<HashMap<BodyKey, i64>, ReadError> {
        self.of_bodies(LENGTH, KEPT, keys).await
    }

    /// Returns those of the bodies that have expired, but for their names.
    pub(crate) async fn expired(
        &self,
        keys: &HashSet<BodyKey>,
    ) -> Result<HashSet<BodyKey>, ReadError> {
        let lengths = self.of_bodies::<i64>(LENGTH, EXPIRED, keys).await?;
        Ok(lengths.into_keys().collect())
    }

    pub(crate) async fn bodies(
        &self,
        keys: &HashSet<BodyKey>,
    ) -> Result<HashMap<BodyKey, Bytes>, ReadError> {
        let bodies = self.of_bodies::<Vec<u8>>(BODY, KEPT, keys).await?;
        Ok(bodies
            .into_iter()
            .map(|(key, body)| (key, Bytes::from(body)))
            .collect())
    }

    /// Reads one value of each body that there is in a condition.
    async fn of_bodies<T>(
        &self,
        value: &'static str,
        condition: &'static str,
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
        let rows: Vec<BodyRow<T>> = sqlx::query_as(AssertSqlSafe(bodies_text(value, condition)))
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
fn bodies_text(value: &'static str, condition: &'static str) -> String {
    format!(
        "select key.organisation_id, key.event_id, key.body_hash, found.value \
         from unnest($1::text[], $2::text[], $3::bytea[]) as key (organisation_id, event_id, body_hash) \
         cross join lateral (select {value} as value from event_bodies b \
         where b.organisation_id = key.organisation_id and b.event_id = key.event_id \
         and b.body_hash = key.body_hash and {condition} limit 1) as found"
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

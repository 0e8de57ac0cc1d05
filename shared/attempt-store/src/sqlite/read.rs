//! Reading from SQLite.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use sqlx::{
    AssertSqlSafe, FromRow, QueryBuilder,
    query::QueryAs,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::SqliteStore;
use crate::{
    error::ReadError,
    record::{AttemptRow, BodyKey, BodyRow},
    select::{Query, Value},
};

/// The time of a record in milliseconds.
pub(crate) const TIME: &str = "created_at";
/// The columns of an attempt.
pub(crate) const COLUMNS: &str = "*";

// SQLite tells the length of a body without reading it.
const LENGTH: &str = "length(b.body)";
const BODY: &str = "b.body";

const KEPT: &str = "d.expired = 0";
const EXPIRED: &str = "d.expired = 1";

impl SqliteStore {
    pub(crate) async fn attempt_rows(&self, query: &Query) -> Result<Vec<AttemptRow>, ReadError> {
        Ok(query_as(query).fetch_all(&self.readers).await?)
    }

    /// Reads one number, if there is one.
    pub(crate) async fn number(&self, query: &Query) -> Result<Option<i64>, ReadError> {
        let number: Option<(i64,)> = query_as(query).fetch_optional(&self.readers).await?;
        Ok(number.map(|(number,)| number))
    }

    pub(crate) async fn plan(&self, query: &Query) -> Result<Vec<String>, ReadError> {
        let query = Query {
            text: format!("explain query plan {}", query.text),
            values: query.values.clone(),
        };
        let steps: Vec<(i64, i64, i64, String)> = query_as(&query).fetch_all(&self.readers).await?;
        Ok(steps.into_iter().map(|(.., step)| step).collect())
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
        BodyRow<T>: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let mut query: QueryBuilder<sqlx::Sqlite> =
            QueryBuilder::new("with key (organisation_id, event_id, body_hash) as (");
        query.push_values(keys, |mut row, (organisation, event, hash)| {
            row.push_bind(organisation.as_str())
                .push_bind(event.as_str())
                .push_bind(hash.as_bytes().as_slice());
        });
        query.push(") select key.organisation_id, key.event_id, key.body_hash, ");
        query.push(value);
        // A cross join is taken in the order in which it is written: from the keys to the table. A body that
        // was accepted on several days is read once.
        query.push(
            " as value from key cross join event_bodies b on b.rowid = (select d.rowid from event_bodies d \
             where d.organisation_id = key.organisation_id and d.event_id = key.event_id \
             and d.body_hash = key.body_hash and ",
        );
        query.push(condition).push(" limit 1)");
        let rows: Vec<BodyRow<T>> = query.build_query_as().fetch_all(&self.readers).await?;
        rows.into_iter().map(BodyRow::entry).collect()
    }
}

pub(super) fn query_as<T: for<'r> FromRow<'r, SqliteRow>>(
    query: &Query,
) -> QueryAs<'_, sqlx::Sqlite, T, SqliteArguments> {
    let text = AssertSqlSafe(query.text.clone());
    query
        .values
        .iter()
        .fold(sqlx::query_as(text), |query, value| match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::Time(time) => query.bind(time.millis()),
            Value::Bytes(bytes) => query.bind(bytes.as_slice()),
        })
}

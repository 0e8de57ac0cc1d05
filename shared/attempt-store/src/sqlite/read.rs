//! Reading from SQLite.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use domain::name::OrganisationId;
use sqlx::{
    AssertSqlSafe, FromRow, QueryBuilder,
    query::QueryAs,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::SqliteStore;
use crate::{
    error::ReadError,
    filter::{Filter, Page},
    page::{AttemptPage, Draft},
    record::{AttemptRow, BodyKey, BodyRow, StoredAttempt, body_key},
    select::{self, Query, Value},
};

const COLUMNS: &str = "*";

// SQLite tells the length of a body without reading it.
const LENGTH: &str = "length(b.body)";
const BODY: &str = "b.body";

impl SqliteStore {
    pub(crate) async fn attempts(
        &self,
        filter: &Filter,
        page: &Page,
    ) -> Result<AttemptPage, ReadError> {
        let count = select::count(filter);
        let (total,): (i64,) = query_as(&count).fetch_one(&self.readers).await?;
        let query = select::page(COLUMNS, filter, page);
        let rows: Vec<AttemptRow> = query_as(&query).fetch_all(&self.readers).await?;
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
        let row: Option<AttemptRow> = query_as(&query).fetch_optional(&self.readers).await?;
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
             and d.body_hash = key.body_hash limit 1)",
        );
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

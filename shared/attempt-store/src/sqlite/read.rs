//! Reading from SQLite.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use domain::{attempt::AttemptRecord, name::OrganisationId};
use sqlx::{
    AssertSqlSafe, FromRow, QueryBuilder,
    query::QueryAs,
    sqlite::{SqliteArguments, SqliteRow},
};

use super::SqliteStore;
use crate::{
    error::ReadError,
    filter::{Filter, Page},
    record::{AttemptPage, AttemptRow, BodyKey, BodyRow, StoredAttempt, body_key},
    select::{self, Query, Value},
};

const COLUMNS: &str = "*";

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
        let bodies = self.bodies(&records).await?;
        Ok(AttemptPage::new(page, total, records, &bodies))
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
        let mut query: QueryBuilder<sqlx::Sqlite> =
            QueryBuilder::new("with key (organisation_id, event_id, body_hash) as (");
        query.push_values(&keys, |mut row, (organisation, event, hash)| {
            row.push_bind(organisation.as_str())
                .push_bind(event.as_str())
                .push_bind(hash.as_bytes().as_slice());
        });
        // A cross join is taken in the order in which it is written: from the keys to the index.
        query.push(
            ") select b.organisation_id, b.event_id, b.body_hash, b.body from key cross join event_bodies b \
             on b.organisation_id = key.organisation_id and b.event_id = key.event_id \
             and b.body_hash = key.body_hash",
        );
        let rows: Vec<BodyRow> = query.build_query_as().fetch_all(&self.readers).await?;
        rows.into_iter().map(BodyRow::body).collect()
    }
}

fn query_as<T: for<'r> FromRow<'r, SqliteRow>>(
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
        })
}

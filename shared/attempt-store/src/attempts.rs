//! Reading attempts: pages of them, and single ones.
//!
//! **Invariant:** what a page and its count look at is bounded, however long the log is and whatever is asked for:
//! [`COUNT_LIMIT`] records where an index finds what the filter wants, [`LOOK_LIMIT`](crate::LOOK_LIMIT) where records
//! are passed over.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use domain::{name::OrganisationId, time::Timestamp};

use crate::{
    entry::Table,
    error::ReadError,
    filter::{COUNT_LIMIT, Cursor, Filter, Order, Page, Position},
    page::{AttemptPage, Draft, Total},
    record::{AttemptRow, BodyKey, RECORD_ID_MAX_BYTES, StoredAttempt, body_key},
    select::{self, Dialect, Query},
    store::{AttemptStore, Engine},
};

impl AttemptStore {
    /// Reads a page of attempts, each with the body that was sent.
    ///
    /// The page ends early where its bodies would exceed [`PAGE_BODY_BYTES`](crate::PAGE_BODY_BYTES). If what is
    /// asked for is rare it may be short or empty. Its cursor then leads on from there.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn attempts(&self, filter: &Filter, page: &Page) -> Result<AttemptPage, ReadError> {
        let Sight { counted, read } = self.sights(filter, page).await?;
        let engine = self.engine();
        let count = engine
            .count(&select::count(
                engine.dialect(),
                &filter.within(page.order, counted),
            ))
            .await?;
        let count = u64::try_from(count).unwrap_or_default();
        let total = Total {
            count,
            is_exact: counted.is_none() && count < COUNT_LIMIT,
        };
        let rows = engine.page(&filter.within(page.order, read), page).await?;
        let records = rows.into_iter().map(AttemptRow::stored);
        let mut draft = Draft::new(page, read, records.collect::<Result<_, _>>()?);
        let keys = draft.keys();
        let lengths = engine.lengths(&keys).await?;
        let expired = engine.expired(&without(&keys, &lengths)).await?;
        let bodies = engine.bodies(&draft.cut(&lengths)).await?;
        let mut page = draft.complete(total, &bodies, &expired);
        self.mark_erased(&mut page.records).await?;
        Ok(page)
    }

    /// Reads one attempt of an organisation.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn attempt(
        &self,
        organisation: &OrganisationId,
        id: &str,
    ) -> Result<Option<StoredAttempt>, ReadError> {
        if id.len() > RECORD_ID_MAX_BYTES || id.contains('\0') {
            return Ok(None);
        }
        let engine = self.engine();
        let row = engine.one(organisation, id).await?;
        let Some(stored) = row.map(AttemptRow::stored).transpose()? else {
            return Ok(None);
        };
        let keys = HashSet::from([body_key(&stored.record)]);
        let bodies = engine.bodies(&keys).await?;
        let expired = engine.expired(&without(&keys, &bodies)).await?;
        let mut found = [stored.with_body(&bodies, &expired)];
        self.mark_erased(&mut found).await?;
        Ok(found.into_iter().next())
    }

    /// Returns how the database goes about a page and its count, one line for each step: for tests and measurements.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn explain(&self, filter: &Filter, page: &Page) -> Result<Vec<Plan>, ReadError> {
        let Sight { counted, read } = self.sights(filter, page).await?;
        let engine = self.engine();
        let cursor = page.after.cursor();
        let sight = select::sight(
            (engine.dialect(), engine.time_column()),
            Table::Attempts,
            filter,
            (page.order, cursor),
        );
        let asked = [
            ("sight", sight),
            (
                "count",
                Some(select::count(
                    engine.dialect(),
                    &filter.within(page.order, counted),
                )),
            ),
            (
                "page",
                Some(engine.page_query(&filter.within(page.order, read), page)),
            ),
        ];
        let mut plans = Vec::new();
        for (of, query) in asked {
            if let Some(query) = query {
                let steps = engine.plan(&query).await?;
                plans.push(Plan { of, steps });
            }
        }
        Ok(plans)
    }

    /// Returns up to where, from a place on, records are looked at; `None` if nothing lies further.
    pub(crate) async fn sight(
        &self,
        table: Table,
        filter: &Filter,
        from: (Order, Option<&Cursor>),
    ) -> Result<Option<Timestamp>, ReadError> {
        let engine = self.engine();
        match select::sight(
            (engine.dialect(), engine.time_column()),
            table,
            filter,
            from,
        ) {
            Some(query) => Ok(engine.time(&query).await?.map(Timestamp::from_millis)),
            None => Ok(None),
        }
    }

    async fn sights(&self, filter: &Filter, page: &Page) -> Result<Sight, ReadError> {
        let table = Table::Attempts;
        let counted = self.sight(table, filter, (page.order, None)).await?;
        let read = match page.after.cursor() {
            Some(cursor) => {
                let from = (page.order, Some(cursor));
                self.sight(table, filter, from).await?
            }
            None => counted,
        };
        Ok(Sight { counted, read })
    }
}

/// How the database goes about a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which: `sight`, `count` or `page`.
    pub of: &'static str,
    /// The engine's own words.
    pub steps: Vec<String>,
}

/// Up to where records are looked at for a count, and for a page.
struct Sight {
    counted: Option<Timestamp>,
    read: Option<Timestamp>,
}

impl Position {
    pub(crate) fn cursor(&self) -> Option<&Cursor> {
        match self {
            Self::Cursor(cursor) => Some(cursor),
            Self::Start | Self::Skip(_) => None,
        }
    }
}

/// Returns the keys for which nothing was found.
fn without<T>(keys: &HashSet<BodyKey>, found: &HashMap<BodyKey, T>) -> HashSet<BodyKey> {
    keys.iter()
        .filter(|key| !found.contains_key(*key))
        .cloned()
        .collect()
}

/// The questions of this file, put to either engine.
impl Engine {
    fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    fn time_column(&self) -> &'static str {
        match self {
            Self::Postgres(_) => crate::postgres::TIME,
            Self::Sqlite(_) => crate::sqlite::TIME,
        }
    }

    async fn time(&self, query: &Query) -> Result<Option<i64>, ReadError> {
        match self {
            Self::Postgres(store) => store.number(query).await,
            Self::Sqlite(store) => store.number(query).await,
        }
    }

    async fn count(&self, query: &Query) -> Result<i64, ReadError> {
        Ok(self.time(query).await?.unwrap_or_default())
    }

    fn page_query(&self, filter: &Filter, page: &Page) -> Query {
        let columns = match self {
            Self::Postgres(_) => crate::postgres::COLUMNS,
            Self::Sqlite(_) => crate::sqlite::COLUMNS,
        };
        select::page((self.dialect(), columns), filter, page)
    }

    async fn page(&self, filter: &Filter, page: &Page) -> Result<Vec<AttemptRow>, ReadError> {
        let query = self.page_query(filter, page);
        match self {
            Self::Postgres(store) => store.attempt_rows(&query).await,
            Self::Sqlite(store) => store.attempt_rows(&query).await,
        }
    }

    async fn one(
        &self,
        organisation: &OrganisationId,
        id: &str,
    ) -> Result<Option<AttemptRow>, ReadError> {
        let rows = match self {
            Self::Postgres(store) => {
                let query = select::one(crate::postgres::COLUMNS, organisation, id);
                store.attempt_rows(&query).await?
            }
            Self::Sqlite(store) => {
                let query = select::one(crate::sqlite::COLUMNS, organisation, id);
                store.attempt_rows(&query).await?
            }
        };
        Ok(rows.into_iter().next())
    }

    async fn plan(&self, query: &Query) -> Result<Vec<String>, ReadError> {
        match self {
            Self::Postgres(store) => store.plan(query).await,
            Self::Sqlite(store) => store.plan(query).await,
        }
    }

    async fn lengths(&self, keys: &HashSet<BodyKey>) -> Result<HashMap<BodyKey, i64>, ReadError> {
        match self {
            Self::Postgres(store) => store.lengths(keys).await,
            Self::Sqlite(store) => store.lengths(keys).await,
        }
    }

    async fn expired(&self, keys: &HashSet<BodyKey>) -> Result<HashSet<BodyKey>, ReadError> {
        match self {
            Self::Postgres(store) => store.expired(keys).await,
            Self::Sqlite(store) => store.expired(keys).await,
        }
    }

    pub(crate) async fn bodies(
        &self,
        keys: &HashSet<BodyKey>,
    ) -> Result<HashMap<BodyKey, Bytes>, ReadError> {
        match self {
            Self::Postgres(store) => store.bodies(keys).await,
            Self::Sqlite(store) => store.bodies(keys).await,
        }
    }
}

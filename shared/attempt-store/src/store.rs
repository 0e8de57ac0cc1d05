//! The store as its callers see it: one type over two engines.

use std::{ops::Range, time::Duration};

use domain::{attempt::AttemptRecord, job_state::StateRecord, time::Timestamp};

use crate::{
    day::Day,
    error::{Cause, OpenError, ReadError, Verdict, WriteError, verdict},
    postgres::PostgresStore,
    record::{ArchivedEvent, RECORD_ID_MAX_BYTES},
    sqlite::SqliteStore,
};

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The most connections to PostgreSQL, or of readers to SQLite (which has one writer).
    pub max_connections: u32,
    /// How long an operation waits for a free connection, or for a server that does not answer.
    pub acquire_timeout: Duration,
}

/// The attempt log and the event archive. Clones share their connections.
#[derive(Debug, Clone)]
pub struct AttemptStore(Engine);

#[derive(Debug, Clone)]
pub(crate) enum Engine {
    Postgres(PostgresStore),
    Sqlite(SqliteStore),
}

/// What a write came to. Every given row is counted once: stored, known, or refused.
#[derive(Debug, Default)]
pub struct Written {
    /// How many rows are new.
    pub stored: u64,
    /// How many rows were there already.
    pub known: u64,
    /// The rows that can never be stored.
    pub refused: Vec<Refused>,
}

/// A row that can never be stored.
#[derive(Debug)]
pub struct Refused {
    /// Its position in the slice that was given.
    pub position: usize,
    /// Why.
    pub reason: Refusal,
}

/// Why a row can never be stored.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The record's id is empty or too long.
    #[error("the record's id must be 1 to {RECORD_ID_MAX_BYTES} bytes")]
    Id,
    /// The database refuses a value.
    #[error("the database refuses a value")]
    Value(#[source] Cause),
}

impl Default for Options {
    /// Returns four connections and five seconds.
    fn default() -> Self {
        Self {
            max_connections: 4,
            acquire_timeout: Duration::from_secs(5),
        }
    }
}

impl AttemptStore {
    /// Opens `postgres://…` or `sqlite:FILE` and brings its schema up to date.
    ///
    /// Several processes may open one store at the same time. A schema that a newer version has made is
    /// accepted, so that versions can be mixed while they are rolled out.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::is_transient`] tells whether trying again may help.
    pub async fn open(url: &str, options: Options) -> Result<Self, OpenError> {
        let engine = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Engine::Postgres(PostgresStore::open(url, options).await?)
        } else if url.starts_with("sqlite:") {
            Engine::Sqlite(SqliteStore::open(url, options).await?)
        } else {
            return Err(OpenError::Url);
        };
        Ok(Self(engine))
    }

    /// Stores attempts; those whose id is known stay as they are. What the answers to an erased event said is
    /// left out.
    ///
    /// A thousand rows at a time (five thousand in SQLite) are one transaction. After an error some of these
    /// may be stored and some not; writing the same again completes it.
    ///
    /// # Errors
    /// [`WriteError`] if the database cannot be written to; a bad row is no error but a [`Refused`].
    pub async fn write(&self, attempts: &[AttemptRecord]) -> Result<Written, WriteError> {
        let erased = self
            .erased_among(attempts, |it| (&it.organisation_id, &it.event_id))
            .await?;
        let attempts = erased.without_content(attempts);
        let mut written = Written::default();
        let mut rows = well_named(&attempts, |it| &it.id, &mut written);
        // In one order everywhere, so that writers of the same records cannot wait for each other in a circle.
        rows.sort_by(|(_, a), (_, b)| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        let mut parts = Parts::of(&rows, self.rows_per_transaction(), |_| 0);
        while let Some(part) = parts.take() {
            let result = match &self.0 {
                Engine::Postgres(store) => store.insert_attempts(&part.values()).await,
                Engine::Sqlite(store) => store.insert_attempts(&part.values()).await,
            };
            parts.settle(part, result, &mut written)?;
        }
        Ok(written)
    }

    /// Stores what became of jobs besides attempts; records whose id is known stay as they are.
    ///
    /// Transactions are as those of [`AttemptStore::write`].
    ///
    /// # Errors
    /// [`WriteError`] if the database cannot be written to; a bad row is no error but a [`Refused`].
    pub async fn write_states(&self, states: &[StateRecord]) -> Result<Written, WriteError> {
        let mut written = Written::default();
        let mut rows = well_named(states, |it| &it.id, &mut written);
        rows.sort_by(|(_, a), (_, b)| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        let mut parts = Parts::of(&rows, self.rows_per_transaction(), |_| 0);
        while let Some(part) = parts.take() {
            let result = match &self.0 {
                Engine::Postgres(store) => store.insert_states(&part.values()).await,
                Engine::Sqlite(store) => store.insert_states(&part.values()).await,
            };
            parts.settle(part, result, &mut written)?;
        }
        Ok(written)
    }

    /// Keeps the bodies of events: each organisation, event id and body hash once a day. Those of an erased
    /// event count as known.
    ///
    /// Transactions are as those of [`AttemptStore::write`], and hold 16 MiB of bodies at most.
    ///
    /// # Errors
    /// [`WriteError`] if the database cannot be written to; a bad row is no error but a [`Refused`].
    pub async fn archive(&self, events: &[ArchivedEvent]) -> Result<Written, WriteError> {
        let erased = self
            .erased_among(events, |it| (&it.organisation, &it.id))
            .await?;
        let mut written = Written::default();
        let mut rows: Vec<_> = events.iter().enumerate().collect();
        rows.retain(|(_, event)| !erased.hold(event));
        written.known += u64::try_from(events.len() - rows.len()).unwrap_or_default();
        let key =
            |event: &ArchivedEvent| (event.organisation.clone(), event.id.clone(), event.hash);
        rows.sort_by_cached_key(|(_, event)| key(event));
        let mut parts = Parts::of(&rows, self.rows_per_transaction(), |event| event.body.len());
        while let Some(part) = parts.take() {
            let result = match &self.0 {
                Engine::Postgres(store) => store.insert_bodies(&part.values()).await,
                Engine::Sqlite(store) => store.insert_bodies(&part.values()).await,
            };
            parts.settle(part, result, &mut written)?;
        }
        Ok(written)
    }

    /// Drops the days of records and bodies that ended longer ago than `keep`, and returns how many.
    ///
    /// PostgreSQL drops partitions; SQLite deletes in pieces, between which other writes go on.
    ///
    /// # Errors
    /// [`WriteError`]; what was dropped before it stays dropped.
    pub async fn drop_expired(&self, now: Timestamp, keep: Duration) -> Result<u32, WriteError> {
        let dropped = match &self.0 {
            Engine::Postgres(store) => store.drop_expired(now, keep).await?,
            Engine::Sqlite(store) => store.drop_expired(now, keep).await?,
        };
        self.forget_erased(Day::first_kept(now, keep).start())
            .await?;
        Ok(dropped)
    }

    /// Returns whether the database answers.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn ping(&self) -> Result<(), ReadError> {
        match &self.0 {
            Engine::Postgres(store) => store.ping().await,
            Engine::Sqlite(store) => store.ping().await,
        }
    }

    /// Closes all connections, once those in use come back. Clones cannot be used afterwards.
    pub async fn close(&self) {
        match &self.0 {
            Engine::Postgres(store) => store.close().await,
            Engine::Sqlite(store) => store.close().await,
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0
    }

    fn rows_per_transaction(&self) -> usize {
        match &self.0 {
            Engine::Postgres(_) => 1_000,
            // A commit costs a sync of the file whatever its size.
            Engine::Sqlite(_) => 5_000,
        }
    }
}

/// Returns the records whose id can be stored, with their positions; the others are refused.
fn well_named<'a, T>(
    records: &'a [T],
    id: fn(&T) -> &String,
    written: &mut Written,
) -> Vec<(usize, &'a T)> {
    let mut rows = Vec::with_capacity(records.len());
    for (position, record) in records.iter().enumerate() {
        if (1..=RECORD_ID_MAX_BYTES).contains(&id(record).len()) {
            rows.push((position, record));
        } else {
            written.refused.push(Refused {
                position,
                reason: Refusal::Id,
            });
        }
    }
    rows
}

/// The most bytes of bodies in one transaction.
const BYTES_PER_TRANSACTION: usize = 16 * 1024 * 1024;

/// The rows of a write in parts, each one transaction; a part with a bad row is halved until the row stands alone.
struct Parts<'a, T> {
    rows: &'a [(usize, &'a T)],
    open: Vec<Range<usize>>,
}

/// Some neighbouring rows.
struct Part<'a, T> {
    rows: &'a [(usize, &'a T)],
    range: Range<usize>,
}

impl<'a, T> Parts<'a, T> {
    fn of(rows: &'a [(usize, &'a T)], max_rows: usize, size: impl Fn(&T) -> usize) -> Self {
        let mut open = Vec::new();
        let (mut start, mut bytes) = (0, 0_usize);
        for (i, (_, row)) in rows.iter().enumerate() {
            let size = size(row);
            let full = i - start >= max_rows || bytes.saturating_add(size) > BYTES_PER_TRANSACTION;
            if full && i > start {
                open.push(start..i);
                (start, bytes) = (i, 0);
            }
            bytes = bytes.saturating_add(size);
        }
        if start < rows.len() {
            open.push(start..rows.len());
        }
        open.reverse();
        Self { rows, open }
    }

    fn take(&mut self) -> Option<Part<'a, T>> {
        let range = self.open.pop()?;
        let rows = self.rows.get(range.clone())?;
        Some(Part { rows, range })
    }

    /// Counts what the database says about a part, or puts its halves back.
    fn settle(
        &mut self,
        part: Part<'a, T>,
        result: Result<u64, sqlx::Error>,
        written: &mut Written,
    ) -> Result<(), WriteError> {
        let rows = u64::try_from(part.rows.len()).unwrap_or(u64::MAX);
        match result {
            Ok(stored) => {
                written.stored += stored;
                written.known += rows.saturating_sub(stored);
            }
            Err(error) if verdict(&error) != Verdict::Row => return Err(error.into()),
            Err(error) => match part.rows {
                [(position, _)] => written.refused.push(Refused {
                    position: *position,
                    reason: Refusal::Value(error.into()),
                }),
                _ => {
                    let Range { start, end } = part.range;
                    let middle = start + (end - start) / 2;
                    self.open.extend([middle..end, start..middle]);
                }
            },
        }
        Ok(())
    }
}

impl<'a, T> Part<'a, T> {
    fn values(&self) -> Vec<&'a T> {
        self.rows.iter().map(|(_, row)| *row).collect()
    }
}

//! The partitions: made when the first row of a day comes, dropped when the day has expired.
//!
//! The names of the tables say which days they hold; nothing else keeps account of them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domain::time::Timestamp;
use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::PostgresStore;
use crate::{
    day::{Day, Days},
    error::WriteError,
};

/// The key of the advisory lock that whoever makes or drops partitions holds ("posthorn", in bytes).
const LOCK: i64 = 0x706f_7374_686f_726e;
/// A table is dropped only when nobody reads it: waiting readers would hold up everybody behind them.
const PATIENCE: &str = "set local lock_timeout = '2s'";
/// Days beyond this many are forgotten, and looked up again when they come.
const DAYS_REMEMBERED: usize = 4_096;

/// A table with partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Parent {
    Attempts,
    JobStates,
    EventBodies,
}

/// The days that are known to have a partition.
#[derive(Debug, Clone, Default)]
pub(super) struct Partitions(Arc<Mutex<HashSet<(Parent, Day)>>>);

impl Parent {
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::JobStates => "job_states",
            Self::EventBodies => "event_bodies",
        }
    }
}

impl Partitions {
    /// Makes the partitions that the days need, unless they are there.
    ///
    /// Any number of processes may do so at once: an advisory lock lets one look and make at a time.
    pub(super) async fn ensure(
        &self,
        pool: &PgPool,
        parent: Parent,
        days: impl Iterator<Item = Day>,
    ) -> Result<(), sqlx::Error> {
        let unknown: HashSet<Day> = {
            let known = self.0.lock();
            days.filter(|day| !known.contains(&(parent, *day)))
                .collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let mut transaction = pool.begin().await?;
        lock(&mut transaction).await?;
        let today = today(&mut transaction).await?;
        let mut taken = taken(&mut transaction, parent).await?;
        for day in &unknown {
            if let Some(days) = Days::around(*day, today, &taken) {
                attach(&mut transaction, parent, days).await?;
                tracing::info!(table = parent.table(), from = %days.first, to = %days.last, "partition made");
                taken.push(days);
            }
        }
        transaction.commit().await?;
        let mut known = self.0.lock();
        if known.len() > DAYS_REMEMBERED {
            known.clear();
        }
        known.extend(unknown.into_iter().map(|day| (parent, day)));
        Ok(())
    }

    /// Forgets what is known, because it has proved wrong.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }
}

impl PostgresStore {
    pub(crate) async fn drop_expired(
        &self,
        now: Timestamp,
        keep: Duration,
    ) -> Result<u32, WriteError> {
        let first_kept = Day::first_kept(now, keep);
        let mut dropped = 0;
        for parent in [Parent::Attempts, Parent::JobStates, Parent::EventBodies] {
            let mut connection = self.pool.acquire().await?;
            let expired = taken(&mut connection, parent).await?;
            drop(connection);
            for days in expired.into_iter().filter(|days| days.last < first_kept) {
                self.drop_partition(parent, days).await?;
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    async fn drop_partition(&self, parent: Parent, days: Days) -> Result<(), WriteError> {
        let statement = format!("drop table if exists {}", days.table(parent.table()));
        let mut transaction = self.pool.begin().await?;
        lock(&mut transaction).await?;
        sqlx::query(PATIENCE).execute(&mut *transaction).await?;
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.partitions.forget();
        tracing::info!(table = parent.table(), from = %days.first, to = %days.last, "partition dropped");
        Ok(())
    }
}

async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns the server's day, so that all processes agree on what is near.
async fn today(connection: &mut PgConnection) -> Result<Day, sqlx::Error> {
    let (number,): (i32,) =
        sqlx::query_as("select floor(extract(epoch from now()) / 86400)::integer")
            .fetch_one(connection)
            .await?;
    Ok(Day::from_number(number))
}

/// Returns the days that have a partition.
pub(super) async fn taken(
    connection: &mut PgConnection,
    parent: Parent,
) -> Result<Vec<Days>, sqlx::Error> {
    let rows: Vec<(String,)> = sqlx::query_as(
        "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid \
         where i.inhparent = $1::regclass order by 1",
    )
    .bind(parent.table())
    .fetch_all(connection)
    .await?;
    Ok(rows
        .iter()
        .filter_map(|(table,)| Days::of_table(parent.table(), table))
        .collect())
}

/// Makes a partition: attaching a finished table holds up neither readers nor writers, as creating one in
/// place would.
async fn attach(
    connection: &mut PgConnection,
    parent: Parent,
    days: Days,
) -> Result<(), sqlx::Error> {
    let (parent, table) = (parent.table(), days.table(parent.table()));
    let first = bound(Some(days.first));
    let behind = bound(days.last.next());
    for statement in [
        format!("create table {table} (like {parent} including all)"),
        format!(
            "alter table {parent} attach partition {table} for values from ({first}) to ({behind})"
        ),
    ] {
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Returns the midnight at which a day begins, as a partition's bound.
fn bound(day: Option<Day>) -> String {
    day.map_or_else(
        || "maxvalue".to_owned(),
        |day| format!("'{day} 00:00:00+00'"),
    )
}

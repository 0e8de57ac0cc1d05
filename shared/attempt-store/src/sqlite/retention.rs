//! Deleting days that have expired from SQLite, in pieces small enough to let writers in between.

use std::time::Duration;

use domain::time::Timestamp;

use super::SqliteStore;
use crate::{day::Day, error::WriteError};

// In all of these `$1` is the first day that stays, in the column's own unit.
// The tables that keep days by the time of their records, each with its oldest and with what deletes.
const RECORDS: [(&str, &str); 2] = [
    (
        "select min(created_at) from attempts",
        "delete from attempts where rowid in \
         (select rowid from attempts where created_at < $1 order by created_at limit 1000)",
    ),
    (
        "select min(created_at) from job_states",
        "delete from job_states where rowid in \
         (select rowid from job_states where created_at < $1 order by created_at limit 1000)",
    ),
];
const OLDEST_BODY: &str = "select min(accepted_on) from event_bodies";

const DELETE_BODIES: &str = "delete from event_bodies where rowid in \
    (select rowid from event_bodies where accepted_on < $1 order by accepted_on limit 1000)";

impl SqliteStore {
    pub(crate) async fn drop_expired(
        &self,
        now: Timestamp,
        keep: Duration,
    ) -> Result<u32, WriteError> {
        let first_kept = Day::first_kept(now, keep);
        let mut dropped = 0;
        for (oldest, delete) in RECORDS {
            while let Some(oldest) = self.oldest(oldest).await? {
                let day = Day::of(Timestamp::from_millis(oldest));
                let Some(next) = day.next().filter(|_| day < first_kept) else {
                    break;
                };
                self.delete(delete, next.start().millis()).await?;
                dropped += 1;
            }
        }
        while let Some(oldest) = self.oldest(OLDEST_BODY).await? {
            if oldest >= i64::from(first_kept.number()) {
                break;
            }
            self.delete(DELETE_BODIES, oldest.saturating_add(1)).await?;
            dropped += 1;
        }
        Ok(dropped)
    }

    async fn oldest(&self, query: &'static str) -> Result<Option<i64>, sqlx::Error> {
        let (oldest,) = sqlx::query_as(query).fetch_one(&self.readers).await?;
        Ok(oldest)
    }

    async fn delete(&self, statement: &'static str, before: i64) -> Result<(), sqlx::Error> {
        while sqlx::query(statement)
            .bind(before)
            .execute(&self.writer)
            .await?
            .rows_affected()
            > 0
        {}
        Ok(())
    }
}

//! Erasing content in SQLite: what is deleted or changed is overwritten, in the file and in its log.

use domain::{
    name::{EventId, OrganisationId},
    time::Timestamp,
};
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};

use super::SqliteStore;
use crate::erasure::{Erased, ErasedEvent, HAS_CONTENT, NoteRow, PIECE, WITHOUT_CONTENT};

const NOTE: &str = "insert into erased_events \
    (organisation_id, event_id, bodies_until, attempts_until, erased_at) values (?, ?, ?, ?, ?) \
    on conflict (organisation_id, event_id) do update set \
    bodies_until = max(bodies_until, excluded.bodies_until), \
    attempts_until = max(attempts_until, excluded.attempts_until), \
    erased_at = max(erased_at, excluded.erased_at)";

const DELETE_BODIES: &str =
    "delete from event_bodies where organisation_id = ? and event_id = ? and accepted_at <= ?";

const FIRST_ACCEPTED: &str =
    "select min(accepted_at) from event_bodies where organisation_id = ? and event_id = ?";

impl SqliteStore {
    pub(crate) async fn erase(&self, event: &ErasedEvent<'_>) -> Result<Erased, sqlx::Error> {
        let (organisation, id) = (event.organisation.as_str(), event.event.as_str());
        sqlx::query(NOTE)
            .bind(organisation)
            .bind(id)
            .bind(event.bodies_until.millis())
            .bind(event.attempts_until.millis())
            .bind(event.asked_at.millis())
            .execute(&self.writer)
            .await?;
        let bodies = sqlx::query(DELETE_BODIES)
            .bind(organisation)
            .bind(id)
            .bind(event.bodies_until.millis())
            .execute(&self.writer)
            .await?
            .rows_affected();
        Ok(Erased {
            bodies,
            records: self.strip_attempts(event).await?,
            is_gone: self.empty_log().await?,
        })
    }

    async fn strip_attempts(&self, event: &ErasedEvent<'_>) -> Result<u64, sqlx::Error> {
        let statement = format!(
            "update attempts set {WITHOUT_CONTENT} where rowid in (select rowid from attempts \
             where organisation_id = ? and event_id = ? and created_at <= ? and {HAS_CONTENT} \
             order by created_at limit {PIECE})"
        );
        let mut records = 0;
        loop {
            let changed = sqlx::query(AssertSqlSafe(statement.clone()))
                .bind(event.organisation.as_str())
                .bind(event.event.as_str())
                .bind(event.attempts_until.millis())
                .execute(&self.writer)
                .await?
                .rows_affected();
            if changed == 0 {
                return Ok(records);
            }
            records += changed;
        }
    }

    /// Moves the write-ahead log into the file and empties it, so that it holds no old pages; returns whether
    /// no reader stood in the way.
    async fn empty_log(&self) -> Result<bool, sqlx::Error> {
        let (is_busy, _, _): (i64, i64, i64) = sqlx::query_as("pragma wal_checkpoint(truncate)")
            .fetch_one(&self.writer)
            .await?;
        Ok(is_busy == 0)
    }

    pub(crate) async fn first_accepted(
        &self,
        organisation: &OrganisationId,
        event: &EventId,
    ) -> Result<Option<i64>, sqlx::Error> {
        let (millis,) = sqlx::query_as(FIRST_ACCEPTED)
            .bind(organisation.as_str())
            .bind(event.as_str())
            .fetch_one(&self.readers)
            .await?;
        Ok(millis)
    }

    pub(crate) async fn is_any_erased(&self) -> Result<bool, sqlx::Error> {
        let (is_any,) = sqlx::query_as("select exists(select 1 from erased_events)")
            .fetch_one(&self.readers)
            .await?;
        Ok(is_any)
    }

    pub(crate) async fn erased(&self, keys: &[(&str, &str)]) -> Result<Vec<NoteRow>, sqlx::Error> {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("select * from erased_events where (organisation_id, event_id) in (");
        query.push_values(keys, |mut row, (organisation, event)| {
            row.push_bind((*organisation).to_owned())
                .push_bind((*event).to_owned());
        });
        query.push(")");
        query.build_query_as().fetch_all(&self.readers).await
    }

    pub(crate) async fn forget_erased(&self, before: Timestamp) -> Result<(), sqlx::Error> {
        sqlx::query("delete from erased_events where attempts_until < ?")
            .bind(before.millis())
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

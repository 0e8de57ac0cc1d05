//! Erasing content in PostgreSQL. The old versions of rows stay in the files until a vacuum.

use domain::{
    name::{EventId, OrganisationId},
    time::Timestamp,
};
use sqlx::AssertSqlSafe;

use super::{PostgresStore, timestamptz};
use crate::erasure::{Erased, ErasedEvent, HAS_CONTENT, NoteRow, PIECE, WITHOUT_CONTENT};

const NOTE: &str = "insert into erased_events \
    (organisation_id, event_id, bodies_until, attempts_until, erased_at) values ($1, $2, $3, $4, $5) \
    on conflict (organisation_id, event_id) do update set \
    bodies_until = greatest(erased_events.bodies_until, excluded.bodies_until), \
    attempts_until = greatest(erased_events.attempts_until, excluded.attempts_until), \
    erased_at = greatest(erased_events.erased_at, excluded.erased_at) \
    where (erased_events.bodies_until, erased_events.attempts_until, erased_events.erased_at) \
    is distinct from (excluded.bodies_until, excluded.attempts_until, excluded.erased_at)";

const DELETE_BODIES: &str =
    "delete from event_bodies where organisation_id = $1 and event_id = $2 and accepted_at <= $3";

const FIRST_ACCEPTED: &str = "select (extract(epoch from min(accepted_at)) * 1000)::bigint \
    from event_bodies where organisation_id = $1 and event_id = $2";

const NOTES: &str = "select e.organisation_id, e.event_id, \
    (extract(epoch from e.bodies_until) * 1000)::bigint as bodies_until, \
    (extract(epoch from e.attempts_until) * 1000)::bigint as attempts_until, \
    (extract(epoch from e.erased_at) * 1000)::bigint as erased_at \
    from unnest($1::text[], $2::text[]) as key (organisation_id, event_id) join erased_events e \
    on e.organisation_id = key.organisation_id and e.event_id = key.event_id";

impl PostgresStore {
    pub(crate) async fn erase(&self, event: &ErasedEvent<'_>) -> Result<Erased, sqlx::Error> {
        let (organisation, id) = (event.organisation.as_str(), event.event.as_str());
        sqlx::query(NOTE)
            .bind(organisation)
            .bind(id)
            .bind(timestamptz(event.bodies_until))
            .bind(timestamptz(event.attempts_until))
            .bind(timestamptz(event.asked_at))
            .execute(&self.pool)
            .await?;
        let bodies = sqlx::query(DELETE_BODIES)
            .bind(organisation)
            .bind(id)
            .bind(timestamptz(event.bodies_until))
            .execute(&self.pool)
            .await?
            .rows_affected();
        Ok(Erased {
            bodies,
            records: self.strip_attempts(event).await?,
            is_gone: true,
        })
    }

    async fn strip_attempts(&self, event: &ErasedEvent<'_>) -> Result<u64, sqlx::Error> {
        let statement = format!(
            "update attempts set {WITHOUT_CONTENT} where organisation_id = $1 and event_id = $2 \
             and (created_at, id) in (select created_at, id from attempts \
             where organisation_id = $1 and event_id = $2 and created_at <= $3 and {HAS_CONTENT} \
             order by created_at limit {PIECE})"
        );
        let mut records = 0;
        loop {
            let changed = sqlx::query(AssertSqlSafe(statement.clone()))
                .bind(event.organisation.as_str())
                .bind(event.event.as_str())
                .bind(timestamptz(event.attempts_until))
                .execute(&self.pool)
                .await?
                .rows_affected();
            if changed == 0 {
                return Ok(records);
            }
            records += changed;
        }
    }

    pub(crate) async fn first_accepted(
        &self,
        organisation: &OrganisationId,
        event: &EventId,
    ) -> Result<Option<i64>, sqlx::Error> {
        let (millis,) = sqlx::query_as(FIRST_ACCEPTED)
            .bind(organisation.as_str())
            .bind(event.as_str())
            .fetch_one(&self.pool)
            .await?;
        Ok(millis)
    }

    pub(crate) async fn is_any_erased(&self) -> Result<bool, sqlx::Error> {
        let (is_any,) = sqlx::query_as("select exists(select from erased_events)")
            .fetch_one(&self.pool)
            .await?;
        Ok(is_any)
    }

    pub(crate) async fn erased(&self, keys: &[(&str, &str)]) -> Result<Vec<NoteRow>, sqlx::Error> {
        let (organisations, events): (Vec<&str>, Vec<&str>) = keys.iter().copied().unzip();
        sqlx::query_as(NOTES)
            .bind(organisations)
            .bind(events)
            .fetch_all(&self.pool)
            .await
    }

    pub(crate) async fn forget_erased(&self, before: Timestamp) -> Result<(), sqlx::Error> {
        sqlx::query("delete from erased_events where attempts_until < $1")
            .bind(timestamptz(before))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

//! Writing to PostgreSQL: one statement for a batch, with one array for each column.

use std::borrow::Cow;

use domain::{attempt::AttemptRecord, job_state::StateRecord};
use sqlx::{Postgres, postgres::PgArguments, query::Query};

use super::{PostgresStore, partitions::Parent, timestamptz};
use crate::{
    day::Day,
    error::is_missing_partition,
    record::{ArchivedEvent, content_json, encoding_name, headers_json, storable, storable_text},
};

// The arrays are unnested in the select list: as a table function each would be copied to a tuple store first.
const INSERT_ATTEMPTS: &str = "insert into attempts (created_at, id, organisation_id, endpoint_id, \
    job_id, event_id, body_hash, event_category, event_name, attempt, triggered_by, success, error_kind, \
    error_message, url, http_method, request_headers, response_status, response_headers, response_body, \
    response_body_encoding, duration_ms, next_attempt_at, trace_id) \
    select unnest($1::timestamptz[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]), \
    unnest($5::text[]), unnest($6::text[]), unnest($7::bytea[]), unnest($8::text[]), unnest($9::text[]), \
    unnest($10::bigint[]), unnest($11::text[]), unnest($12::boolean[]), unnest($13::text[]), \
    unnest($14::text[]), unnest($15::text[]), unnest($16::text[]), unnest($17::text[]), \
    unnest($18::integer[]), unnest($19::text[]), unnest($20::text[]), unnest($21::text[]), \
    unnest($22::bigint[]), unnest($23::timestamptz[]), unnest($24::text[]) on conflict do nothing";

const INSERT_STATES: &str = "insert into job_states (created_at, id, organisation_id, endpoint_id, \
    job_id, event_id, body_hash, event_category, event_name, attempt, triggered_by, state, reason, \
    next_attempt_at) \
    select unnest($1::timestamptz[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]), \
    unnest($5::text[]), unnest($6::text[]), unnest($7::bytea[]), unnest($8::text[]), unnest($9::text[]), \
    unnest($10::bigint[]), unnest($11::text[]), unnest($12::text[]), unnest($13::text[]), \
    unnest($14::timestamptz[]) on conflict do nothing";

const INSERT_BODIES: &str = "insert into event_bodies (accepted_on, organisation_id, event_id, \
    body_hash, accepted_at, event_name, event_category, source_id, content, body) \
    select unnest($1::date[]), unnest($2::text[]), unnest($3::text[]), unnest($4::bytea[]), \
    unnest($5::timestamptz[]), unnest($6::text[]), unnest($7::text[]), unnest($8::text[]), \
    unnest($9::text[]), unnest($10::bytea[]) on conflict do nothing";

impl PostgresStore {
    pub(crate) async fn insert_attempts(
        &self,
        records: &[&AttemptRecord],
    ) -> Result<u64, sqlx::Error> {
        let days = || records.iter().map(|record| Day::of(record.created_at));
        let records: Vec<_> = records.iter().map(|record| storable(record)).collect();
        self.partitions
            .ensure(&self.pool, Parent::Attempts, days())
            .await?;
        let done = attempts_query(&records).execute(&self.pool).await;
        if !done.as_ref().is_err_and(is_missing_partition) {
            return Ok(done?.rows_affected());
        }
        // Somebody's retention dropped a partition since we last looked.
        self.partitions.forget();
        self.partitions
            .ensure(&self.pool, Parent::Attempts, days())
            .await?;
        Ok(attempts_query(&records)
            .execute(&self.pool)
            .await?
            .rows_affected())
    }

    pub(crate) async fn insert_states(&self, records: &[&StateRecord]) -> Result<u64, sqlx::Error> {
        let days = || records.iter().map(|record| Day::of(record.created_at));
        self.partitions
            .ensure(&self.pool, Parent::JobStates, days())
            .await?;
        let done = states_query(records).execute(&self.pool).await;
        if !done.as_ref().is_err_and(is_missing_partition) {
            return Ok(done?.rows_affected());
        }
        self.partitions.forget();
        self.partitions
            .ensure(&self.pool, Parent::JobStates, days())
            .await?;
        Ok(states_query(records)
            .execute(&self.pool)
            .await?
            .rows_affected())
    }

    pub(crate) async fn insert_bodies(
        &self,
        events: &[&ArchivedEvent],
    ) -> Result<u64, sqlx::Error> {
        let days = || events.iter().map(|event| Day::of(event.accepted_at));
        self.partitions
            .ensure(&self.pool, Parent::EventBodies, days())
            .await?;
        let done = bodies_query(events).execute(&self.pool).await;
        if !done.as_ref().is_err_and(is_missing_partition) {
            return Ok(done?.rows_affected());
        }
        self.partitions.forget();
        self.partitions
            .ensure(&self.pool, Parent::EventBodies, days())
            .await?;
        Ok(bodies_query(events)
            .execute(&self.pool)
            .await?
            .rows_affected())
    }
}

fn attempts_query<'q>(records: &'q [Cow<'_, AttemptRecord>]) -> Query<'q, Postgres, PgArguments> {
    /// Makes one column of all records.
    fn column<'r, T>(
        records: &'r [Cow<'_, AttemptRecord>],
        value: impl Fn(&'r AttemptRecord) -> T,
    ) -> Vec<T> {
        records.iter().map(|record| value(record)).collect()
    }
    sqlx::query(INSERT_ATTEMPTS)
        .bind(column(records, |r| timestamptz(r.created_at)))
        .bind(column(records, |r| r.id.as_str()))
        .bind(column(records, |r| r.organisation_id.as_str()))
        .bind(column(records, |r| r.webhook_config_id.as_str()))
        .bind(column(records, |r| r.job_id.as_str()))
        .bind(column(records, |r| r.event_id.as_str()))
        .bind(column(records, |r| r.body_hash.as_bytes().as_slice()))
        .bind(column(records, |r| r.event_category.as_deref()))
        .bind(column(records, |r| r.event_sub_category.as_str()))
        .bind(column(records, |r| i64::from(r.attempt)))
        .bind(column(records, |r| r.trigger.as_str()))
        .bind(column(records, |r| r.success))
        .bind(column(records, |r| r.error_kind.map(|kind| kind.as_str())))
        .bind(column(records, |r| r.error_message.as_deref()))
        .bind(column(records, |r| r.url.as_str()))
        .bind(column(records, |r| r.http_method.as_str()))
        .bind(column(records, |r| headers_json(&r.request_headers)))
        .bind(column(records, |r| r.response_status.map(i32::from)))
        .bind(column(records, |r| {
            r.response_headers.as_deref().map(headers_json)
        }))
        .bind(column(records, |r| r.response_body.as_deref()))
        .bind(column(records, |r| {
            r.response_body_encoding.map(encoding_name)
        }))
        .bind(column(records, |r| i64::from(r.duration_ms)))
        .bind(column(records, |r| r.next_attempt_at.map(timestamptz)))
        .bind(column(records, |r| r.trace_id.as_str()))
}

fn states_query<'q>(records: &'q [&StateRecord]) -> Query<'q, Postgres, PgArguments> {
    fn column<'r, T>(records: &[&'r StateRecord], value: impl Fn(&'r StateRecord) -> T) -> Vec<T> {
        records.iter().map(|record| value(record)).collect()
    }
    sqlx::query(INSERT_STATES)
        .bind(column(records, |r| timestamptz(r.created_at)))
        .bind(column(records, |r| storable_text(Some(&r.id))))
        .bind(column(records, |r| r.organisation_id.as_str()))
        .bind(column(records, |r| r.webhook_config_id.as_str()))
        .bind(column(records, |r| r.job_id.as_str()))
        .bind(column(records, |r| r.event_id.as_str()))
        .bind(column(records, |r| r.body_hash.as_bytes().as_slice()))
        .bind(column(records, |r| {
            storable_text(r.event_category.as_deref())
        }))
        .bind(column(records, |r| r.event_sub_category.as_str()))
        .bind(column(records, |r| i64::from(r.attempt)))
        .bind(column(records, |r| r.trigger.as_str()))
        .bind(column(records, |r| r.state.as_str()))
        .bind(column(records, |r| storable_text(r.reason.as_deref())))
        .bind(column(records, |r| r.next_attempt_at.map(timestamptz)))
}

fn bodies_query<'q>(events: &'q [&ArchivedEvent]) -> Query<'q, Postgres, PgArguments> {
    fn column<'e, T>(
        events: &[&'e ArchivedEvent],
        value: impl Fn(&'e ArchivedEvent) -> T,
    ) -> Vec<T> {
        events.iter().map(|event| value(event)).collect()
    }
    sqlx::query(INSERT_BODIES)
        .bind(column(events, |e| Day::of(e.accepted_at).date()))
        .bind(column(events, |e| e.organisation.as_str()))
        .bind(column(events, |e| e.id.as_str()))
        .bind(column(events, |e| e.hash.as_bytes().as_slice()))
        .bind(column(events, |e| timestamptz(e.accepted_at)))
        .bind(column(events, |e| e.name.as_str()))
        .bind(column(events, |e| storable_text(e.category.as_deref())))
        .bind(column(events, |e| storable_text(e.source_id.as_deref())))
        .bind(column(events, |e| content_json(&e.content)))
        .bind(column(events, |e| e.body.as_ref()))
}

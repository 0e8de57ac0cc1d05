//! Writing to SQLite: statements of many rows in one transaction.

use domain::attempt::AttemptRecord;
use sqlx::{QueryBuilder, Sqlite};

use super::SqliteStore;
use crate::{
    day::Day,
    record::{ArchivedEvent, encoding_name, headers_json, storable, storable_text},
};

/// Rows in one statement: more do not make it faster, and every length is a statement to keep.
const ROWS_PER_STATEMENT: usize = 50;

const INSERT_ATTEMPTS: &str = "insert into attempts (id, created_at, organisation_id, endpoint_id, \
    job_id, event_id, body_hash, event_category, event_name, attempt, triggered_by, success, error_kind, \
    error_message, url, http_method, request_headers, response_status, response_headers, response_body, \
    response_body_encoding, duration_ms, next_attempt_at, trace_id) ";

const INSERT_BODIES: &str = "insert into event_bodies (organisation_id, event_id, body_hash, \
    accepted_on, accepted_at, event_name, event_category, source_id, body) ";

impl SqliteStore {
    pub(crate) async fn insert_attempts(
        &self,
        records: &[&AttemptRecord],
    ) -> Result<u64, sqlx::Error> {
        let mut transaction = self.begin().await?;
        let mut stored = 0;
        for chunk in records.chunks(ROWS_PER_STATEMENT) {
            let mut insert = attempts_insert(chunk);
            stored += insert
                .build()
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        }
        transaction.commit().await?;
        Ok(stored)
    }

    pub(crate) async fn insert_bodies(
        &self,
        events: &[&ArchivedEvent],
    ) -> Result<u64, sqlx::Error> {
        let mut transaction = self.begin().await?;
        let mut stored = 0;
        for chunk in events.chunks(ROWS_PER_STATEMENT) {
            let mut insert = bodies_insert(chunk);
            stored += insert
                .build()
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        }
        transaction.commit().await?;
        Ok(stored)
    }
}

fn attempts_insert(records: &[&AttemptRecord]) -> QueryBuilder<Sqlite> {
    let mut insert = QueryBuilder::new(INSERT_ATTEMPTS);
    insert.push_values(records, |mut row, record| {
        let record = storable(record);
        row.push_bind(record.id.as_str())
            .push_bind(record.created_at.millis())
            .push_bind(record.organisation_id.as_str())
            .push_bind(record.webhook_config_id.as_str())
            .push_bind(record.job_id.as_str())
            .push_bind(record.event_id.as_str())
            .push_bind(record.body_hash.as_bytes().as_slice())
            .push_bind(record.event_category.as_deref())
            .push_bind(record.event_sub_category.as_str())
            .push_bind(record.attempt)
            .push_bind(record.trigger.as_str())
            .push_bind(record.success)
            .push_bind(record.error_kind.map(|kind| kind.as_str()))
            .push_bind(record.error_message.as_deref())
            .push_bind(record.url.as_str())
            .push_bind(record.http_method.as_str())
            .push_bind(headers_json(&record.request_headers))
            .push_bind(record.response_status)
            .push_bind(record.response_headers.as_deref().map(headers_json))
            .push_bind(record.response_body.as_deref())
            .push_bind(record.response_body_encoding.map(encoding_name))
            .push_bind(record.duration_ms)
            .push_bind(record.next_attempt_at.map(|time| time.millis()))
            .push_bind(record.trace_id.as_str());
    });
    insert.push(" on conflict do nothing");
    insert
}

fn bodies_insert(events: &[&ArchivedEvent]) -> QueryBuilder<Sqlite> {
    let mut insert = QueryBuilder::new(INSERT_BODIES);
    insert.push_values(events, |mut row, event| {
        row.push_bind(event.organisation.as_str())
            .push_bind(event.id.as_str())
            .push_bind(event.hash.as_bytes().as_slice())
            .push_bind(Day::of(event.accepted_at).number())
            .push_bind(event.accepted_at.millis())
            .push_bind(event.name.as_str())
            .push_bind(storable_text(event.category.as_deref()))
            .push_bind(storable_text(event.source_id.as_deref()))
            .push_bind(event.body.as_ref());
    });
    insert.push(" on conflict do nothing");
    insert
}

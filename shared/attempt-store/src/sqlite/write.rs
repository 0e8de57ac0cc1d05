//! Writing to SQLite: statements of many rows in one transaction.

use domain::{attempt::AttemptRecord, job_state::StateRecord};
use sqlx::{AssertSqlSafe, Sqlite, query::Query, sqlite::SqliteArguments};

use super::SqliteStore;
use crate::{
    day::Day,
    record::{ArchivedEvent, content_json, encoding_name, headers_json, storable, storable_text},
};

/// Rows in one statement: more do not make it faster, and every length is a statement to keep.
const ROWS_PER_STATEMENT: usize = 50;

const INSERT_ATTEMPTS: &str = "insert into attempts (id, created_at, organisation_id, endpoint_id, \
    job_id, event_id, body_hash, event_category, event_name, attempt, triggered_by, success, error_kind, \
    error_message, url, http_method, request_headers, response_status, response_headers, response_body, \
    response_body_encoding, duration_ms, next_attempt_at, trace_id)";

/// The values of one attempt, in the order of the columns.
const ATTEMPT: &str = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?),";

const INSERT_STATES: &str = "insert into job_states (id, created_at, organisation_id, endpoint_id, \
    job_id, event_id, body_hash, event_category, event_name, attempt, triggered_by, state, reason, \
    next_attempt_at)";

/// The values of one state, in the order of the columns.
const STATE: &str = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?),";

const INSERT_BODIES: &str = "insert into event_bodies (organisation_id, event_id, body_hash, \
    accepted_on, accepted_at, event_name, event_category, source_id, content, body)";

/// The values of one body, in the order of the columns.
const BODY: &str = "(?,?,?,?,?,?,?,?,?,?),";

type Insert = Query<'static, Sqlite, SqliteArguments>;

impl SqliteStore {
    pub(crate) async fn insert_attempts(
        &self,
        records: &[&AttemptRecord],
    ) -> Result<u64, sqlx::Error> {
        let mut transaction = self.begin().await?;
        let mut stored = 0;
        for chunk in records.chunks(ROWS_PER_STATEMENT) {
            stored += attempts_insert(chunk)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        }
        transaction.commit().await?;
        Ok(stored)
    }

    pub(crate) async fn insert_states(&self, records: &[&StateRecord]) -> Result<u64, sqlx::Error> {
        let mut transaction = self.begin().await?;
        let mut stored = 0;
        for chunk in records.chunks(ROWS_PER_STATEMENT) {
            stored += states_insert(chunk)
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
            stored += bodies_insert(chunk)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        }
        transaction.commit().await?;
        Ok(stored)
    }
}

fn attempts_insert(records: &[&AttemptRecord]) -> Insert {
    let insert = insert(INSERT_ATTEMPTS, ATTEMPT, records.len());
    records.iter().fold(insert, |insert, record| {
        let record = storable(record);
        insert
            .bind(record.id.as_str())
            .bind(record.created_at.millis())
            .bind(record.organisation_id.as_str())
            .bind(record.webhook_config_id.as_str())
            .bind(record.job_id.as_str())
            .bind(record.event_id.as_str())
            .bind(record.body_hash.as_bytes().as_slice())
            .bind(record.event_category.as_deref())
            .bind(record.event_sub_category.as_str())
            .bind(record.attempt)
            .bind(record.trigger.as_str())
            .bind(record.success)
            .bind(record.error_kind.map(|kind| kind.as_str()))
            .bind(record.error_message.as_deref())
            .bind(record.url.as_str())
            .bind(record.http_method.as_str())
            .bind(headers_json(&record.request_headers))
            .bind(record.response_status)
            .bind(record.response_headers.as_deref().map(headers_json))
            .bind(record.response_body.as_deref())
            .bind(record.response_body_encoding.map(encoding_name))
            .bind(record.duration_ms)
            .bind(record.next_attempt_at.map(|time| time.millis()))
            .bind(record.trace_id.as_str())
    })
}

fn states_insert(records: &[&StateRecord]) -> Insert {
    let insert = insert(INSERT_STATES, STATE, records.len());
    records.iter().fold(insert, |insert, record| {
        insert
            .bind(storable_text(Some(&record.id)))
            .bind(record.created_at.millis())
            .bind(record.organisation_id.as_str())
            .bind(record.webhook_config_id.as_str())
            .bind(record.job_id.as_str())
            .bind(record.event_id.as_str())
            .bind(record.body_hash.as_bytes().as_slice())
            .bind(storable_text(record.event_category.as_deref()))
            .bind(record.event_sub_category.as_str())
            .bind(record.attempt)
            .bind(record.trigger.as_str())
            .bind(record.state.as_str())
            .bind(storable_text(record.reason.as_deref()))
            .bind(record.next_attempt_at.map(|time| time.millis()))
    })
}

fn bodies_insert(events: &[&ArchivedEvent]) -> Insert {
    let insert = insert(INSERT_BODIES, BODY, events.len());
    events.iter().fold(insert, |insert, event| {
        insert
            .bind(event.organisation.as_str())
            .bind(event.id.as_str())
            .bind(event.hash.as_bytes().as_slice())
            .bind(Day::of(event.accepted_at).number())
            .bind(event.accepted_at.millis())
            .bind(event.name.as_str())
            .bind(storable_text(event.category.as_deref()))
            .bind(storable_text(event.source_id.as_deref()))
            .bind(content_json(&event.content))
            .bind(event.body.as_ref())
    })
}

/// Makes the statement for that many rows. Its text is put together from whole rows: value by value, writing
/// it took as long as binding the values.
fn insert(head: &'static str, row: &'static str, rows: usize) -> Insert {
    let values = row.repeat(rows);
    let values = values.strip_suffix(',').unwrap_or_default();
    sqlx::query(AssertSqlSafe(format!(
        "{head} values {values} on conflict do nothing"
    )))
}

//! Letting bodies go in SQLite, in pieces small enough to let writers in between.

use domain::{name::OrganisationId, organisation::Sweep};
use sqlx::AssertSqlSafe;

use super::SqliteStore;
use crate::{
    bodies::{Kind, PIECE},
    error::WriteError,
};

impl SqliteStore {
    pub(crate) async fn expire_bodies(
        &self,
        kind: Kind,
        organisation: &OrganisationId,
        sweep: Sweep,
    ) -> Result<u64, WriteError> {
        let statement = statement(kind);
        let (mut from, mut changed) = (sweep.from.millis(), 0);
        loop {
            let times: Vec<(i64,)> = sqlx::query_as(AssertSqlSafe(statement.clone()))
                .bind(organisation.as_str())
                .bind(from)
                .bind(sweep.before.millis())
                .fetch_all(&self.writer)
                .await?;
            let Some(latest) = times.iter().map(|(time,)| *time).max() else {
                return Ok(changed);
            };
            changed += u64::try_from(times.len()).unwrap_or_default();
            from = latest;
        }
    }
}

fn statement(kind: Kind) -> String {
    let table = match kind {
        Kind::Responses => "attempts",
        Kind::Events => "event_bodies",
    };
    let (time, is_left) = kind.columns();
    let change = kind.change("x''");
    format!(
        "update {table} set {change} where rowid in (select rowid from {table} \
         where organisation_id = $1 and {time} >= $2 and {time} < $3 and {is_left} \
         order by {time} limit {PIECE}) returning {time}"
    )
}

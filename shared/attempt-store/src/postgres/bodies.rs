//! Letting bodies go in PostgreSQL: partition by partition, since a row of one partition is found at once by its
//! place in it.

use domain::{name::OrganisationId, organisation::Sweep, time::Timestamp};
use sqlx::AssertSqlSafe;

use super::{
    PostgresStore,
    partitions::{Parent, taken},
    timestamptz,
};
use crate::{
    bodies::{Kind, PIECE},
    day::Day,
    error::WriteError,
};

impl PostgresStore {
    pub(crate) async fn expire_bodies(
        &self,
        kind: Kind,
        organisation: &OrganisationId,
        sweep: Sweep,
    ) -> Result<u64, WriteError> {
        let parent = match kind {
            Kind::Responses => Parent::Attempts,
            Kind::Events => Parent::EventBodies,
        };
        let mut connection = self.pool.acquire().await?;
        let partitions = taken(&mut connection, parent).await?;
        drop(connection);
        let (first, last) = (Day::of(sweep.from), Day::of(sweep.before));
        let mut changed = 0;
        for days in partitions {
            if days.last >= first && days.first <= last {
                let statement = statement(kind, &days.table(parent.table()));
                changed += self.expire_in(statement, organisation, sweep).await?;
            }
        }
        Ok(changed)
    }

    async fn expire_in(
        &self,
        statement: String,
        organisation: &OrganisationId,
        sweep: Sweep,
    ) -> Result<u64, WriteError> {
        let (mut from, mut changed) = (sweep.from, 0);
        loop {
            let times: Vec<(i64,)> = sqlx::query_as(AssertSqlSafe(statement.clone()))
                .bind(organisation.as_str())
                .bind(timestamptz(from))
                .bind(timestamptz(sweep.before))
                .fetch_all(&self.pool)
                .await?;
            let Some(latest) = times.iter().map(|(time,)| *time).max() else {
                return Ok(changed);
            };
            changed += u64::try_from(times.len()).unwrap_or_default();
            from = Timestamp::from_millis(latest);
        }
    }
}

fn statement(kind: Kind, table: &str) -> String {
    let (time, is_left) = kind.columns();
    let change = kind.change("''::bytea");
    format!(
        "update {table} set {change} where ctid = any(array(select ctid from {table} \
         where organisation_id = $1 and {time} >= $2 and {time} < $3 and {is_left} \
         order by {time} limit {PIECE})) and {is_left} \
         returning (extract(epoch from {time}) * 1000)::bigint"
    )
}

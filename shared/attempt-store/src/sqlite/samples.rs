//! Reading attempts of an endpoint or an organisation from SQLite for figures about it.

use domain::{
    name::{EndpointId, OrganisationId},
    statistics::Window,
    time::Timestamp,
};
use sqlx::{QueryBuilder, Sqlite};

use super::SqliteStore;
use crate::{
    error::ReadError,
    statistics::{FailingRow, SampleRow},
};

impl SqliteStore {
    pub(crate) async fn samples(
        &self,
        (organisation, endpoint): (&OrganisationId, Option<&EndpointId>),
        parts: &[Window],
        limit: usize,
    ) -> Result<Vec<SampleRow>, ReadError> {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("with part (n, low, high) as (");
        query.push_values((0_i64..).zip(parts), |mut row, (number, part)| {
            row.push_bind(number)
                .push_bind(part.from().millis())
                .push_bind(part.until().millis());
        });
        // A cross join is taken in the order in which it is written: from the parts to the table.
        query.push(
            ") select part.n as part, r.created_at as at, r.success, r.duration_ms, \
             r.triggered_by = 'test' as is_test from part cross join attempts r on r.rowid in \
             (select s.rowid from attempts s where s.organisation_id = ",
        );
        query.push_bind(organisation.as_str());
        if let Some(endpoint) = endpoint {
            query.push(" and s.endpoint_id = ");
            query.push_bind(endpoint.as_str());
        }
        query.push(format_args!(
            " and s.created_at >= part.low and s.created_at < part.high \
             order by s.created_at limit {limit})"
        ));
        Ok(query.build_query_as().fetch_all(&self.readers).await?)
    }
    pub(crate) async fn failing(
        &self,
        organisation: &OrganisationId,
        since: Timestamp,
        (read, limit): (u32, u32),
    ) -> Result<Vec<FailingRow>, ReadError> {
        let text = "select endpoint_id, count(*) as failures from (select endpoint_id from attempts \
                    where organisation_id = ? and success = false and created_at >= ? \
                    and triggered_by <> 'test' order by created_at desc limit ?) \
                    group by endpoint_id order by failures desc, endpoint_id limit ?";
        Ok(sqlx::query_as(text)
            .bind(organisation.as_str())
            .bind(since.millis())
            .bind(read)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?)
    }
}

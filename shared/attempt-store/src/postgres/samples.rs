//! Reading attempts of an endpoint or an organisation from PostgreSQL for figures about it.

use domain::{
    name::{EndpointId, OrganisationId},
    statistics::Window,
    time::Timestamp,
};
use sqlx::AssertSqlSafe;

use super::{PostgresStore, timestamptz};
use crate::{
    error::ReadError,
    statistics::{FailingRow, SampleRow},
};

impl PostgresStore {
    pub(crate) async fn samples(
        &self,
        (organisation, endpoint): (&OrganisationId, Option<&EndpointId>),
        parts: &[Window],
        limit: usize,
    ) -> Result<Vec<SampleRow>, ReadError> {
        let numbers: Vec<i64> = (0..).take(parts.len()).collect();
        let from: Vec<_> = parts.iter().map(|part| timestamptz(part.from())).collect();
        let until: Vec<_> = parts.iter().map(|part| timestamptz(part.until())).collect();
        let mut query = sqlx::query_as(AssertSqlSafe(text(endpoint.is_some(), limit)))
            .bind(organisation.as_str())
            .bind(numbers)
            .bind(from)
            .bind(until);
        if let Some(endpoint) = endpoint {
            query = query.bind(endpoint.as_str());
        }
        Ok(query.fetch_all(&self.pool).await?)
    }

    pub(crate) async fn failing(
        &self,
        organisation: &OrganisationId,
        since: Timestamp,
        (read, limit): (u32, u32),
    ) -> Result<Vec<FailingRow>, ReadError> {
        let text = "select endpoint_id, count(*) as failures from (select endpoint_id from attempts \
                    where organisation_id = $1 and success = false and created_at >= $2 \
                    and triggered_by <> 'test' order by created_at desc limit $3) as newest \
                    group by endpoint_id order by failures desc, endpoint_id limit $4";
        Ok(sqlx::query_as(text)
            .bind(organisation.as_str())
            .bind(timestamptz(since))
            .bind(i64::from(read))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?)
    }
}

/// Asks for a walk along the index of endpoints, or of organisations, for each part.
fn text(is_of_endpoint: bool, limit: usize) -> String {
    let of_endpoint = if is_of_endpoint {
        "and r.endpoint_id = $5 "
    } else {
        ""
    };
    format!(
        "select part.n as part, (extract(epoch from found.created_at) * 1000)::bigint as at, found.success, \
         found.duration_ms, found.triggered_by = 'test' as is_test \
         from unnest($2::bigint[], $3::timestamptz[], $4::timestamptz[]) as part (n, low, high) \
         cross join lateral (select created_at, success, duration_ms, triggered_by from attempts r \
         where r.organisation_id = $1 {of_endpoint}\
         and r.created_at >= part.low and r.created_at < part.high \
         order by r.created_at limit {limit}) as found"
    )
}

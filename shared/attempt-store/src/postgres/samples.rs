//! Reading attempts of an endpoint from PostgreSQL for figures about it.

use domain::{
    name::{EndpointId, OrganisationId},
    statistics::Window,
};
use sqlx::AssertSqlSafe;

use super::{PostgresStore, timestamptz};
use crate::{error::ReadError, statistics::SampleRow};

impl PostgresStore {
    pub(crate) async fn samples(
        &self,
        (organisation, endpoint): (&OrganisationId, &EndpointId),
        parts: &[Window],
        limit: usize,
    ) -> Result<Vec<SampleRow>, ReadError> {
        let numbers: Vec<i64> = (0..).take(parts.len()).collect();
        let from: Vec<_> = parts.iter().map(|part| timestamptz(part.from())).collect();
        let until: Vec<_> = parts.iter().map(|part| timestamptz(part.until())).collect();
        Ok(sqlx::query_as(AssertSqlSafe(text(limit)))
            .bind(organisation.as_str())
            .bind(endpoint.as_str())
            .bind(numbers)
            .bind(from)
            .bind(until)
            .fetch_all(&self.pool)
            .await?)
    }
}

/// Asks for a walk along the index of endpoints for each part.
fn text(limit: usize) -> String {
    format!(
        "select part.n as part, (extract(epoch from found.created_at) * 1000)::bigint as at, found.success, \
         found.duration_ms, found.triggered_by = 'test' as is_test \
         from unnest($3::bigint[], $4::timestamptz[], $5::timestamptz[]) as part (n, low, high) \
         cross join lateral (select created_at, success, duration_ms, triggered_by from attempts r \
         where r.organisation_id = $1 and r.endpoint_id = $2 \
         and r.created_at >= part.low and r.created_at < part.high \
         order by r.created_at limit {limit}) as found"
    )
}

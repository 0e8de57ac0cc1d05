//! Reading attempts of an endpoint or an organisation from PostgreSQL for figures about it.

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

//! `GET /webhooks/configs`: an organisation's configs, the oldest first.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{endpoint::Endpoint, name::OrganisationId, token::Permission};
use http_api::problem::Problem;
use serde::Deserialize;

use super::ConfigView;
use crate::{Admin, api::bounded};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "listWebhookConfigs";
/// The header with the number of all configs that were found.
const TOTAL_COUNT: &str = "x-total-count";
const LIMIT_DEFAULT: u64 = 100;
/// Together with the limit of one config this bounds the size of a page.
const LIMIT_MAX: u64 = 100;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Query {
    /// The organisation, which an operator must name; for others their own.
    #[param(value_type = Option<OrganisationId>)]
    organisation_id: Option<String>,
    /// How many a page holds.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 100)]
    limit: Option<String>,
    /// How many are left out from the beginning.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 4294967295_u32, default = 0)]
    skip: Option<String>,
    /// A text in the URL or the description, whatever its case.
    search: Option<String>,
}

/// Lists configs; `search` finds a text in URLs and descriptions, whatever its case.
#[utoipa::path(
    get,
    path = "/webhooks/configs",
    operation_id = OPERATION,
    tag = "Webhook configs",
    params(Query),
    responses(
        (status = 200, description = "The webhook configs.", body = [ConfigView<'_>], headers(("x-total-count" = u64, description = "How many there are on all pages."))),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let caller = admin.admit(&parts, Permission::ReadConfigs, OPERATION)?;
    let query: Query = http_api::query::read(parts.uri.query(), OPERATION)?;
    let organisation = admin.organisation(&caller, query.organisation_id.as_deref(), OPERATION)?;
    let limit = bounded("limit", query.limit.as_deref(), 1..=LIMIT_MAX, OPERATION)?;
    let skip = bounded(
        "skip",
        query.skip.as_deref(),
        0..=u64::from(u32::MAX),
        OPERATION,
    )?;
    let search = query.search.unwrap_or_default().to_lowercase();

    let mut found = admin.following.endpoints.of(&organisation);
    found.retain(|stored| is_found(&stored.endpoint, &search));
    let page: Vec<ConfigView<'_>> = found
        .iter()
        .skip(usize::try_from(skip.unwrap_or(0)).unwrap_or(usize::MAX))
        .take(usize::try_from(limit.unwrap_or(LIMIT_DEFAULT)).unwrap_or(usize::MAX))
        .map(|stored| ConfigView::new(&stored.endpoint, stored.revision))
        .collect();
    Ok(([(TOTAL_COUNT, found.len().to_string())], Json(page)).into_response())
}

fn is_found(endpoint: &Endpoint, search: &str) -> bool {
    let contains = |text: &str| text.to_lowercase().contains(search);
    search.is_empty()
        || contains(&endpoint.url)
        || endpoint.description.as_deref().is_some_and(contains)
}

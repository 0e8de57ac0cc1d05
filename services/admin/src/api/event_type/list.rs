//! `GET /webhooks/event-types`: the seeded event types and the organisation's own, by name.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{event_type::seed, name::OrganisationId, token::Permission};
use http_api::problem::Problem;
use serde::Deserialize;

use super::EventTypeView;
use crate::{Admin, api::bounded};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "listWebhookEventTypes";
/// The header with the number of all event types that were found.
const TOTAL_COUNT: &str = "x-total-count";
/// Together with the limit of an organisation's schemas this bounds the size of a page.
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
    /// A text in the name, the category or the description, whatever its case.
    search: Option<String>,
}

/// Lists event types; `search` finds a text in names, categories and descriptions, whatever its case.
#[utoipa::path(
    get,
    path = "/webhooks/event-types",
    operation_id = OPERATION,
    tag = "Event types",
    params(Query),
    responses(
        (status = 200, description = "The event types.", body = [EventTypeView<'_>], headers(("x-total-count" = u64, description = "How many there are on all pages."))),
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

    let own = admin.following.catalogue.of(&organisation);
    let seeds = seed::all().map(EventTypeView::of_seed);
    let own = own
        .iter()
        .filter_map(|entry| EventTypeView::of_entry(entry));
    let all: BTreeMap<&str, EventTypeView<'_>> =
        seeds.chain(own).map(|view| (view.name, view)).collect();
    let found: Vec<EventTypeView<'_>> = all
        .into_values()
        .filter(|view| view.holds(&search))
        .collect();
    let page: Vec<&EventTypeView<'_>> = found
        .iter()
        .skip(usize::try_from(skip.unwrap_or(0)).unwrap_or(usize::MAX))
        .take(usize::try_from(limit.unwrap_or(LIMIT_MAX)).unwrap_or(usize::MAX))
        .collect();
    Ok(([(TOTAL_COUNT, found.len().to_string())], Json(page)).into_response())
}

//! `GET /erasures`: an organisation's erasures, the newest first.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{
    name::{EventId, OrganisationId},
    token::Permission,
};
use http_api::problem::Problem;
use serde::Deserialize;

use super::ErasureView;
use crate::{Admin, api::bounded};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "listErasures";
const LIMIT_DEFAULT: u64 = 100;
const LIMIT_MAX: u64 = 1_000;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Query {
    /// The organisation, which an operator must name; for others their own.
    #[param(value_type = Option<OrganisationId>)]
    organisation_id: Option<String>,
    /// The event.
    event_id: Option<EventId>,
    /// How many are shown.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
}

/// Lists erasures, as this replica knows them: what changed a moment ago may not be in it yet.
#[utoipa::path(
    get,
    path = "/erasures",
    operation_id = OPERATION,
    tag = "Events",
    params(Query),
    responses(
        (status = 200, description = "The erasures, the newest first.", body = [ErasureView<'_>]),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let caller = admin.admit(&parts, Permission::EraseEvents, OPERATION)?;
    let query: Query = http_api::query::read(parts.uri.query(), OPERATION)?;
    let organisation = caller.organisation(query.organisation_id.as_deref(), OPERATION)?;
    let limit = bounded("limit", query.limit.as_deref(), 1..=LIMIT_MAX, OPERATION)?;

    let mut found = admin.erasing.of(&organisation);
    if let Some(event) = &query.event_id {
        found.retain(|stored| stored.erasure.event_id == *event);
    }
    let views: Vec<ErasureView<'_>> = found
        .iter()
        .take(usize::try_from(limit.unwrap_or(LIMIT_DEFAULT)).unwrap_or(usize::MAX))
        .map(|stored| ErasureView::new(&stored.erasure))
        .collect();
    Ok(Json(views).into_response())
}

//! `GET /webhooks/replays`: an organisation's replays, the newest first.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{
    name::{EndpointId, OrganisationId},
    token::Permission,
};
use http_api::problem::Problem;
use serde::Deserialize;

use super::ReplayView;
use crate::{Admin, api::bounded};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "listWebhookReplays";
const LIMIT_DEFAULT: u64 = 100;
/// As many as are kept of an organisation.
const LIMIT_MAX: u64 = 100;

#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Query {
    /// The organisation, which an operator must name; for others their own.
    #[param(value_type = Option<OrganisationId>)]
    organisation_id: Option<String>,
    /// The webhook config.
    webhook_config_id: Option<EndpointId>,
    /// How many a page holds.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 100)]
    limit: Option<String>,
}

/// Lists replays, as this replica knows them: what changed a moment ago may not be in it yet.
#[utoipa::path(
    get,
    path = "/webhooks/replays",
    operation_id = OPERATION,
    tag = "Replays",
    params(Query),
    responses(
        (status = 200, description = "The replays, the newest first.", body = [ReplayView<'_>]),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let caller = admin.admit(&parts, Permission::ReadLogs, OPERATION)?;
    let query: Query = http_api::query::read(parts.uri.query(), OPERATION)?;
    let organisation = admin.organisation(&caller, query.organisation_id.as_deref(), OPERATION)?;
    let limit = bounded("limit", query.limit.as_deref(), 1..=LIMIT_MAX, OPERATION)?;

    let mut found = admin.replaying.of(&organisation);
    if let Some(endpoint) = &query.webhook_config_id {
        found.retain(|stored| stored.replay.webhook_config_id == *endpoint);
    }
    let views: Vec<ReplayView<'_>> = found
        .iter()
        .take(usize::try_from(limit.unwrap_or(LIMIT_DEFAULT)).unwrap_or(usize::MAX))
        .map(|stored| ReplayView::new(&stored.replay))
        .collect();
    Ok(Json(views).into_response())
}

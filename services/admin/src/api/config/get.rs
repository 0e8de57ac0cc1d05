//! `GET /webhooks/configs/{id}`: one config.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use domain::{name::EndpointId, token::Permission};
use http_api::problem::Problem;

use super::{ConfigView, MISSING};
use crate::{
    Admin,
    api::{OrganisationQuery, PathId, path_id},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "getWebhookConfig";

/// Returns a config with its `ETag`.
#[utoipa::path(
    get,
    path = "/webhooks/configs/{id}",
    operation_id = OPERATION,
    tag = "Webhook configs",
    params(
        ("id" = EndpointId, Path, description = "The id of the webhook config."),
        OrganisationQuery,
    ),
    responses(
        (status = 200, description = "The webhook config.", body = ConfigView<'_>, headers(("etag" = String, description = "The revision, for `if-match`."))),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::ReadConfigs, OPERATION)?;
    let id = path_id(path, OPERATION, MISSING)?;
    let stored = admin.following.endpoints.get(&organisation, &id);
    let stored = stored.ok_or_else(|| Problem::not_found(OPERATION, MISSING))?;
    Ok(ConfigView::new(&stored.endpoint, stored.revision).answer())
}

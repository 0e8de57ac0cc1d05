//! `DELETE /webhooks/configs/{id}`.

use std::sync::Arc;

use axum::extract::{Request, State};
use domain::{name::EndpointId, token::Permission};
use http::StatusCode;
use http_api::problem::Problem;

use super::{MISSING, expected};
use crate::{
    Admin,
    api::{OrganisationQuery, PathId, path_id},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "deleteWebhookConfig";

/// Deletes a config, if `If-Match` allows it, and waits until it is gone everywhere.
#[utoipa::path(
    delete,
    path = "/webhooks/configs/{id}",
    operation_id = OPERATION,
    tag = "Webhook configs",
    params(
        ("id" = EndpointId, Path, description = "The id of the webhook config."),
        OrganisationQuery,
        ("if-match" = Option<String>, Header, description = "The `etag` of the webhook config: nothing is done if it was changed meanwhile."),
    ),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 409, description = "The webhook config was changed meanwhile."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<StatusCode, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let id = path_id(path, OPERATION, MISSING)?;
    let expected = expected(&parts.headers, OPERATION)?;
    let revision = admin
        .configs
        .delete(&organisation, &id, expected)
        .await
        .map_err(|refusal| refusal.problem(OPERATION, ""))?;
    admin.following.stop_in_force(revision, OPERATION).await?;
    Ok(StatusCode::NO_CONTENT)
}

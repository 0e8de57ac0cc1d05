//! `DELETE /webhooks/replays/{id}`: stops a replay.

use std::sync::Arc;

use axum::extract::{Request, State};
use domain::{name::ReplayId, token::Permission};
use http::StatusCode;
use http_api::problem::Problem;

use super::{MISSING, refused};
use crate::{
    Admin,
    api::{OrganisationQuery, PathId, path_id},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "cancelWebhookReplay";

/// Stops a replay; jobs that are made already are delivered. It stays in the list as cancelled.
#[utoipa::path(
    delete,
    path = "/webhooks/replays/{id}",
    operation_id = OPERATION,
    tag = "Replays",
    params(
        ("id" = ReplayId, Path, description = "The id of the replay."),
        OrganisationQuery,
    ),
    responses(
        (status = 204, description = "It is stopped."),
        (status = 409, description = "It is finished, or just being changed."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<StatusCode, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let id: ReplayId = path_id(path, OPERATION, MISSING)?;
    admin
        .replaying
        .cancel(&organisation, &id)
        .await
        .map_err(|refusal| refused(&refusal, OPERATION))?;
    Ok(StatusCode::NO_CONTENT)
}

//! `GET /webhooks/replays/{id}`: one replay.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{name::ReplayId, token::Permission};
use http_api::problem::Problem;

use super::{MISSING, ReplayView, refused};
use crate::{
    Admin,
    api::{OrganisationQuery, PathId, path_id},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "getWebhookReplay";

/// Returns a replay of the organisation, as it is on the broker.
#[utoipa::path(
    get,
    path = "/webhooks/replays/{id}",
    operation_id = OPERATION,
    tag = "Replays",
    params(
        ("id" = ReplayId, Path, description = "The id of the replay."),
        OrganisationQuery,
    ),
    responses(
        (status = 200, description = "The replay.", body = ReplayView<'_>),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::ReadLogs, OPERATION)?;
    let id: ReplayId = path_id(path, OPERATION, MISSING)?;
    let stored = admin
        .replaying
        .get(&organisation, &id)
        .await
        .map_err(|refusal| refused(&refusal, OPERATION))?;
    Ok(Json(ReplayView::new(&stored.replay)).into_response())
}

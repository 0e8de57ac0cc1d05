//! `DELETE /webhooks/configs/{id}`.

use std::sync::Arc;

use axum::extract::{Request, State};
use domain::token::Permission;
use http::StatusCode;
use http_api::problem::Problem;

use super::{MISSING, expected};
use crate::{
    Admin,
    api::{PathId, path_id},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "deleteWebhookConfig";

/// Deletes a config, if `If-Match` allows it, and waits until it is gone everywhere.
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

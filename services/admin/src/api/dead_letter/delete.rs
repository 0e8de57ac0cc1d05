//! `DELETE /webhooks/dead-letters/{id}`.

use std::sync::Arc;

use axum::extract::{Request, State};
use domain::token::Permission;
use http::StatusCode;
use http_api::problem::Problem;

use super::MISSING;
use crate::{
    Admin,
    api::{OrganisationQuery, PathId},
    asking::Refusal,
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "deleteWebhookDeadLetter";

/// Deletes a dead letter for good.
#[utoipa::path(
    delete,
    path = "/webhooks/dead-letters/{id}",
    operation_id = OPERATION,
    tag = "Dead letters",
    params(
        ("id" = String, Path, description = "The id of the dead letter."),
        OrganisationQuery,
    ),
    responses(
        (status = 204, description = "It is deleted."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<StatusCode, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let (letters, letter) = admin.dead_letter(&organisation, path, OPERATION).await?;
    let deleted = letters.delete(&letter.dead).await;
    if deleted.map_err(|error| Refusal::from(error).problem(OPERATION))? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found(OPERATION, MISSING))
    }
}

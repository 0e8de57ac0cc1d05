//! `POST /webhooks/dead-letters/{id}/retry`: has one dead letter attempted again.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use domain::token::Permission;
use http_api::problem::Problem;

use crate::{
    Admin,
    api::{
        OrganisationQuery, PathId,
        asked::{self, AttemptView, RetryOptions},
    },
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "retryWebhookDeadLetter";

/// Asks for an attempt. One whose job was delivered meanwhile is attempted too: who names it means it.
#[utoipa::path(
    post,
    path = "/webhooks/dead-letters/{id}/retry",
    operation_id = OPERATION,
    tag = "Dead letters",
    params(
        ("id" = String, Path, description = "The id of the dead letter."),
        OrganisationQuery,
    ),
    request_body(content = Option<RetryOptions>),
    responses(
        (status = 202, description = "The attempt that will be made.", body = AttemptView<'_>),
        (status = 409, description = "The webhook config is disabled or deleted."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let with_retries = asked::with_retries(&parts, body, OPERATION).await?;
    let (letters, letter) = admin.dead_letter(&organisation, path, OPERATION).await?;
    let job = admin
        .asking
        .retry_letter(&letters, &letter, with_retries)
        .await
        .map_err(|refusal| refusal.problem(OPERATION))?;
    Ok(asked::accepted(&job))
}

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
    api::{PathId, asked},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "retryWebhookDeadLetter";

/// Asks for an attempt. One whose job was delivered meanwhile is attempted too: who names it means it.
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

//! `POST /webhooks/logs/{id}/retry`: sends the event of a record once more.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use domain::token::Permission;
use http_api::problem::Problem;

use super::{MISSING, unreadable};
use crate::{
    Admin,
    api::{
        OrganisationQuery, PathId,
        asked::{self, AttemptView, RetryOptions},
        path_id,
    },
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "retryWebhookLog";

/// Asks for an attempt with the same bytes, numbered one past the highest of its job.
#[utoipa::path(
    post,
    path = "/webhooks/logs/{id}/retry",
    operation_id = OPERATION,
    tag = "Logs",
    params(
        ("id" = String, Path, description = "The id of the log record."),
        OrganisationQuery,
    ),
    request_body(content = Option<RetryOptions>),
    responses(
        (status = 202, description = "The attempt that will be made.", body = AttemptView<'_>),
        (status = 409, description = "The webhook config is disabled or deleted, or the event is gone."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let id: String = path_id(path, OPERATION, MISSING)?;
    let with_retries = asked::with_retries(&parts, body, OPERATION).await?;
    let stored = admin
        .store
        .attempt(&organisation, &id)
        .await
        .map_err(|error| unreadable(&error, OPERATION))?
        .ok_or_else(|| Problem::not_found(OPERATION, MISSING))?;
    let job = admin
        .asking
        .retry_record(&stored.record, with_retries)
        .await
        .map_err(|refusal| refusal.problem(OPERATION))?;
    Ok(asked::accepted(&job))
}

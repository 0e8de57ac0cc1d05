//! `POST /webhooks/configs/{id}/resume`: what waits goes on, little by little.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http_api::problem::Problem;

use crate::{Admin, api::PathId};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "resumeWebhookConfig";

/// Resumes a config.
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    admin.set_paused((path, request), false, OPERATION).await
}

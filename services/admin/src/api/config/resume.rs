//! `POST /webhooks/configs/{id}/resume`: what waits goes on, little by little.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use domain::name::EndpointId;
use http_api::problem::Problem;

use super::ConfigView;
use crate::{
    Admin,
    api::{OrganisationQuery, PathId},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "resumeWebhookConfig";

/// Resumes a config.
#[utoipa::path(
    post,
    path = "/webhooks/configs/{id}/resume",
    operation_id = OPERATION,
    tag = "Webhook configs",
    params(
        ("id" = EndpointId, Path, description = "The id of the webhook config."),
        OrganisationQuery,
        ("if-match" = Option<String>, Header, description = "The `etag` of the webhook config: nothing is done if it was changed meanwhile."),
    ),
    responses(
        (status = 200, description = "The webhook config as it is now.", body = ConfigView<'_>, headers(("etag" = String, description = "The revision, for `if-match`."))),
        (status = 409, description = "The webhook config was changed meanwhile."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    admin.set_paused((path, request), false, OPERATION).await
}

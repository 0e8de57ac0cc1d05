//! `GET /webhooks/logs/{id}`: one record.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::token::Permission;
use http_api::problem::Problem;

use super::{MISSING, RecordView, unreadable};
use crate::{
    Admin,
    api::{OrganisationQuery, PathId, path_id},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "getWebhookLog";

/// Returns a record of the organisation.
#[utoipa::path(
    get,
    path = "/webhooks/logs/{id}",
    operation_id = OPERATION,
    tag = "Logs",
    params(
        ("id" = String, Path, description = "The id of the log record."),
        OrganisationQuery,
    ),
    responses(
        (status = 200, description = "The record.", body = RecordView<'_>),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::ReadLogs, OPERATION)?;
    let id: String = path_id(path, OPERATION, MISSING)?;
    let stored = admin
        .store
        .attempt(&organisation, &id)
        .await
        .map_err(|error| unreadable(&error, OPERATION))?
        .ok_or_else(|| Problem::not_found(OPERATION, MISSING))?;
    Ok(Json(RecordView::new(&stored)).into_response())
}

//! `DELETE /webhooks/dead-letters`: deletes those that a filter wants.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::token::Permission;
use http_api::problem::Problem;
use serde::Serialize;

use super::query::{Choice, Query};
use crate::{Admin, asking::Picked};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "deleteWebhookDeadLetters";

/// What came of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DeletedDeadLetters)]
#[serde(rename_all = "camelCase")]
struct DeletedView {
    deleted: u32,
    /// Whether more may be left, for the same request with `nextCursor` as its `cursor`.
    has_more: bool,
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Deletes dead letters for good, a bounded number at a time.
#[utoipa::path(
    delete,
    path = "/webhooks/dead-letters",
    operation_id = OPERATION,
    tag = "Dead letters",
    params(Choice),
    responses(
        (status = 200, description = "How many are deleted.", body = DeletedView),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let caller = admin.admit(&parts, Permission::WriteConfigs, OPERATION)?;
    let query: Query = http_api::query::read(parts.uri.query(), OPERATION)?;
    let organisation = caller.organisation(query.organisation_id.as_deref(), OPERATION)?;
    let refused = |message: String| Problem::bad_request(OPERATION, message);
    let filter = query.deliberate_filter().map_err(refused)?;
    let picked = Picked::Filter(filter, query.place().map_err(refused)?);
    let done = admin
        .asking
        .delete_many(&organisation, &picked)
        .await
        .map_err(|refusal| refusal.problem(OPERATION))?;
    let view = DeletedView {
        deleted: done.deleted,
        has_more: done.rest.is_some(),
        next_cursor: done.rest.map(|place| place.to_string()),
    };
    Ok(Json(view).into_response())
}

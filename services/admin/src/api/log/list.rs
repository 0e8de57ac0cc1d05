//! `GET /webhooks/logs`: a page of records.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::token::Permission;
use http_api::problem::Problem;
use serde::Serialize;

use super::{RecordView, query::Query, unreadable};
use crate::Admin;

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "listWebhookLogs";

/// A page of records.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PageView<'a> {
    /// How many records there are, counted up to a bound.
    total_count: u64,
    edges: Vec<RecordView<'a>>,
    next_cursor: Option<String>,
}

/// Lists the records of the organisation that satisfy every filter, the newest first unless asked
/// otherwise.
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let caller = admin.admit(&parts, Permission::ReadLogs, OPERATION)?;
    let query: Query = http_api::query::read(parts.uri.query(), OPERATION)?;
    let organisation = caller.organisation(query.organisation_id.as_deref(), OPERATION)?;
    let refused = |message: String| Problem::bad_request(OPERATION, message);
    let filter = query.filter(organisation).map_err(refused)?;
    let page = query.page().map_err(refused)?;
    let found = admin
        .store
        .attempts(&filter, &page)
        .await
        .map_err(|error| unreadable(&error, OPERATION))?;
    let view = PageView {
        total_count: found.total_count,
        edges: found.records.iter().map(RecordView::new).collect(),
        next_cursor: found.next_cursor.map(|cursor| cursor.to_string()),
    };
    Ok(Json(view).into_response())
}

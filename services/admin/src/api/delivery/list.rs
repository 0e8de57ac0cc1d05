//! `GET /webhooks/deliveries`: a page of deliveries.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::token::Permission;
use http_api::problem::Problem;
use serde::Serialize;

use super::{DeliveryView, query::Query};
use crate::{Admin, api::log::unreadable};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "listWebhookDeliveries";

/// A page of deliveries. There is no total: where a job stands is worked out from its records, so counting
/// would read them all.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DeliveryPage)]
#[serde(rename_all = "camelCase")]
struct PageView<'a> {
    /// May be fewer than asked for, or none, though `nextCursor` leads to more.
    edges: Vec<DeliveryView<'a>>,
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Lists the deliveries of the organisation that satisfy every filter, those that began last at the top.
#[utoipa::path(
    get,
    path = "/webhooks/deliveries",
    operation_id = OPERATION,
    tag = "Deliveries",
    params(Query),
    responses(
        (status = 200, description = "A page of deliveries.", body = PageView<'_>),
    )
)]
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
    let limit = query.limit().map_err(refused)?;
    let cursor = query.cursor().map_err(refused)?;
    let found = admin
        .store
        .deliveries(&filter, limit, cursor.as_ref())
        .await
        .map_err(|error| unreadable(&error, OPERATION))?;
    let view = PageView {
        edges: found.deliveries.iter().map(DeliveryView::new).collect(),
        next_cursor: found.next_cursor.map(|cursor| cursor.to_string()),
    };
    Ok(Json(view).into_response())
}

//! `GET /webhooks/deliveries/{id}`: one delivery with its timeline.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{name::JobId, token::Permission};
use http_api::problem::Problem;
use serde::Serialize;

use super::{DeliveryView, EntryView};
use crate::{
    Admin,
    api::{OrganisationQuery, PathId, log::unreadable, path_id},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "getWebhookDelivery";
const MISSING: &str = "there is no such delivery";

/// A delivery and what happened to it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DeliveryWithTimeline)]
struct DetailView<'a> {
    #[serde(flatten)]
    delivery: DeliveryView<'a>,
    /// In order of time: the last thousand entries.
    timeline: Vec<EntryView<'a>>,
}

/// Returns a delivery of the organisation; its id is that of the job.
#[utoipa::path(
    get,
    path = "/webhooks/deliveries/{id}",
    operation_id = OPERATION,
    tag = "Deliveries",
    params(
        ("id" = JobId, Path, description = "The id of the delivery."),
        OrganisationQuery,
    ),
    responses(
        (status = 200, description = "The delivery with its timeline.", body = DetailView<'_>),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::ReadLogs, OPERATION)?;
    let job: JobId = path_id(path, OPERATION, MISSING)?;
    let found = admin
        .store
        .delivery(&organisation, &job)
        .await
        .map_err(|error| unreadable(&error, OPERATION))?
        .ok_or_else(|| Problem::not_found(OPERATION, MISSING))?;
    let view = DetailView {
        delivery: DeliveryView::new(&found.delivery),
        timeline: found.timeline.iter().map(EntryView::new).collect(),
    };
    Ok(Json(view).into_response())
}

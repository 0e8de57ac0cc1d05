//! `GET /webhooks/event-types/{name}`: one event type.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use domain::{event_type::seed, name::EventName, token::Permission};
use http_api::problem::Problem;

use super::{EventTypeView, MISSING};
use crate::{
    Admin,
    api::{OrganisationQuery, PathId, path_id},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "getWebhookEventType";

/// Returns an event type with its `ETag`: what the organisation saved, else the seed.
#[utoipa::path(
    get,
    path = "/webhooks/event-types/{name}",
    operation_id = OPERATION,
    tag = "Event types",
    params(
        ("name" = EventName, Path, description = "The name of the event type."),
        OrganisationQuery,
    ),
    responses(
        (status = 200, description = "The event type.", body = EventTypeView<'_>, headers(("etag" = String, description = "The revision, for `if-match`."))),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::ReadConfigs, OPERATION)?;
    let name: EventName = path_id(path, OPERATION, MISSING)?;
    let entry = admin.following.catalogue.get(&organisation, &name);
    let view = match &entry {
        Some(entry) => EventTypeView::of_entry(entry),
        None => seed::find(name.as_str()).map(EventTypeView::of_seed),
    };
    let view = view.ok_or_else(|| Problem::not_found(OPERATION, MISSING))?;
    Ok(view.answer())
}

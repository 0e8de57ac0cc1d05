//! `DELETE /webhooks/event-types/{name}`.

use std::sync::Arc;

use axum::extract::{Request, State};
use domain::{name::EventName, token::Permission};
use http::StatusCode;
use http_api::problem::Problem;

use super::MISSING;
use crate::{
    Admin,
    api::{OrganisationQuery, PathId, config::expected, path_id},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "deleteWebhookEventType";

/// Deletes what was saved of an event type, if `If-Match` allows it, and waits until nobody asks it any
/// more. A seeded one is then as it was at first.
#[utoipa::path(
    delete,
    path = "/webhooks/event-types/{name}",
    operation_id = OPERATION,
    tag = "Event types",
    params(
        ("name" = EventName, Path, description = "The name of the event type."),
        OrganisationQuery,
        ("if-match" = Option<String>, Header, description = "The `etag` of the event type: nothing is done if it was changed meanwhile."),
    ),
    responses(
        (status = 204, description = "It is deleted; a seeded one is as it was at first."),
        (status = 409, description = "The event type was changed meanwhile, or is seeded and was never changed."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<StatusCode, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let name: EventName = path_id(path, OPERATION, MISSING)?;
    let expected = expected(&parts.headers, OPERATION)?;
    let deleted = admin.event_types.delete(&organisation, &name, expected);
    let revision = deleted
        .await
        .map_err(|refusal| refusal.problem(OPERATION, ""))?;
    admin
        .following
        .event_types_in_force(revision, OPERATION)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

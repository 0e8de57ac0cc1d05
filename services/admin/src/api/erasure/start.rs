//! `POST /events/{id}/erase`: erases the content of an event.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::name::EventId;
use http::StatusCode;
use http_api::problem::Problem;

use super::{ErasureView, admit, refused};
use crate::{
    Admin,
    api::{OrganisationQuery, PathId, path_id},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "eraseEvent";
const MISSING: &str = "no event can have this id";

/// Erases the content of an event, everywhere: in the archive, in the records of its attempts, and in every
/// message that holds it.
///
/// It answers when the erasure is stored, whether or not there is such an event; it is done when nothing is left
/// that could bring content back, some minutes later. Records of attempts stay, without headers, bodies and
/// answers, and tell `erasedAt`. Deliveries that are not finished are given up with the reason `erased`.
/// Asking again is safe. An event that is sent again later under the same id is another event.
#[utoipa::path(
    post,
    path = "/events/{id}/erase",
    operation_id = OPERATION,
    tag = "Events",
    params(
        ("id" = EventId, Path, description = "The id of the event."),
        OrganisationQuery,
    ),
    responses(
        (status = 202, description = "The erasure, which begins at once.", body = ErasureView<'_>),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admit(&admin, &parts, OPERATION)?;
    let event: EventId = path_id(path, OPERATION, MISSING)?;
    let erasure = admin
        .erasing
        .begin(organisation, event)
        .await
        .map_err(|refusal| refused(&refusal, OPERATION))?;
    tracing::info!(
        erasure.id = %erasure.id,
        organisation.id = %erasure.organisation_id,
        event.id = %erasure.event_id,
        "erasure stored"
    );
    Ok((StatusCode::ACCEPTED, Json(ErasureView::new(&erasure))).into_response())
}

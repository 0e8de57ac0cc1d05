//! `GET /erasures/{id}`: one erasure.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::name::ErasureId;
use http_api::problem::Problem;

use super::{ErasureView, admit, refused};
use crate::{
    Admin,
    api::{OrganisationQuery, PathId, path_id},
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "getErasure";
const MISSING: &str = "there is no such erasure";

/// Returns an erasure of the organisation, as it is on the broker. It is kept for a week after it was done.
#[utoipa::path(
    get,
    path = "/erasures/{id}",
    operation_id = OPERATION,
    tag = "Events",
    params(
        ("id" = ErasureId, Path, description = "The id of the erasure."),
        OrganisationQuery,
    ),
    responses(
        (status = 200, description = "The erasure.", body = ErasureView<'_>),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admit(&admin, &parts, OPERATION)?;
    let id: ErasureId = path_id(path, OPERATION, MISSING)?;
    let erasure = admin
        .erasing
        .get(&organisation, &id)
        .await
        .map_err(|refusal| refused(&refusal, OPERATION))?;
    Ok(Json(ErasureView::new(&erasure)).into_response())
}

//! `GET /webhooks/dead-letters/{id}`: one dead letter with the event's body.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{attempt::BodyEncoding, token::Permission};
use http_api::problem::Problem;
use serde::Serialize;
use serde_json::value::RawValue;

use super::LetterView;
use crate::{
    Admin,
    api::{
        OrganisationQuery, PathId,
        log::{encoding, raw},
    },
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "getWebhookDeadLetter";

/// A dead letter and what it would send.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DeadLetterWithBody)]
#[serde(rename_all = "camelCase")]
struct DetailView<'a> {
    #[serde(flatten)]
    letter: LetterView<'a>,
    /// The producer's own text.
    #[schema(required, value_type = Option<serde_json::Value>)]
    request_body: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body_encoding: Option<BodyEncoding>,
}

/// Returns a dead letter of the organisation.
#[utoipa::path(
    get,
    path = "/webhooks/dead-letters/{id}",
    operation_id = OPERATION,
    tag = "Dead letters",
    params(
        ("id" = String, Path, description = "The id of the dead letter."),
        OrganisationQuery,
    ),
    responses(
        (status = 200, description = "The dead letter.", body = DetailView<'_>),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::ReadLogs, OPERATION)?;
    let (_, letter) = admin.dead_letter(&organisation, path, OPERATION).await?;
    let delivered = admin
        .asking
        .delivered(&organisation, std::slice::from_ref(&letter))
        .await
        .map_err(|refusal| refusal.problem(OPERATION))?;
    let view = DetailView {
        letter: LetterView::new(&letter.dead, !delivered.is_empty()),
        request_body: raw(&letter.cargo.body),
        request_body_encoding: encoding(&letter.cargo.body),
    };
    Ok(Json(view).into_response())
}

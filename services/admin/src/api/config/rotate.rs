//! `POST /webhooks/configs/{id}/secret/rotate`: gives an endpoint another signing secret, and lets earlier
//! ones sign on for a while.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{draft::RotationDraft, name::EndpointId, time::Timestamp, token::Permission};
use http::{header, request::Parts};
use http_api::{
    body::{self, Object},
    problem::Problem,
};
use serde::Serialize;

use super::{MISSING, expected};
use crate::{
    Admin,
    api::{BODY_MAX_BYTES, OrganisationQuery, PathId, path_id},
    saving::Saved,
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "rotateWebhookConfigSecret";

/// What a rotation came to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RotatedSecret)]
#[serde(rename_all = "camelCase")]
struct RotatedView<'a> {
    /// The secret that is the current one from now on; shown in this answer only.
    secret: String,
    /// The public key of the current key pair, if the endpoint has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a str>,
    /// When the last of the earlier secrets stops signing; `null` if none signs any more.
    #[schema(required)]
    old_secret_expires_at: Option<Timestamp>,
    revision: u64,
}

/// Rotates the signing secret.
///
/// By `standard`, requests are signed with the old and the new secret until the overlap is over, and with the
/// key pairs of both. A request has room for one signature by `hmac-hex` or `jwt`: it is the old secret's
/// until then, and the new one's afterwards. Giving the current secret again, with a shorter overlap, ends it sooner.
#[utoipa::path(
    post,
    path = "/webhooks/configs/{id}/secret/rotate",
    operation_id = OPERATION,
    tag = "Webhook configs",
    params(
        ("id" = EndpointId, Path, description = "The id of the webhook config."),
        OrganisationQuery,
        ("if-match" = Option<String>, Header, description = "The `etag` of the webhook config: nothing is done if it was changed meanwhile."),
    ),
    request_body(content = Option<RotationDraft>),
    responses(
        (status = 200, description = "The new secret.", body = RotatedView<'_>, headers(("etag" = String, description = "The revision, for `if-match`."))),
        (status = 409, description = "The webhook config was changed meanwhile, does not sign, or has too many secrets in use."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let id: EndpointId = path_id(path, OPERATION, MISSING)?;
    let expected = expected(&parts.headers, OPERATION)?;
    let draft = draft(&parts, body).await?;
    let saved = admin
        .configs
        .rotate(&organisation, &id, &draft, expected)
        .await
        .map_err(|refusal| refusal.problem(OPERATION, ""))?;
    // Delivery must know it too: a secret that was given away signs no longer than the answer says.
    let in_force = admin
        .following
        .stop_in_force(saved.revision, OPERATION)
        .await;
    if in_force.is_err() {
        admin.configs.not_told(std::iter::once(&saved));
    }
    in_force?;
    answer(&admin, &saved)
}

/// Reads what is asked for; without a body, or with `null`, it is the usual rotation.
async fn draft(parts: &Parts, body: Body) -> Result<RotationDraft, Problem> {
    let body = body::read(parts, body, BODY_MAX_BYTES, OPERATION).await?;
    if body.trim_ascii().is_empty() {
        return Ok(RotationDraft::default());
    }
    let draft = body::json::<Option<Object<RotationDraft>>>(&body, OPERATION)?;
    Ok(draft.map(|Object(draft)| draft).unwrap_or_default())
}

fn answer(admin: &Admin, saved: &Saved) -> Result<Response, Problem> {
    let secret = admin.configs.rotated_secret(saved);
    let view = RotatedView {
        secret: secret.ok_or_else(|| {
            Problem::internal(
                OPERATION,
                &"the secret that was just sealed can't be opened",
            )
        })?,
        public_key: saved.endpoint.public_key(),
        old_secret_expires_at: saved.endpoint.overlap_ends(),
        revision: saved.revision,
    };
    let tag = format!("\"{}\"", saved.revision);
    Ok(([(header::ETAG, tag)], Json(view)).into_response())
}

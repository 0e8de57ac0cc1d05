//! `PATCH /webhooks/configs/{id}`: changes what the request names.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use domain::{draft::ConfigDraft, name::EndpointId, token::Permission};
use http_api::{
    body::{self, Object},
    problem::Problem,
};

use super::{ConfigView, MISSING, expected};
use crate::{
    Admin,
    api::{BODY_MAX_BYTES, OrganisationQuery, PathId, path_id},
    saving::Refusal,
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "patchWebhookConfig";

/// Changes a config, if `If-Match` allows it, and waits until the change is in force.
#[utoipa::path(
    patch,
    path = "/webhooks/configs/{id}",
    operation_id = OPERATION,
    tag = "Webhook configs",
    params(
        ("id" = EndpointId, Path, description = "The id of the webhook config."),
        OrganisationQuery,
        ("if-match" = Option<String>, Header, description = "The `etag` of the webhook config: nothing is done if it was changed meanwhile."),
    ),
    request_body(content = ConfigDraft, example = json!({"isEnabled": false})),
    responses(
        (status = 200, description = "The webhook config as it is now.", body = ConfigView<'_>, headers(("etag" = String, description = "The revision, for `if-match`."))),
        (status = 409, description = "The webhook config was changed meanwhile, or its URL belongs to another one."),
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
    let body = body::read(&parts, body, BODY_MAX_BYTES, OPERATION).await?;
    let Object(draft) = body::json::<Object<ConfigDraft>>(&body, OPERATION)?;
    if draft.is_foreign_to(&organisation) {
        return Err(Refusal::Foreign.problem(OPERATION, ""));
    }
    if draft.id.as_ref().is_some_and(|named| *named != id) {
        return Err(Problem::bad_request(
            OPERATION,
            "id: must be the one in the path",
        ));
    }
    let saved = admin
        .configs
        .update(&organisation, &id, &draft, expected)
        .await
        .map_err(|refusal| refusal.problem(OPERATION, ""))?;
    admin
        .configs_in_force(std::slice::from_ref(&saved), OPERATION)
        .await?;
    Ok(ConfigView::saved(&saved, admin.configs.generated_secret(&saved)).answer())
}

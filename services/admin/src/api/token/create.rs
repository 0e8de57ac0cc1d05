//! `POST /tokens`: makes a token, whose text is shown this once.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    name::OrganisationId,
    time::Timestamp,
    token::{Permission, Role, Token, key_of},
};
use http::StatusCode;
use http_api::{
    auth::Caller,
    body::{self, Object},
    problem::Problem,
};
use lifecycle::entropy;
use serde::Deserialize;

use super::TokenView;
use crate::{
    Admin,
    api::{BODY_MAX_BYTES, OrganisationQuery},
    now,
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "createToken";
/// What the text of every token begins with, so that scanners for secrets know it.
const PREFIX: &str = "pht_";
const NAME_MAX_CHARS: usize = 200;
/// The most tokens of an organisation, expired ones included.
const TOKENS_MAX: usize = 1_000;

/// What is asked for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewToken)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    organisation_id: Option<OrganisationId>,
    #[serde(deserialize_with = "body::word")]
    role: Role,
    /// For people.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    expires_at: Option<Timestamp>,
}

/// Makes a token and waits until it is in force.
#[utoipa::path(
    post,
    path = "/tokens",
    operation_id = OPERATION,
    tag = "Tokens",
    params(OrganisationQuery),
    request_body(
        content = Wanted,
        example = json!({"organisationId": "acme", "role": "producer", "name": "Game server"})
    ),
    responses(
        (status = 201, description = "The token with its text, which is never shown again.", body = TokenView<'_>),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let caller = admin.admit(&parts, Permission::ManageTokens, OPERATION)?;
    let query: OrganisationQuery = http_api::query::read(parts.uri.query(), OPERATION)?;
    let body = body::read(&parts, body, BODY_MAX_BYTES, OPERATION).await?;
    let Object(mut wanted) = body::json::<Object<Wanted>>(&body, OPERATION)?;
    if let Some(named) = query.organisation_id.as_deref() {
        let named = caller.organisation(Some(named), OPERATION)?;
        if *wanted.organisation_id.get_or_insert_with(|| named.clone()) != named {
            let message = "organisationId: differs between query and body";
            return Err(Problem::bad_request(OPERATION, message));
        }
    }
    let organisation_id = organisation(&caller, &wanted)?;
    check(&wanted)?;
    check_room(&admin, organisation_id.as_ref())?;

    let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(entropy::bytes::<32>()));
    let token = Token {
        id: format!("tok_{}", entropy::uuid_v7()),
        organisation_id,
        role: wanted.role,
        name: wanted.name,
        created_at: now(),
        expires_at: wanted.expires_at,
    };
    let key = key_of(&text);
    let bucket = &admin.following.token_bucket;
    let revision = bucket.put(&key, &token).await.map_err(|error| {
        tracing::warn!(error = %error, "a token was not stored");
        Problem::unavailable(OPERATION, "not saved, repeat the request")
    })?;
    if let Err(problem) = admin.following.tokens_in_force(revision, OPERATION).await {
        // Nobody will ever know the text of this one.
        if let Err(error) = bucket.delete(&key).await {
            tracing::warn!(error = %error, "a token that nobody knows stays in the list");
        }
        return Err(problem);
    }
    Ok((
        StatusCode::CREATED,
        Json(TokenView::new(&token, Some(&text))),
    )
        .into_response())
}

/// Returns the organisation of the new token, if the caller may make it; an operator has none.
fn organisation(caller: &Caller, wanted: &Wanted) -> Result<Option<OrganisationId>, Problem> {
    let is_operator = caller.role() == Role::Operator;
    match (wanted.role, &wanted.organisation_id) {
        (Role::Operator, _) if !is_operator => Err(Problem::forbidden(
            OPERATION,
            "role: only an operator makes operators",
        )),
        (Role::Operator, Some(_)) => Err(Problem::bad_request(
            OPERATION,
            "organisationId: an operator has none",
        )),
        (Role::Operator, None) => Ok(None),
        (Role::Producer | Role::Viewer | Role::Admin, None) if is_operator => Err(
            Problem::bad_request(OPERATION, "organisationId: is required"),
        ),
        (Role::Producer | Role::Viewer | Role::Admin, named) => caller
            .organisation(named.as_ref().map(OrganisationId::as_str), OPERATION)
            .map(Some),
    }
}

fn check(wanted: &Wanted) -> Result<(), Problem> {
    let chars = wanted.name.chars().count();
    if wanted.name.trim().is_empty() || chars > NAME_MAX_CHARS {
        let message = format!("name: must be 1 to {NAME_MAX_CHARS} characters");
        return Err(Problem::bad_request(OPERATION, message));
    }
    if wanted.name.chars().any(char::is_control) {
        let message = "name: must hold no control characters";
        return Err(Problem::bad_request(OPERATION, message));
    }
    if wanted.expires_at.is_some_and(|end| end <= now()) {
        return Err(Problem::bad_request(
            OPERATION,
            "expiresAt: must be in the future",
        ));
    }
    Ok(())
}

/// Checks that an organisation has not too many tokens. Requests at the same moment may exceed the
/// limit by as many as they are.
fn check_room(admin: &Admin, organisation: Option<&OrganisationId>) -> Result<(), Problem> {
    let tokens = &admin.following.tokens;
    if organisation.is_some_and(|organisation| tokens.count_of(organisation) >= TOKENS_MAX) {
        let message =
            format!("body: the organisation has {TOKENS_MAX} tokens, the most there may be");
        return Err(Problem::bad_request(OPERATION, message));
    }
    Ok(())
}

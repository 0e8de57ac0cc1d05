//! `DELETE /tokens/{id}`: revokes a token.

use std::sync::Arc;

use axum::extract::{Request, State};
use domain::token::Permission;
use http::StatusCode;
use http_api::problem::Problem;

use crate::{
    Admin,
    api::{OrganisationQuery, PathId, path_id},
    operator,
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "deleteToken";
const MISSING: &str = "there is no such token";

/// Revokes a token and waits until it opens nothing any more.
#[utoipa::path(
    delete,
    path = "/tokens/{id}",
    operation_id = OPERATION,
    tag = "Tokens",
    params(
        ("id" = String, Path, description = "The id of the token."),
        OrganisationQuery,
    ),
    responses(
        (status = 204, description = "It is revoked."),
        (status = 409, description = "The token comes from configuration."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<StatusCode, Problem> {
    let (parts, _body) = request.into_parts();
    let caller = admin.admit(&parts, Permission::ManageTokens, OPERATION)?;
    let query: OrganisationQuery = http_api::query::read(parts.uri.query(), OPERATION)?;
    let own = match (caller.own_organisation(), query.organisation_id.as_deref()) {
        (None, None) => None,
        (_, named) => Some(caller.organisation(named, OPERATION)?),
    };
    let id: String = path_id(path, OPERATION, MISSING)?;
    let all = admin.following.tokens.all();
    let (key, _) = all
        .iter()
        .find(|(_, token)| token.id == id && (own.is_none() || token.organisation_id == own))
        .ok_or_else(|| Problem::not_found(OPERATION, MISSING))?;
    if id == operator::ID {
        return Err(Problem::conflict(
            OPERATION,
            "id: this token comes from configuration",
        ));
    }
    let revision = admin
        .following
        .token_bucket
        .delete(key)
        .await
        .map_err(|error| {
            tracing::warn!(error = %error, "a token was not revoked");
            Problem::unavailable(OPERATION, "not revoked, repeat the request")
        })?;
    admin.following.tokens_in_force(revision, OPERATION).await?;
    Ok(StatusCode::NO_CONTENT)
}

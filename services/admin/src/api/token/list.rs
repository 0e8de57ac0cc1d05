//! `GET /tokens`: an organisation's tokens; for an operator all of them, unless one is named.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{name::OrganisationId, token::Permission};
use http_api::{auth::Caller, problem::Problem};

use super::TokenView;
use crate::{Admin, api::OrganisationQuery};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "listTokens";

/// Lists tokens, the oldest first, expired ones included.
#[utoipa::path(
    get,
    path = "/tokens",
    operation_id = OPERATION,
    tag = "Tokens",
    params(OrganisationQuery),
    responses(
        (status = 200, description = "The tokens, the oldest first.", body = [TokenView<'_>]),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let caller = admin.admit(&parts, Permission::ManageTokens, OPERATION)?;
    let query: OrganisationQuery = http_api::query::read(parts.uri.query(), OPERATION)?;
    let wanted = wanted(&caller, query.organisation_id.as_deref())?;
    let all = admin.following.tokens.all();
    let tokens: Vec<TokenView<'_>> = all
        .iter()
        .map(|(_, token)| token.as_ref())
        .filter(|token| wanted.is_none() || token.organisation_id == wanted)
        .map(|token| TokenView::new(token, None))
        .collect();
    Ok(Json(tokens).into_response())
}

/// Returns the organisation whose tokens are wanted; `None` means all.
fn wanted(caller: &Caller, named: Option<&str>) -> Result<Option<OrganisationId>, Problem> {
    if named.is_none() && caller.own_organisation().is_none() {
        return Ok(None);
    }
    caller.organisation(named, OPERATION).map(Some)
}

//! `/tokens`: the form of a token, without its text.

mod create;
mod delete;
mod list;

use std::sync::Arc;

use axum::{Router, routing::MethodFilter};
use domain::{
    name::OrganisationId,
    time::Timestamp,
    token::{Role, Token},
};
use serde::Serialize;

use crate::{Admin, api::counted, metrics::Instruments};

/// Returns the routes of tokens.
pub(super) fn routes(instruments: &Arc<Instruments>) -> Router<Arc<Admin>> {
    let list = counted(
        instruments,
        (MethodFilter::GET, list::OPERATION),
        list::handler,
    );
    let create = counted(
        instruments,
        (MethodFilter::POST, create::OPERATION),
        create::handler,
    );
    let delete = counted(
        instruments,
        (MethodFilter::DELETE, delete::OPERATION),
        delete::handler,
    );
    Router::new()
        .route("/tokens", list.merge(create))
        .route("/tokens/{id}", delete)
}

/// A token as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenView<'a> {
    id: &'a str,
    /// Only in the answer that tells of a new token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    organisation_id: Option<&'a OrganisationId>,
    role: Role,
    name: &'a str,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl<'a> TokenView<'a> {
    fn new(token: &'a Token, text: Option<&'a str>) -> Self {
        Self {
            id: &token.id,
            token: text,
            organisation_id: token.organisation_id.as_ref(),
            role: token.role,
            name: &token.name,
            created_at: token.created_at,
            expires_at: token.expires_at,
        }
    }
}

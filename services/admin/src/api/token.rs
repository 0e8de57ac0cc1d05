//! `/tokens`: the form of a token, without its text.

mod create;
mod delete;
mod list;

use std::sync::Arc;

use domain::{
    name::OrganisationId,
    time::Timestamp,
    token::{Role, Token},
};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Admin, api::counted, metrics::Instruments};

/// Returns the routes of tokens.
pub(super) fn routes(instruments: &Arc<Instruments>) -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(counted(
            instruments,
            list::OPERATION,
            routes!(list::handler),
        ))
        .routes(counted(
            instruments,
            create::OPERATION,
            routes!(create::handler),
        ))
        .routes(counted(
            instruments,
            delete::OPERATION,
            routes!(delete::handler),
        ))
}

/// A token as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Token)]
#[serde(rename_all = "camelCase")]
struct TokenView<'a> {
    id: &'a str,
    /// Only in the answer that tells of a new token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[schema(required)]
    organisation_id: Option<&'a OrganisationId>,
    role: Role,
    name: &'a str,
    created_at: Timestamp,
    #[schema(required)]
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

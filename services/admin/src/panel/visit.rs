//! One request to a page of an organisation: who makes it, and which organisation it is about.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use domain::{
    name::OrganisationId,
    token::{Permission, Role},
};
use http::{HeaderValue, StatusCode, request::Parts};

use super::{COUNTED_AS, Panel, failure::Failure, frame::Frame, session::Signed};

/// A request to a page of an organisation, by somebody who may see that organisation.
#[derive(Debug)]
pub(super) struct Visit {
    panel: Arc<Panel>,
    signed: Signed,
    organisation: OrganisationId,
    query: String,
}

impl Visit {
    pub(super) fn panel(&self) -> &Arc<Panel> {
        &self.panel
    }

    pub(super) fn organisation(&self) -> &OrganisationId {
        &self.organisation
    }

    /// Returns the visitor's token.
    pub(super) fn credential(&self) -> &HeaderValue {
        &self.signed.credential
    }

    /// Returns the query of the page's address, without its question mark.
    pub(super) fn query(&self) -> &str {
        &self.query
    }

    pub(super) fn role(&self) -> Role {
        self.signed.caller.role()
    }

    /// Returns whether the visitor may do such things; the API decides, this is for what to show.
    pub(super) fn may(&self, permission: Permission) -> bool {
        self.role().may(permission)
    }

    /// Requires a permission for a page that reads past the API.
    pub(super) fn require(&self, permission: Permission) -> Result<(), Failure> {
        let required = self.signed.caller.require(permission, COUNTED_AS);
        required.map_err(Failure::of)
    }

    /// Returns the address of a page of the organisation; `path` begins with a slash.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base())
    }

    /// Returns what the addresses of the organisation's pages begin with.
    pub(super) fn base(&self) -> String {
        format!("/panel/o/{}", self.organisation)
    }

    /// Makes the frame of a page.
    pub(super) fn frame(&self, title: impl Into<String>, section: &'static str) -> Frame {
        Frame::new(self, title.into(), section)
    }
}

impl FromRequestParts<Arc<Panel>> for Visit {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, panel: &Arc<Panel>) -> Result<Self, Failure> {
        let signed = Signed::from_request_parts(parts, panel).await?;
        let missing = || Failure::new(StatusCode::NOT_FOUND, "There is no such organisation.");
        let params = RawPathParams::from_request_parts(parts, panel).await;
        let params = params.map_err(|_rejection| missing())?;
        let named = params.iter().find(|(name, _)| *name == "organisation");
        let (_, named) = named.ok_or_else(missing)?;
        let asked = panel
            .admin
            .organisation(&signed.caller, Some(named), COUNTED_AS);
        // A foreign organisation and none look the same from outside.
        let organisation = asked.map_err(|_problem| missing())?;
        Ok(Self {
            panel: Arc::clone(panel),
            signed,
            organisation,
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

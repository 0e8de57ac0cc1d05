//! Who is calling, and whether they may.

use std::sync::Arc;

use domain::{
    name::OrganisationId,
    time::Timestamp,
    token::{self, Permission, Role, Token},
};
use http::{HeaderMap, header};
use jetstream::token_bucket::Tokens;
use tokio::sync::watch;

use crate::problem::Problem;

/// The header that carries a token; `authorization` does too.
pub const TOKEN_HEADER: &str = "x-api-token";

/// Knows the tokens.
#[derive(Debug, Clone)]
pub struct Guard {
    tokens: Arc<Tokens>,
    /// Whether what is held of them is up to date.
    in_force: watch::Receiver<bool>,
}

/// Somebody with a live token.
#[derive(Debug, Clone)]
pub struct Caller {
    token: Arc<Token>,
}

impl Guard {
    /// Makes a guard over tokens that are up to date while `in_force` is true.
    #[must_use]
    pub fn new(tokens: Arc<Tokens>, in_force: watch::Receiver<bool>) -> Self {
        Self { tokens, in_force }
    }

    /// Finds out who is calling.
    ///
    /// # Errors
    /// 401 without a live token; 503 while the tokens held may be out of date, since one that was
    /// revoked must not pass.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        operation: &'static str,
    ) -> Result<Caller, Problem> {
        if !*self.in_force.borrow() {
            return Err(Problem::unavailable(
                operation,
                "not in touch with the broker",
            ));
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let unauthorized = || Problem::unauthorized(operation, "Unauthorized");
        let presented = token::presented(text(TOKEN_HEADER), text(header::AUTHORIZATION.as_str()))
            .ok_or_else(unauthorized)?;
        let token = self
            .tokens
            .get(&token::key_of(presented))
            .ok_or_else(unauthorized)?;
        if token.is_live(Timestamp::from_millis(lifecycle::clock::now_ms())) {
            Ok(Caller { token })
        } else {
            Err(unauthorized())
        }
    }
}

impl Caller {
    /// Returns the caller's role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.token.role
    }

    /// Returns the caller's own organisation; an operator has none.
    #[must_use]
    pub fn own_organisation(&self) -> Option<&OrganisationId> {
        self.token.organisation_id.as_ref()
    }

    /// Requires a permission.
    ///
    /// # Errors
    /// 403 if the caller's role does not have it.
    pub fn require(&self, permission: Permission, operation: &'static str) -> Result<(), Problem> {
        if self.token.role.may(permission) {
            Ok(())
        } else {
            Err(Problem::forbidden(
                operation,
                "Insufficient permissions for this operation.",
            ))
        }
    }

    /// Returns the organisation that a request is about: the caller's own, or the one that an
    /// operator names.
    ///
    /// # Errors
    /// 400 if an operator names none or the name is none; 403 if another names a foreign one.
    pub fn organisation(
        &self,
        named: Option<&str>,
        operation: &'static str,
    ) -> Result<OrganisationId, Problem> {
        let named = named
            .map(|text| {
                text.parse::<OrganisationId>().map_err(|error| {
                    Problem::bad_request(operation, format!("organisationId: {error}"))
                })
            })
            .transpose()?;
        match (&self.token.organisation_id, named) {
            (Some(own), None) => Ok(own.clone()),
            (Some(own), Some(named)) if *own == named => Ok(named),
            (Some(_), Some(_)) => Err(Problem::forbidden(
                operation,
                "organisationId: is not the token's organisation",
            )),
            (None, Some(named)) => Ok(named),
            (None, None) => Err(Problem::bad_request(
                operation,
                "organisationId: an operator must name the organisation in the query",
            )),
        }
    }
}

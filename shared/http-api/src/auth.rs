//! Who is calling, whether they may, and whether not too often.

use std::{net::SocketAddr, sync::Arc};

use axum::extract::ConnectInfo;
use domain::{
    name::OrganisationId,
    time::Timestamp,
    token::{self, Permission, Role, Token},
};
use http::{header, request::Parts};
use jetstream::{presence::Lease, token_bucket::Tokens};

use crate::{
    body::{Room, Shares},
    problem::Problem,
    rate_limit::{RateLimit, Rates},
    span,
};

/// The header that carries a token; `authorization` does too.
pub const TOKEN_HEADER: &str = "x-api-token";

/// What is told to a caller without a token.
const NOBODY: &str = "You must be logged in to access this endpoint.";
/// What is told to a caller whose token is none, or none any more.
const UNKNOWN: &str = "Unauthorized";

/// Knows the tokens.
#[derive(Debug, Clone)]
pub struct Guard {
    tokens: Arc<Tokens>,
    /// Holds while what is held of them is up to date.
    lease: Lease,
    limit: Arc<RateLimit>,
    shares: Arc<Shares>,
}

/// Somebody with a live token.
#[derive(Debug, Clone)]
pub struct Caller {
    token: Arc<Token>,
}

impl Guard {
    /// Makes a guard over tokens that are up to date while the lease holds.
    #[must_use]
    pub fn new(tokens: Arc<Tokens>, lease: Lease, rates: Rates) -> Self {
        Self {
            tokens,
            lease,
            limit: Arc::new(RateLimit::new(rates)),
            shares: Arc::default(),
        }
    }

    /// Finds out who is calling, whose share of the room for bodies the call then takes from. A call without a live token counts against its address, which the limit
    /// keeps from guessing; it keeps nobody out who has one.
    ///
    /// # Errors
    /// 401 without a live token, or 429 after too many such calls; 503 while the tokens held may be out of
    /// date, since one that was revoked must not pass.
    pub fn authenticate(&self, parts: &Parts, operation: &'static str) -> Result<Caller, Problem> {
        let text = |name: &str| {
            let value = parts.headers.get(name);
            value.and_then(|value| value.to_str().ok())
        };
        let presented = token::presented(text(TOKEN_HEADER), text(header::AUTHORIZATION.as_str()));
        let found = presented.and_then(|presented| self.tokens.get(&token::key_of(presented)));
        // Looked at after the tokens: what was read while the lease holds was current.
        if !self.lease.holds() {
            return Err(Problem::unavailable(
                operation,
                "not in touch with the broker",
            ));
        }
        let now = Timestamp::from_millis(lifecycle::clock::now_ms());
        if let Some(token) = found.filter(|token| token.is_live(now)) {
            if let (Some(room), Some(own)) =
                (parts.extensions.get::<Room>(), &token.organisation_id)
            {
                room.limit(self.shares.of(own));
            }
            span::vouch(parts);
            return Ok(Caller { token });
        }
        if let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
            self.limit
                .fail(*peer)
                .map_err(|too_much| Problem::rate_limited(operation, too_much, "unknown tokens"))?;
        }
        Err(Problem::unauthorized(
            operation,
            match presented {
                Some(_) => UNKNOWN,
                None => NOBODY,
            },
        ))
    }

    /// Counts so many `things`, such as requests, of a caller; against the limit of an organisation too, if
    /// one is given.
    ///
    /// # Errors
    /// 429 if nothing is left of a limit.
    pub fn spend(
        &self,
        caller: &Caller,
        organisation: Option<&OrganisationId>,
        (things, name): (usize, &'static str),
        operation: &'static str,
    ) -> Result<(), Problem> {
        let things = u32::try_from(things).unwrap_or(u32::MAX);
        self.limit
            .spend(&caller.token, organisation, things)
            .map_err(|too_much| Problem::rate_limited(operation, too_much, name))
    }

    /// Returns the organisation that a request is about, as [`Caller::organisation`] does, if there
    /// is such an organisation: it exists from its first token on.
    ///
    /// # Errors
    /// As [`Caller::organisation`], and 404 if an operator names one that does not exist.
    pub fn organisation(
        &self,
        caller: &Caller,
        named: Option<&str>,
        operation: &'static str,
    ) -> Result<OrganisationId, Problem> {
        let organisation = caller.organisation(named, operation)?;
        // Who has a token of it proves that it exists.
        if caller.own_organisation().is_some() || self.tokens.count_of(&organisation) > 0 {
            return Ok(organisation);
        }
        Err(Problem::not_found(
            operation,
            "organisationId: there is no such organisation",
        ))
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

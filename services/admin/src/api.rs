//! The routes, and what their handlers share.

mod asked;
mod config;
mod dead_letter;
mod delivery;
mod log;
mod replay;
mod token;

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    extract::{Request, rejection::PathRejection},
    handler::Handler,
    middleware::{self, Next},
    response::Response,
    routing::{MethodFilter, MethodRouter, on},
};
use domain::{name::OrganisationId, token::Permission};
use http::request::Parts;
use http_api::{auth::Caller, problem::Problem};

use crate::{Admin, metrics::Instruments};

/// The most bytes of a request's body.
const BODY_MAX_BYTES: usize = 1024 * 1024;

/// Returns all routes of the service.
pub(crate) fn router(admin: Arc<Admin>, instruments: &Arc<Instruments>) -> Router {
    let all = config::routes(instruments)
        .merge(token::routes(instruments))
        .merge(log::routes(instruments))
        .merge(delivery::routes(instruments))
        .merge(dead_letter::routes(instruments))
        .merge(replay::routes(instruments));
    Router::new().nest("/api/v2/admin", all).with_state(admin)
}

/// Makes a route that counts its answers.
fn counted<H, T>(
    instruments: &Arc<Instruments>,
    operation: (MethodFilter, &'static str),
    handler: H,
) -> MethodRouter<Arc<Admin>, Infallible>
where
    H: Handler<T, Arc<Admin>>,
    T: 'static,
{
    let instruments = Arc::clone(instruments);
    let (method, operation) = operation;
    on(method, handler).route_layer(middleware::from_fn(move |request: Request, next: Next| {
        let instruments = Arc::clone(&instruments);
        async move {
            let response: Response = next.run(request).await;
            instruments.answered(operation, response.status());
            response
        }
    }))
}

impl Admin {
    /// Finds out who is calling and makes sure that they may.
    fn admit(
        &self,
        parts: &Parts,
        permission: Permission,
        operation: &'static str,
    ) -> Result<Caller, Problem> {
        let caller = self.guard.authenticate(&parts.headers, operation)?;
        caller.require(permission, operation)?;
        Ok(caller)
    }

    /// As [`Admin::admit`], for an operation on one organisation, which an operator names.
    fn admit_to(
        &self,
        parts: &Parts,
        permission: Permission,
        operation: &'static str,
    ) -> Result<OrganisationId, Problem> {
        let caller = self.admit(parts, permission, operation)?;
        let query: OrganisationQuery = http_api::query::read(parts.uri.query(), operation)?;
        self.organisation(&caller, query.organisation_id.as_deref(), operation)
    }

    /// Returns the organisation that a request is about. One whose last token is gone exists as long
    /// as it has configs, so that an operator can see them off.
    fn organisation(
        &self,
        caller: &Caller,
        named: Option<&str>,
        operation: &'static str,
    ) -> Result<OrganisationId, Problem> {
        let organisation = caller.organisation(named, operation)?;
        if self.following.endpoints.of(&organisation).is_empty() {
            return self.guard.organisation(caller, named, operation);
        }
        Ok(organisation)
    }
}

/// The query of operations that take nothing else.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OrganisationQuery {
    organisation_id: Option<String>,
}

/// The id in a path, which may be percent-encoded wrongly.
type PathId = Result<axum::extract::Path<String>, PathRejection>;

/// Parses the id in a path; what is no id is nobody's.
fn path_id<T: std::str::FromStr>(
    path: PathId,
    operation: &'static str,
    missing: &'static str,
) -> Result<T, Problem> {
    path.ok()
        .and_then(|axum::extract::Path(text)| text.parse().ok())
        .ok_or_else(|| Problem::not_found(operation, missing))
}

/// Reads a number of a query within bounds.
fn bounded(
    field: &str,
    text: Option<&str>,
    bounds: std::ops::RangeInclusive<u64>,
    operation: &'static str,
) -> Result<Option<u64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.map(Some).ok_or_else(|| {
        let (from, to) = (bounds.start(), bounds.end());
        Problem::bad_request(
            operation,
            format!("{field}: must be a number from {from} to {to}"),
        )
    })
}

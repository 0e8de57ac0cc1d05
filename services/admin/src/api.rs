//! The routes, and what their handlers share.

mod asked;
mod config;
mod dead_letter;
mod delivery;
mod erasure;
mod event_type;
mod log;
mod replay;
mod settings;
mod token;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, rejection::PathRejection},
    middleware::{self, Next},
    response::Response,
};
use domain::{name::OrganisationId, token::Permission};
use http::request::Parts;
use http_api::{auth::Caller, problem::Problem};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

pub(crate) use self::log::unreadable;
use crate::{Admin, metrics::Instruments};

/// The most bytes of a request's body.
const BODY_MAX_BYTES: usize = 1024 * 1024;

/// Returns all routes of the service.
pub(crate) fn router(admin: Arc<Admin>, instruments: &Arc<Instruments>) -> Router {
    let (all, _description) = described(instruments).split_for_parts();
    all.with_state(admin)
}

/// Returns all routes with their description.
pub(crate) fn described(instruments: &Arc<Instruments>) -> OpenApiRouter<Arc<Admin>> {
    let all = config::routes(instruments)
        .merge(event_type::routes(instruments))
        .merge(token::routes(instruments))
        .merge(log::routes(instruments))
        .merge(delivery::routes(instruments))
        .merge(dead_letter::routes(instruments))
        .merge(replay::routes(instruments))
        .merge(erasure::routes(instruments))
        .merge(settings::routes(instruments));
    // What the router says of itself would be the title of the library that made it.
    OpenApiRouter::with_openapi(OpenApi::default()).nest("/api/v2/admin", all)
}

/// Makes a route that counts its answers out of a handler, whose description says its method and path.
fn counted(
    instruments: &Arc<Instruments>,
    operation: &'static str,
    (schemas, paths, route): UtoipaMethodRouter<Arc<Admin>>,
) -> UtoipaMethodRouter<Arc<Admin>> {
    let instruments = Arc::clone(instruments);
    let counting = middleware::from_fn(move |request: Request, next: Next| {
        let instruments = Arc::clone(&instruments);
        async move {
            let response: Response = next.run(request).await;
            instruments.answered(operation, response.status());
            response
        }
    });
    (schemas, paths, route.route_layer(counting))
}

/// Marks a request that a page makes in process: the page itself has been counted against the limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfPage;

impl Admin {
    /// Finds out who is calling and makes sure that they may, and not too often.
    fn admit(
        &self,
        parts: &Parts,
        permission: Permission,
        operation: &'static str,
    ) -> Result<Caller, Problem> {
        let caller = self.guard.authenticate(parts, operation)?;
        if parts.extensions.get::<OfPage>().is_none() {
            let own = caller.own_organisation();
            self.guard.spend(&caller, own, (1, "requests"), operation)?;
        }
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
    /// as it has configs or event types, so that an operator can see them off: whoever gets its name next
    /// would find them.
    pub(crate) fn organisation(
        &self,
        caller: &Caller,
        named: Option<&str>,
        operation: &'static str,
    ) -> Result<OrganisationId, Problem> {
        let organisation = caller.organisation(named, operation)?;
        let following = &self.following;
        let is_empty = following.endpoints.of(&organisation).is_empty()
            && following.catalogue.of(&organisation).is_empty();
        if is_empty {
            return self.guard.organisation(caller, named, operation);
        }
        Ok(organisation)
    }
}

/// The query of operations that take nothing else.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OrganisationQuery {
    /// The organisation, which an operator must name; for others their own.
    #[param(value_type = Option<OrganisationId>)]
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

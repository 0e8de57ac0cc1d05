//! `/erasures`: the form of an erasure, and what the operations on erasures share.

mod get;
mod list;
mod start;

use std::sync::Arc;

use domain::{
    erasure::{Counts, Erasure, State},
    name::{ErasureId, EventId, OrganisationId},
    time::Timestamp,
    token::Permission,
};
use http::request::Parts;
use http_api::problem::Problem;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Admin,
    api::{OrganisationQuery, counted},
    erasing::Refusal,
    metrics::Instruments,
};

/// Returns the routes of erasures.
pub(super) fn routes(instruments: &Arc<Instruments>) -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(counted(
            instruments,
            start::OPERATION,
            routes!(start::handler),
        ))
        .routes(counted(
            instruments,
            list::OPERATION,
            routes!(list::handler),
        ))
        .routes(counted(instruments, get::OPERATION, routes!(get::handler)))
}

/// An erasure as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Erasure)]
#[serde(rename_all = "camelCase")]
struct ErasureView<'a> {
    id: &'a ErasureId,
    organisation_id: &'a OrganisationId,
    event_id: &'a EventId,
    state: State,
    /// What was erased by now. Some of it may be counted twice.
    erased: Counts,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// When nothing was found any more for long enough; what comes late is still looked for, for a week.
    #[schema(required)]
    finished_at: Option<Timestamp>,
}

impl<'a> ErasureView<'a> {
    fn new(erasure: &'a Erasure) -> Self {
        Self {
            id: &erasure.id,
            organisation_id: &erasure.organisation_id,
            event_id: &erasure.event_id,
            state: erasure.state,
            erased: erasure.erased,
            created_at: erasure.created_at,
            updated_at: erasure.updated_at,
            finished_at: erasure.finished_at,
        }
    }
}

/// Makes sure that the caller may erase; returns the organisation. An operator may name one that has neither
/// tokens nor configs any more: its events may be there all the same.
fn admit(admin: &Admin, parts: &Parts, operation: &'static str) -> Result<OrganisationId, Problem> {
    let caller = admin.admit(parts, Permission::EraseEvents, operation)?;
    let query: OrganisationQuery = http_api::query::read(parts.uri.query(), operation)?;
    caller.organisation(query.organisation_id.as_deref(), operation)
}

/// Makes the answer to what is refused.
fn refused(refusal: &Refusal, operation: &'static str) -> Problem {
    match refusal {
        Refusal::Full | Refusal::Overfull => {
            Problem::too_many_requests(operation, refusal.to_string())
        }
        Refusal::NotFound => Problem::not_found(operation, refusal.to_string()),
        Refusal::Bucket(_) | Refusal::Streams(_) => {
            tracing::warn!(error = %refusal, operation, "the broker does not answer");
            Problem::unavailable(operation, refusal.to_string())
        }
    }
}

//! `/webhooks/replays`: the form of a replay, and what the operations on replays share.

mod cancel;
mod get;
mod list;
mod start;

use std::sync::Arc;

use domain::{
    name::{EndpointId, OrganisationId, ReplayId},
    replay::{Mode, Reason, Replay, State},
    time::Timestamp,
};
use http_api::problem::Problem;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Admin, api::counted, metrics::Instruments, replaying::Refusal};

const MISSING: &str = "there is no such replay";

/// Returns the routes of replays.
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
        .routes(counted(
            instruments,
            cancel::OPERATION,
            routes!(cancel::handler),
        ))
}

/// A replay as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Replay)]
#[serde(rename_all = "camelCase")]
struct ReplayView<'a> {
    id: &'a ReplayId,
    webhook_config_id: &'a EndpointId,
    organisation_id: &'a OrganisationId,
    mode: Mode,
    from: Timestamp,
    to: Timestamp,
    rate_per_second: u32,
    state: State,
    #[schema(required)]
    reason: Option<Reason>,
    /// The events of the range, counted up to a bound when the replay begins to run; 0 before that.
    total: u64,
    /// The events of which jobs were made.
    done: u64,
    /// The events that were looked at and left out.
    skipped: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[schema(required)]
    finished_at: Option<Timestamp>,
}

impl<'a> ReplayView<'a> {
    fn new(replay: &'a Replay) -> Self {
        Self {
            id: &replay.id,
            webhook_config_id: &replay.webhook_config_id,
            organisation_id: &replay.organisation_id,
            mode: replay.plan.mode,
            from: replay.plan.from,
            to: replay.plan.to,
            rate_per_second: replay.plan.rate_per_second,
            state: replay.state,
            reason: replay.reason,
            total: replay.total,
            done: replay.done,
            skipped: replay.skipped,
            created_at: replay.created_at,
            updated_at: replay.updated_at,
            finished_at: replay.finished_at,
        }
    }
}

/// Makes the answer to what is refused.
fn refused(refusal: &Refusal, operation: &'static str) -> Problem {
    match refusal {
        Refusal::Full => Problem::too_many_requests(operation, refusal.to_string()),
        Refusal::NotFound => Problem::not_found(operation, refusal.to_string()),
        Refusal::Finished | Refusal::Busy => Problem::conflict(operation, refusal.to_string()),
        Refusal::Bucket(error) => {
            tracing::warn!(error = %error, operation, "the replays bucket does not answer");
            Problem::unavailable(operation, refusal.to_string())
        }
    }
}

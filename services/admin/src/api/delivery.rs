//! `/webhooks/deliveries`: the form of a delivery, which is one job as people see it.

mod get;
mod list;
mod query;

use std::sync::Arc;

use attempt_store::{Attempted, Delivery, Happening, TimelineEntry};
use domain::{
    attempt::Trigger,
    job_state::{DeliveryState, JobState},
    name::{EndpointId, EventId, EventName, JobId, OrganisationId},
    outcome::ErrorKind,
    time::Timestamp,
};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Admin, api::counted, metrics::Instruments};

/// Returns the routes of deliveries.
pub(super) fn routes(instruments: &Arc<Instruments>) -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(counted(
            instruments,
            list::OPERATION,
            routes!(list::handler),
        ))
        .routes(counted(instruments, get::OPERATION, routes!(get::handler)))
}

/// A delivery as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Delivery)]
#[serde(rename_all = "camelCase")]
struct DeliveryView<'a> {
    id: &'a JobId,
    webhook_config_id: &'a EndpointId,
    organisation_id: &'a OrganisationId,
    event_id: &'a EventId,
    #[schema(required)]
    event_category: Option<&'a str>,
    event_sub_category: &'a EventName,
    state: DeliveryState,
    /// Why it is parked or was given up.
    #[schema(required)]
    reason: Option<&'a str>,
    /// How many attempts were made.
    attempts: u32,
    /// The highest attempt number.
    #[schema(required)]
    last_attempt: Option<u32>,
    #[schema(required)]
    last_attempt_at: Option<Timestamp>,
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
    #[schema(required)]
    response_status: Option<u16>,
    #[schema(required)]
    error_message: Option<&'a str>,
    #[schema(required)]
    error_kind: Option<ErrorKind>,
    created_at: Timestamp,
}

/// An entry of a timeline as the API shows it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DeliveryEntry)]
#[serde(rename_all = "camelCase")]
struct EntryView<'a> {
    /// That of an attempt is the id of its log record.
    id: &'a str,
    attempt: u32,
    trigger: Trigger,
    #[serde(flatten)]
    happening: HappeningView<'a>,
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
    created_at: Timestamp,
}

/// What happened, by its `type`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DeliveryHappening)]
#[serde(tag = "type", rename_all = "camelCase")]
enum HappeningView<'a> {
    #[serde(rename_all = "camelCase")]
    Attempt {
        success: bool,
        #[schema(required)]
        response_status: Option<u16>,
        #[schema(required)]
        error_message: Option<&'a str>,
        #[schema(required)]
        error_kind: Option<ErrorKind>,
        duration_ms: u32,
    },
    Parked {
        #[schema(required)]
        reason: Option<&'a str>,
    },
    Dead {
        #[schema(required)]
        reason: Option<&'a str>,
    },
}

impl<'a> DeliveryView<'a> {
    fn new(delivery: &'a Delivery) -> Self {
        Self {
            id: &delivery.job_id,
            webhook_config_id: &delivery.endpoint,
            organisation_id: &delivery.organisation,
            event_id: &delivery.event_id,
            event_category: delivery.event_category.as_deref(),
            event_sub_category: &delivery.event_name,
            state: delivery.state,
            reason: delivery.reason.as_deref(),
            attempts: delivery.attempts,
            last_attempt: delivery.last_attempt,
            last_attempt_at: delivery.last_attempt_at,
            next_attempt_at: delivery.next_attempt_at,
            response_status: delivery.response_status,
            error_message: delivery.error_message.as_deref(),
            error_kind: delivery.error_kind,
            created_at: delivery.created_at,
        }
    }
}

impl<'a> EntryView<'a> {
    fn new(entry: &'a TimelineEntry) -> Self {
        Self {
            id: &entry.id,
            attempt: entry.attempt,
            trigger: entry.trigger,
            happening: HappeningView::new(&entry.happening),
            next_attempt_at: entry.next_attempt_at,
            created_at: entry.created_at,
        }
    }
}

impl<'a> HappeningView<'a> {
    fn new(happening: &'a Happening) -> Self {
        match happening {
            Happening::Attempted(Attempted {
                success,
                response_status,
                error_kind,
                error_message,
                duration_ms,
            }) => Self::Attempt {
                success: *success,
                response_status: *response_status,
                error_message: error_message.as_deref(),
                error_kind: *error_kind,
                duration_ms: *duration_ms,
            },
            Happening::Became { state, reason } => {
                let reason = reason.as_deref();
                match state {
                    JobState::Parked => Self::Parked { reason },
                    JobState::Dead => Self::Dead { reason },
                }
            }
        }
    }
}

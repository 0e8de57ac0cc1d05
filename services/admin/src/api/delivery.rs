//! `/webhooks/deliveries`: the form of a delivery, which is one job as people see it.

mod get;
mod list;
mod query;

use std::sync::Arc;

use attempt_store::{Attempted, Delivery, Happening, TimelineEntry};
use axum::{Router, routing::MethodFilter};
use domain::{
    attempt::Trigger,
    job_state::{DeliveryState, JobState},
    name::{EndpointId, EventId, EventName, JobId, OrganisationId},
    outcome::ErrorKind,
    time::Timestamp,
};
use serde::Serialize;

use crate::{Admin, api::counted, metrics::Instruments};

/// Returns the routes of deliveries.
pub(super) fn routes(instruments: &Arc<Instruments>) -> Router<Arc<Admin>> {
    let list = counted(
        instruments,
        (MethodFilter::GET, list::OPERATION),
        list::handler,
    );
    let get = counted(
        instruments,
        (MethodFilter::GET, get::OPERATION),
        get::handler,
    );
    Router::new()
        .route("/webhooks/deliveries", list)
        .route("/webhooks/deliveries/{id}", get)
}

/// A delivery as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryView<'a> {
    id: &'a JobId,
    webhook_config_id: &'a EndpointId,
    organisation_id: &'a OrganisationId,
    event_id: &'a EventId,
    event_category: Option<&'a str>,
    event_sub_category: &'a EventName,
    state: DeliveryState,
    /// Why it is parked or was given up.
    reason: Option<&'a str>,
    /// How many attempts were made.
    attempts: u32,
    /// The highest attempt number.
    last_attempt: Option<u32>,
    last_attempt_at: Option<Timestamp>,
    next_attempt_at: Option<Timestamp>,
    response_status: Option<u16>,
    error_message: Option<&'a str>,
    error_kind: Option<ErrorKind>,
    created_at: Timestamp,
}

/// An entry of a timeline as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryView<'a> {
    /// That of an attempt is the id of its log record.
    id: &'a str,
    attempt: u32,
    trigger: Trigger,
    #[serde(flatten)]
    happening: HappeningView<'a>,
    next_attempt_at: Option<Timestamp>,
    created_at: Timestamp,
}

#[derive(Debug, Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum HappeningView<'a> {
    Attempt {
        success: bool,
        response_status: Option<u16>,
        error_message: Option<&'a str>,
        error_kind: Option<ErrorKind>,
        duration_ms: u32,
    },
    Parked {
        reason: Option<&'a str>,
    },
    Dead {
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

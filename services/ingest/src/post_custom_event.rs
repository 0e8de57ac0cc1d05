//! `POST /api/v2/admin/events/custom`: an event of the caller's own making, about one of its users.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use bytes::Bytes;
use domain::{
    event::{Event, Fault},
    name::{EventId, EventName, OrganisationId},
    time::Timestamp,
    token::Permission,
};
use http_api::{
    body::{self, Object},
    problem::Problem,
    query,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Ingest, post_events::Query};

/// The operation's name in errors.
const OPERATION: &str = "postEventsCustom";
/// The most bytes that the request has beyond those of the event's payload.
const FRAME_MAX_BYTES: usize = 16 * 1024;
/// The most bytes of `userId` and of `communityId`.
const LABEL_MAX_BYTES: usize = 256;

/// What is asked for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = CustomEvent)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    event_name: EventName,
    /// Whatever receivers need to know: an object.
    #[schema(value_type = Object)]
    payload: Box<RawValue>,
    #[schema(min_length = 1, max_length = 256)]
    user_id: String,
    #[schema(min_length = 1, max_length = 256)]
    community_id: Option<String>,
    #[expect(
        dead_code,
        reason = "callers of the API that this operation follows send it; Posthorn keeps no users"
    )]
    auto_create_user: Option<bool>,
    /// Makes a repeated request the same event.
    id: Option<EventId>,
}

/// The event that comes of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CustomEvent<'a> {
    id: &'a EventId,
    event_sub_category: &'a EventName,
    organisation_id: &'a OrganisationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    community_id: Option<&'a str>,
    user_id: &'a str,
    payload: &'a RawValue,
    created_at: Timestamp,
}

/// The answer: the event is stored.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AcceptedCustomEvent)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accepted {
    name: EventName,
    user_id: String,
    id: EventId,
    /// Whether an event of this id was there already, and this one was not stored.
    deduplicated: bool,
}

/// Takes an event of a name of the caller's own, about one of its users.
#[utoipa::path(
    post,
    path = "/api/v2/admin/events/custom",
    operation_id = OPERATION,
    tag = "Events",
    params(Query),
    request_body(
        content = Wanted,
        example = json!({"eventName": "level-reached", "userId": "u-1", "payload": {"level": 7}})
    ),
    responses((status = 200, description = "The event is stored.", body = Accepted))
)]
pub(crate) async fn handler(
    State(ingest): State<Arc<Ingest>>,
    request: Request,
) -> Result<Json<Accepted>, Problem> {
    let (parts, body) = request.into_parts();
    let caller = ingest.guard.authenticate(&parts, OPERATION)?;
    caller.require(Permission::SendEvents, OPERATION)?;
    let query: Query = query::read(parts.uri.query(), OPERATION)?;
    let named = query.organisation_id.as_deref();
    let organisation = ingest.guard.organisation(&caller, named, OPERATION)?;
    ingest
        .guard
        .spend(&caller, Some(&organisation), (1, "events"), OPERATION)?;
    let limit = ingest.event_max_bytes;
    let body = body::read(&parts, body, limit + FRAME_MAX_BYTES, OPERATION).await?;
    let Object(wanted) = body::json::<Object<Wanted>>(&body, OPERATION)?;
    wanted.check()?;
    let event = wanted.event(&organisation, limit)?;
    let id = event.id.clone();
    let refused = |_at: usize, fault: &Fault| problem(fault);
    let events = ingest.admit(vec![event], OPERATION, refused).await?;
    let published = ingest.publish(events, &parts, OPERATION).await?;
    Ok(Json(Accepted {
        name: wanted.event_name,
        user_id: wanted.user_id,
        id,
        deduplicated: published.iter().any(|event| event.deduplicated),
    }))
}

impl Wanted {
    fn check(&self) -> Result<(), Problem> {
        check_label("userId", &self.user_id)?;
        if let Some(community) = &self.community_id {
            check_label("communityId", community)?;
        }
        if self.payload.get().starts_with('{') {
            Ok(())
        } else {
            Err(Problem::bad_request(
                OPERATION,
                "payload: must be an object",
            ))
        }
    }

    /// Makes the event; two requests without an `id` are two events.
    fn event(&self, organisation: &OrganisationId, limit: usize) -> Result<Event, Problem> {
        let internal = |error: &dyn std::fmt::Display| Problem::internal(OPERATION, &error);
        let id = match &self.id {
            Some(id) => id.clone(),
            None => format!("evt_{}", lifecycle::entropy::uuid_v7())
                .parse()
                .map_err(|error: domain::name::Invalid| internal(&error))?,
        };
        let now = Timestamp::from_millis(lifecycle::clock::now_ms());
        let event = CustomEvent {
            id: &id,
            event_sub_category: &self.event_name,
            organisation_id: organisation,
            community_id: self.community_id.as_deref(),
            user_id: &self.user_id,
            payload: &self.payload,
            created_at: now,
        };
        let body = serde_json::to_vec(&event).map_err(|error| internal(&error))?;
        Event::read(organisation, &Bytes::from(body), now, limit).map_err(|fault| problem(&fault))
    }
}

/// Tells what is wrong with the event; what is not named by its field is the payload's fault.
fn problem(fault: &Fault) -> Problem {
    match fault {
        Fault::TooLarge { .. } => {
            Problem::payload_too_large(OPERATION, format!("payload: the event {fault}"))
        }
        Fault::NotAnObject(_) => {
            Problem::bad_request(OPERATION, format!("payload: the event {fault}"))
        }
        Fault::Field { .. }
        | Fault::ForeignOrganisation
        | Fault::CloudEvent
        | Fault::UnknownFormat => Problem::bad_request(OPERATION, fault.to_string()),
    }
}

fn check_label(field: &str, text: &str) -> Result<(), Problem> {
    let is_fine =
        (1..=LABEL_MAX_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_fine {
        return Ok(());
    }
    Err(Problem::bad_request(
        OPERATION,
        format!("{field}: must be 1 to {LABEL_MAX_BYTES} bytes without control characters"),
    ))
}

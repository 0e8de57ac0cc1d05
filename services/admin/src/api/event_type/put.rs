//! `PUT /webhooks/event-types`: makes or changes event types.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use domain::{event_type::draft::EventTypeDraft, token::Permission};
use http_api::{
    body::{self, Object},
    problem::Problem,
};
use serde::{Deserialize, Serialize};

use super::EventTypeView;
use crate::{
    Admin,
    api::{BODY_MAX_BYTES, OrganisationQuery, config::expected},
    saving::Expected,
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "putWebhookEventTypes";
/// The most event types in one request.
const ITEMS_MAX: usize = 100;

/// Event types in one of two forms; an answer has that of its request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
enum EventTypes<T: utoipa::ToSchema> {
    Bare(Vec<T>),
    Wrapped(Wrapped<T>),
}

/// The form `{"eventTypes": […]}`.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wrapped<T> {
    event_types: Vec<T>,
}

/// Checks all items, then saves them one by one and waits until they are in force. The same request
/// again completes what an error left undone, and changes nothing else.
#[utoipa::path(
    put,
    path = "/webhooks/event-types",
    operation_id = OPERATION,
    tag = "Event types",
    params(
        OrganisationQuery,
        ("if-match" = Option<String>, Header, description = "The `etag` of the one event type in the body: nothing is done if it was changed meanwhile."),
    ),
    request_body(content = EventTypes<EventTypeDraft>, description = "At most 100 event types. What an item leaves out stays as it is."),
    responses(
        (status = 200, description = "The event types as they are now, in the form of the body.", body = EventTypes<EventTypeView<'_>>),
        (status = 409, description = "The event type was changed meanwhile."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let body = body::read(&parts, body, BODY_MAX_BYTES, OPERATION).await?;
    let is_bare = body.trim_ascii_start().starts_with(b"[");
    let list = if is_bare { "" } else { "eventTypes" };
    let drafts = read(&body, is_bare)?;
    let expected = expected(&parts.headers, OPERATION)?;
    if drafts.len() != 1 && expected != Expected::Any {
        let message = "If-Match: needs a body with one event type";
        return Err(Problem::bad_request(OPERATION, message));
    }

    let saved = admin.event_types.save(&organisation, &drafts, expected);
    let saved = saved
        .await
        .map_err(|(at, refusal)| refusal.problem(OPERATION, &format!("{list}[{at}]")))?;
    let revision = saved.iter().filter_map(|one| one.revision).max();
    admin
        .following
        .event_types_in_force(revision.unwrap_or(0), OPERATION)
        .await?;

    let views = saved.iter().map(EventTypeView::of_saved).collect();
    Ok(Json(if is_bare {
        EventTypes::Bare(views)
    } else {
        EventTypes::Wrapped(Wrapped { event_types: views })
    })
    .into_response())
}

fn read(body: &Bytes, is_bare: bool) -> Result<Vec<EventTypeDraft>, Problem> {
    type Drafts = Vec<Object<EventTypeDraft>>;

    let drafts = if is_bare {
        body::json::<Drafts>(body, OPERATION)?
    } else {
        let Object(wrapped) =
            body::json::<Object<Wrapped<Object<EventTypeDraft>>>>(body, OPERATION)?;
        wrapped.event_types
    };
    if drafts.len() > ITEMS_MAX {
        let place = if is_bare { "body" } else { "eventTypes" };
        let message = format!("{place}: must hold at most {ITEMS_MAX} event types");
        return Err(Problem::bad_request(OPERATION, message));
    }
    Ok(drafts.into_iter().map(|Object(draft)| draft).collect())
}

#[cfg(test)]
mod fuzz;

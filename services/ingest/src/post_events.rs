//! `POST /api/v2/events`: one event or an array of them, in Posthorn's own form or as CloudEvents.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use domain::{
    event::Fault,
    incoming::{Form, Headers, Refused, read_request},
    name::OrganisationId,
    time::Timestamp,
    token::Permission,
};
use http::{HeaderMap, StatusCode};
use http_api::{body, problem::Problem, query};
use serde::{Deserialize, Serialize};

use crate::{
    Ingest,
    form::{CloudEventForm, EventForms},
    publishing::Published,
};

/// The operation's name in errors.
const OPERATION: &str = "postEvents";
/// The most bytes of a request with many events.
const REQUEST_MAX_BYTES: usize = 16 * 1024 * 1024;

/// The query: an operator names the organisation.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Query {
    /// The organisation, which an operator must name; for others their own.
    #[param(value_type = Option<OrganisationId>)]
    pub(crate) organisation_id: Option<String>,
}

/// The answer: every event, in the order of the request.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AcceptedEvents)]
pub(crate) struct Accepted {
    accepted: Vec<AcceptedEvent>,
}

/// One accepted event.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct AcceptedEvent {
    id: String,
    /// Whether an event of this id was there already, and this one was not stored.
    deduplicated: bool,
}

/// Takes events and answers when they are stored: each is delivered, or becomes a dead letter, whatever happens.
///
/// All events of a request are checked before any is stored. The same request may be repeated: an event whose
/// `id` was there already is not stored again.
#[utoipa::path(
    post,
    path = "/api/v2/events",
    operation_id = OPERATION,
    tag = "Events",
    params(Query),
    request_body(
        description = "At most 16 MiB, each event at most 1 MiB. With `ce-` headers the body is the data of one CloudEvent.",
        content(
            (EventForms = "application/json"),
            (CloudEventForm = "application/cloudevents+json"),
            (Vec<CloudEventForm> = "application/cloudevents-batch+json"),
        ),
    ),
    responses(
        (status = 202, description = "The events, in the order of the request.", body = Accepted),
    )
)]
pub(crate) async fn handler(
    State(ingest): State<Arc<Ingest>>,
    request: Request,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let (parts, body) = request.into_parts();
    let caller = ingest.guard.authenticate(&parts, OPERATION)?;
    caller.require(Permission::SendEvents, OPERATION)?;
    let query: Query = query::read(parts.uri.query(), OPERATION)?;
    let named = query.organisation_id.as_deref();
    let organisation = ingest.guard.organisation(&caller, named, OPERATION)?;
    let spend = |events| {
        let guard = &ingest.guard;
        guard.spend(&caller, Some(&organisation), (events, "events"), OPERATION)
    };
    // Before the body is read; how many events are in it is known only then.
    spend(0)?;
    let headers = headers(&parts.headers);
    let body = match headers.form() {
        Form::Own => body::read(&parts, body, REQUEST_MAX_BYTES, OPERATION).await?,
        Form::Structured | Form::Batch | Form::Binary => {
            body::read_any(&parts, body, REQUEST_MAX_BYTES, OPERATION).await?
        }
        Form::Unknown => return Err(problem(None, &Fault::UnknownFormat)),
    };
    let now = Timestamp::from_millis(lifecycle::clock::now_ms());
    let events = read_request(&organisation, &headers, &body, now, ingest.event_max_bytes)
        .map_err(|Refused { at, fault }| problem(at, &fault))?;
    spend(events.len())?;
    let is_list = headers.form() != Form::Binary && body.trim_ascii_start().starts_with(b"[");
    let refused = |at: usize, fault: &Fault| problem(is_list.then_some(at), fault);
    let events = ingest.admit(events, OPERATION, refused).await?;
    let published = ingest.publish(events, &parts, OPERATION).await?;
    let accepted = published.into_iter().map(AcceptedEvent::from).collect();
    Ok((StatusCode::ACCEPTED, Json(Accepted { accepted })))
}

/// Returns the headers that say what a request holds.
fn headers(map: &HeaderMap) -> Headers<'_> {
    map.iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

/// Tells what is wrong with an event, and with which one.
fn problem(at: Option<usize>, fault: &Fault) -> Problem {
    let message = match (at, fault) {
        (_, Fault::UnknownFormat) => fault.to_string(),
        (Some(at), Fault::Field { .. } | Fault::ForeignOrganisation | Fault::CloudEvent) => {
            format!("[{at}].{fault}")
        }
        (Some(at), Fault::TooLarge { .. } | Fault::NotAnObject(_)) => format!("[{at}]: {fault}"),
        (None, Fault::Field { .. } | Fault::ForeignOrganisation | Fault::CloudEvent) => {
            fault.to_string()
        }
        (None, Fault::TooLarge { .. } | Fault::NotAnObject(_)) => format!("body: {fault}"),
    };
    match fault {
        Fault::TooLarge { .. } => Problem::payload_too_large(OPERATION, message),
        Fault::ForeignOrganisation => Problem::forbidden(OPERATION, message),
        Fault::UnknownFormat => Problem::unsupported_media_type(OPERATION, message),
        Fault::NotAnObject(_) | Fault::Field { .. } | Fault::CloudEvent => {
            Problem::bad_request(OPERATION, message)
        }
    }
}

impl From<Published> for AcceptedEvent {
    fn from(published: Published) -> Self {
        Self {
            id: published.id,
            deduplicated: published.deduplicated,
        }
    }
}

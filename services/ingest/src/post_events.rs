//! `POST /api/v2/events`: one event, or an array of them.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use bytes::Bytes;
use domain::{
    event::{self, Event, Fault},
    name::OrganisationId,
    time::Timestamp,
    token::Permission,
    trace::TraceParent,
};
use futures::future::try_join_all;
use http::{HeaderMap, StatusCode};
use http_api::{body, problem::Problem, query};
use jetstream::{
    publisher::{self, Outgoing},
    wire::TraceHeaders,
};
use serde::{Deserialize, Serialize};

use crate::Ingest;

/// The operation's name in errors.
const OPERATION: &str = "postEvents";
/// The most bytes of a request with many events.
const REQUEST_MAX_BYTES: usize = 16 * 1024 * 1024;

/// The query: an operator names the organisation.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Query {
    organisation_id: Option<String>,
}

/// The answer: every event, in the order of the request.
#[derive(Debug, Serialize)]
pub(crate) struct Accepted {
    accepted: Vec<AcceptedEvent>,
}

/// One accepted event.
#[derive(Debug, Serialize)]
struct AcceptedEvent {
    id: String,
    /// Whether an event of this id was there already, and this one was not stored.
    deduplicated: bool,
}

/// Takes the events of a request.
pub(crate) async fn handler(
    State(ingest): State<Arc<Ingest>>,
    request: Request,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let (parts, body) = request.into_parts();
    let caller = ingest.guard.authenticate(&parts.headers, OPERATION)?;
    caller.require(Permission::SendEvents, OPERATION)?;
    let query: Query = query::read(parts.uri.query(), OPERATION)?;
    let named = query.organisation_id.as_deref();
    let organisation = ingest.guard.organisation(&caller, named, OPERATION)?;
    let body = body::read(&parts, body, REQUEST_MAX_BYTES, OPERATION).await?;
    let events = read_all(&ingest, &organisation, &body)?;
    let trace = trace(&parts.headers);
    let accepted = publish_all(&ingest, events, &trace)
        .await
        .map_err(refused)?;
    ingest.instruments.accepted(
        &accepted
            .iter()
            .map(|event| event.deduplicated)
            .collect::<Vec<_>>(),
    );
    Ok((StatusCode::ACCEPTED, Json(Accepted { accepted })))
}

/// Reads every event of a request; the first that is wrong refuses them all.
fn read_all(
    ingest: &Ingest,
    organisation: &OrganisationId,
    body: &Bytes,
) -> Result<Vec<Event>, Problem> {
    let items = event::split(body).map_err(|fault| problem(&fault, None))?;
    let many = body.trim_ascii_start().starts_with(b"[");
    let now = Timestamp::from_millis(lifecycle::clock::now_ms());
    items
        .iter()
        .enumerate()
        .map(|(at, item)| {
            Event::read(organisation, item, now, ingest.event_max_bytes)
                .map_err(|fault| problem(&fault, many.then_some(at)))
        })
        .collect()
}

/// Publishes every event, then waits for every `PubAck`.
async fn publish_all(
    ingest: &Ingest,
    events: Vec<Event>,
    trace: &TraceHeaders,
) -> Result<Vec<AcceptedEvent>, publisher::Error> {
    let mut sent = Vec::with_capacity(events.len());
    for event in events {
        let mut headers = jetstream::HeaderMap::new();
        trace.write(&mut headers);
        let stored = ingest
            .publisher
            .send(Outgoing {
                subject: ingest.broker.names.event(&event.organisation, &event.name),
                message_id: format!("{}:{}", event.organisation, event.id),
                headers,
                payload: event.body,
            })
            .await?;
        sent.push(async move {
            let stored = stored.await?;
            Ok(AcceptedEvent {
                id: event.id.to_string(),
                deduplicated: stored.duplicate,
            })
        });
    }
    try_join_all(sent).await
}

/// Returns the producer's trace context, or the root of a new trace.
fn trace(headers: &HeaderMap) -> TraceHeaders {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match text("traceparent").filter(|parent| TraceParent::parse(parent).is_some()) {
        Some(parent) => TraceHeaders::new(Some(parent), text("tracestate")),
        None => {
            let root = TraceParent::root(lifecycle::entropy::bytes(), lifecycle::entropy::bytes());
            TraceHeaders::new(Some(&root.to_string()), None)
        }
    }
}

/// Tells what is wrong with an event, and with which one.
fn problem(fault: &Fault, item: Option<usize>) -> Problem {
    let message = match (item, fault) {
        (Some(at), Fault::Field { .. } | Fault::ForeignOrganisation) => format!("[{at}].{fault}"),
        (Some(at), Fault::TooLarge { .. } | Fault::NotAnObject(_)) => format!("[{at}]: {fault}"),
        (None, Fault::Field { .. } | Fault::ForeignOrganisation) => fault.to_string(),
        (None, Fault::TooLarge { .. } | Fault::NotAnObject(_)) => format!("body: {fault}"),
    };
    match fault {
        Fault::TooLarge { .. } => Problem::payload_too_large(OPERATION, message),
        Fault::ForeignOrganisation => Problem::forbidden(OPERATION, message),
        Fault::NotAnObject(_) | Fault::Field { .. } => Problem::bad_request(OPERATION, message),
    }
}

/// Tells that the broker did not store an event. Some may be stored: repeating is safe.
fn refused(error: publisher::Error) -> Problem {
    match error {
        publisher::Error::Unavailable(reason) => {
            tracing::warn!(reason, "events not stored");
            Problem::unavailable(
                OPERATION,
                "the broker did not store the events; repeat the request",
            )
        }
        publisher::Error::Refused(reason) => {
            tracing::error!(reason, "the broker refuses an event");
            Problem::internal(OPERATION, &reason)
        }
        publisher::Error::TooLarge => {
            Problem::payload_too_large(OPERATION, "an event is larger than the broker takes")
        }
    }
}

//! `POST /webhooks/configs/{id}/test`: sends a real, signed request and answers with what came back.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use domain::{
    attempt::{BodyEncoding, Trigger},
    endpoint::{Endpoint, EventPattern},
    event::{Event, Fault},
    job::{Job, Run},
    matching::Match,
    name::{EndpointId, EventName},
    outcome::ErrorKind,
    token::Permission,
};
use http::request::Parts;
use http_api::{
    body::{self, Object},
    problem::Problem,
    span,
};
use jetstream::{endpoint_bucket::Stored, retry_lane::Cargo, test_send::Sent, wire::TraceHeaders};
use lifecycle::entropy;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::MISSING;
use crate::{
    Admin,
    api::{BODY_MAX_BYTES, OrganisationQuery, PathId, path_id},
    now,
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "testWebhookConfig";
/// The name of a test's event, for an endpoint that names none exactly.
const NAME: &str = "posthorn.test";
const PAYLOAD: &str = "{\"test\":true}";

/// What may be asked for.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[schema(as = TestOptions)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    /// The event's name; the first that the webhook config names unless given.
    event_sub_category: Option<EventName>,
    /// The event's payload, any JSON.
    #[schema(value_type = Option<serde_json::Value>)]
    payload: Option<Box<RawValue>>,
}

/// The event of a test, but for what completing it adds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TestEvent<'a> {
    id: String,
    event_sub_category: &'a str,
    organisation_id: &'a str,
    payload: &'a RawValue,
}

/// What came of a test.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = TestResult)]
#[serde(rename_all = "camelCase")]
struct TestView {
    success: bool,
    #[schema(required)]
    response_status: Option<u16>,
    #[schema(required)]
    response_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body_encoding: Option<BodyEncoding>,
    #[schema(required)]
    error_kind: Option<ErrorKind>,
    #[schema(required)]
    error_message: Option<String>,
    duration_ms: u32,
    /// The id of its log record, which shows no `requestBody`: a test is no event, and the archive, which
    /// replays read, keeps events.
    log_id: String,
}

/// Sends a test to an endpoint, be it enabled or not.
#[utoipa::path(
    post,
    path = "/webhooks/configs/{id}/test",
    operation_id = OPERATION,
    tag = "Webhook configs",
    params(
        ("id" = EndpointId, Path, description = "The id of the webhook config."),
        OrganisationQuery,
    ),
    request_body(content = Option<Wanted>),
    responses(
        (status = 200, description = "What came back, or why nothing did.", body = TestView),
        (status = 409, description = "The webhook config was changed meanwhile."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let id: EndpointId = path_id(path, OPERATION, MISSING)?;
    let wanted = wanted(&parts, body).await?;
    let stored = admin.following.endpoints.get(&organisation, &id);
    let stored = stored.ok_or_else(|| Problem::not_found(OPERATION, MISSING))?;
    let mut event = event(&stored.endpoint, &wanted, admin.asking.event_max_bytes())?;
    admin.following.catalogue.categorise(&mut event);
    let cargo = Cargo {
        body: event.body.clone(),
        trace: trace(&parts),
        previous: None,
    };
    let sent = admin
        .asking
        .test(&stored, &job(&event, &stored), &cargo)
        .await
        .map_err(|refusal| refusal.problem(OPERATION))?;
    Ok(Json(TestView::new(sent)).into_response())
}

/// Reads what is asked for; without a body, or with `null`, it is the usual test.
async fn wanted(parts: &Parts, body: Body) -> Result<Wanted, Problem> {
    let body = body::read(parts, body, BODY_MAX_BYTES, OPERATION).await?;
    if body.trim_ascii().is_empty() {
        return Ok(Wanted::default());
    }
    let wanted = body::json::<Option<Object<Wanted>>>(&body, OPERATION)?;
    Ok(wanted.map(|Object(wanted)| wanted).unwrap_or_default())
}

/// Makes a complete event.
fn event(endpoint: &Endpoint, wanted: &Wanted, limit: usize) -> Result<Event, Problem> {
    let internal = |error: serde_json::Error| Problem::internal(OPERATION, &error);
    let usual = RawValue::from_string(PAYLOAD.to_owned()).map_err(internal)?;
    let organisation = &endpoint.organisation_id;
    let event = TestEvent {
        id: format!("test-{}", entropy::uuid_v7()),
        event_sub_category: name(endpoint, wanted),
        organisation_id: organisation.as_str(),
        payload: wanted.payload.as_deref().unwrap_or(&usual),
    };
    let body = Bytes::from(serde_json::to_vec(&event).map_err(internal)?);
    Event::read(organisation, &body, now(), limit).map_err(|fault| match fault {
        Fault::TooLarge { .. } | Fault::NotAnObject(_) => {
            Problem::bad_request(OPERATION, format!("payload: the event {fault}"))
        }
        Fault::Field { .. }
        | Fault::ForeignOrganisation
        | Fault::CloudEvent
        | Fault::UnknownFormat => Problem::bad_request(OPERATION, fault.to_string()),
    })
}

/// Returns the event's name: the one asked for, or the first that the endpoint names exactly.
fn name<'a>(endpoint: &'a Endpoint, wanted: &'a Wanted) -> &'a str {
    let named = endpoint.events.iter().find_map(|pattern| match pattern {
        EventPattern::Exact(name) => Some(name),
        EventPattern::Any | EventPattern::Prefix(_) => None,
    });
    let name = wanted.event_sub_category.as_ref().or(named);
    name.map_or(NAME, |name| name.as_str())
}

/// Makes a job that leads to nothing further.
fn job(event: &Event, stored: &Stored) -> Job {
    let found = Match {
        endpoint: stored.endpoint.id.clone(),
        revision: stored.revision,
    };
    Job {
        trigger: Trigger::Test,
        run: Run::Once,
        ..Job::first(event, event.body_hash(), &found, now())
    }
}

/// Returns the trace that the caller's request is part of.
fn trace(request: &Parts) -> TraceHeaders {
    let text = |name| (request.headers.get(name)).and_then(|value| value.to_str().ok());
    TraceHeaders::new(text("traceparent"), text("tracestate")).at(span::context(request))
}

impl TestView {
    fn new(sent: Sent) -> Self {
        Self {
            success: sent.success,
            response_status: sent.response_status,
            response_body: sent.response_body,
            response_body_encoding: sent
                .response_body_encoding
                .filter(|encoding| *encoding == BodyEncoding::Base64),
            error_kind: sent.error_kind,
            error_message: sent.error_message,
            duration_ms: sent.duration_ms,
            log_id: sent.log_id,
        }
    }
}

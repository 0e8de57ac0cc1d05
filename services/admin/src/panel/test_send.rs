//! Sending a test to a config, and what came of it.

use std::time::Duration;

use askama::Template;
use axum::{
    extract::{Path, Request},
    response::Response,
};
use domain::token::Permission;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    answer,
    ask::segment,
    config,
    failure::Failure,
    form::Form,
    frame::Frame,
    log::Exchange,
    shown::{Config, EventType, Record, span},
    visit::Visit,
};

/// How long the record of a test may take to get into the log, and how often it is looked for.
const RECORD_PATIENCE: Duration = Duration::from_secs(3);
const RECORD_LOOK: Duration = Duration::from_millis(150);

#[derive(Template)]
#[template(path = "test.html")]
struct TestPage {
    frame: Frame,
    config: Config,
    event_types: Vec<EventType>,
    name: String,
    payload: String,
    fault: Option<String>,
    outcome: Option<Outcome>,
}

/// What came of a test.
struct Outcome {
    success: bool,
    headline: String,
    log_id: String,
    exchange: Option<Exchange>,
}

/// The API's answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    success: bool,
    response_status: Option<u16>,
    error_message: Option<String>,
    duration_ms: u32,
    log_id: String,
}

/// Shows what can be sent.
pub(super) async fn form(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    visit.require(Permission::WriteConfigs)?;
    let config = config::read(&visit, &id).await?;
    let form = Form::default();
    show(&visit, config, &form, (None, None)).await
}

/// Sends it, and shows request and answer.
pub(super) async fn send(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts, body).await?;
    let config = config::read(&visit, &id).await?;
    let wanted = match wanted(&form) {
        Ok(wanted) => wanted,
        Err(fault) => return show(&visit, config, &form, (Some(fault), None)).await,
    };
    let path = format!("/webhooks/configs/{}/test", segment(&id));
    match visit.ask(path).post(&wanted).await {
        Ok(told) => {
            let sent: Sent = told.read()?;
            let outcome = outcome(&visit, sent).await?;
            show(&visit, config, &form, (None, Some(outcome))).await
        }
        Err(failure) => {
            let fault = failure.in_form()?;
            show(&visit, config, &form, (Some(fault), None)).await
        }
    }
}

/// Reads what is to be sent; what is left empty is the API's usual test.
fn wanted(form: &Form) -> Result<Value, String> {
    let mut wanted = Map::new();
    let name = form.text("eventSubCategory").trim();
    if !name.is_empty() {
        wanted.insert("eventSubCategory".to_owned(), name.into());
    }
    let payload = form.text("payload").trim();
    if !payload.is_empty() {
        let payload: Value = serde_json::from_str(payload)
            .map_err(|error| format!("payload: must be JSON: {error}"))?;
        wanted.insert("payload".to_owned(), payload);
    }
    Ok(Value::Object(wanted))
}

async fn outcome(visit: &Visit, sent: Sent) -> Result<Outcome, Failure> {
    let what = match (sent.response_status, sent.error_message) {
        (Some(status), _) => format!("answered {status}"),
        (None, Some(message)) => message,
        (None, None) => "no answer".to_owned(),
    };
    Ok(Outcome {
        success: sent.success,
        headline: format!("{what}, after {}", span(sent.duration_ms.into())),
        exchange: record(visit, &sent.log_id)
            .await?
            .map(|record| Exchange::new(visit, record)),
        log_id: sent.log_id,
    })
}

/// Waits for the record of the test, which shows what was sent. Without it the page says less.
async fn record(visit: &Visit, id: &str) -> Result<Option<Record>, Failure> {
    let looks = RECORD_PATIENCE.as_millis() / RECORD_LOOK.as_millis();
    for _ in 0..looks {
        let path = format!("/webhooks/logs/{}", segment(id));
        match visit.ask(path).get().await {
            Ok(told) => return told.read().map(Some),
            Err(Failure::Refused {
                status: http::StatusCode::NOT_FOUND,
                ..
            }) => tokio::time::sleep(RECORD_LOOK).await,
            Err(failure) => return Err(failure),
        }
    }
    Ok(None)
}

async fn show(
    visit: &Visit,
    config: Config,
    form: &Form,
    (fault, outcome): (Option<String>, Option<Outcome>),
) -> Result<Response, Failure> {
    let told = visit.ask("/webhooks/event-types").get().await?;
    answer::page(&TestPage {
        frame: visit.frame("Send a test", "Webhooks"),
        config,
        event_types: told.read()?,
        name: form.text("eventSubCategory").to_owned(),
        payload: form.text("payload").to_owned(),
        fault,
        outcome,
    })
}

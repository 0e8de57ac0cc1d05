//! Replays: those that run and have run, and starting and cancelling one.

use askama::Template;
use axum::{
    extract::{Path, Request},
    response::Response,
};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    answer,
    ask::segment,
    failure::Failure,
    form::{Form, Pairs},
    frame::Frame,
    logs::{instant, pick},
    shown::{Pick, time},
    visit::Visit,
};

/// The modes, as the API names them, with what they mean.
const MODES: [(&str, &str); 2] = [
    ("undelivered", "Events that were not delivered"),
    ("all", "All events, also those that were delivered"),
];

#[derive(Template)]
#[template(path = "replays.html")]
struct ReplaysPage {
    frame: Frame,
    pick: Pick,
    modes: &'static [(&'static str, &'static str)],
    replays: Vec<Replay>,
    form: Form,
    fault: Option<String>,
    is_running: bool,
}

/// A replay.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replay {
    id: String,
    webhook_config_id: String,
    mode: String,
    from: Timestamp,
    to: Timestamp,
    rate_per_second: u32,
    state: String,
    reason: Option<String>,
    total: u64,
    done: u64,
    skipped: u64,
    created_at: Timestamp,
}

impl Replay {
    fn is_finished(&self) -> bool {
        matches!(self.state.as_str(), "done" | "cancelled" | "failed")
    }

    fn state_class(&self) -> &'static str {
        match self.state.as_str() {
            "done" => "good",
            "failed" => "bad",
            "cancelled" => "off",
            _ => "wait",
        }
    }

    /// Returns how many events it is through with.
    fn seen(&self) -> u64 {
        self.done.saturating_add(self.skipped)
    }
}

/// Shows them.
pub(super) async fn page(visit: Visit) -> Result<Response, Failure> {
    let form = Pairs::parse(visit.query().as_bytes());
    show(&visit, form, None).await
}

async fn show(visit: &Visit, form: Form, fault: Option<String>) -> Result<Response, Failure> {
    let replays: Vec<Replay> = visit.ask("/webhooks/replays").get().await?.read()?;
    answer::page(&ReplaysPage {
        frame: visit.frame("Replays", "Replays"),
        pick: pick(visit, &form).await?,
        modes: &MODES,
        is_running: replays.iter().any(|replay| !replay.is_finished()),
        replays,
        form,
        fault,
    })
}

/// Starts one.
pub(super) async fn start(visit: Visit, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts, body).await?;
    let id = form.text("webhookConfigId");
    if id.is_empty() {
        let fault = "Pick the webhook that the events are for.".to_owned();
        return show(&visit, form, Some(fault)).await;
    }
    let path = format!("/webhooks/configs/{}/replay", segment(id));
    match visit.ask(path).post(&wanted(&form)).await {
        Ok(_told) => Ok(answer::see(&visit.address("/replays?done=started"))),
        Err(failure) => {
            let fault = failure.in_form()?;
            show(&visit, form, Some(fault)).await
        }
    }
}

/// Reads what is asked for. What is no number is passed on as it is, for the API to refuse.
fn wanted(form: &Form) -> Value {
    let mut wanted = Map::new();
    wanted.insert("mode".to_owned(), form.text("mode").into());
    wanted.insert("from".to_owned(), instant(form.text("from")).into());
    let to = form.text("to");
    if !to.is_empty() {
        wanted.insert("to".to_owned(), instant(to).into());
    }
    let rate = form.text("ratePerSecond").trim();
    if !rate.is_empty() {
        let number = rate
            .parse::<u64>()
            .map_or_else(|_error| rate.into(), Value::from);
        wanted.insert("ratePerSecond".to_owned(), number);
    }
    Value::Object(wanted)
}

/// Cancels one.
pub(super) async fn cancel(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let path = format!("/webhooks/replays/{}", segment(&id));
    visit.ask(path).delete().await?;
    Ok(answer::see(&visit.address("/replays?done=cancelled")))
}

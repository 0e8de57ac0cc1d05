//! One attempt: the timeline of its delivery, what was sent and what came back, and its retry.

use std::fmt::Write as _;

use askama::Template;
use axum::{
    extract::{Path, Request},
    response::Response,
};
use domain::time::Timestamp;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    answer,
    ask::segment,
    failure::Failure,
    form::{Form, Pairs},
    frame::Frame,
    logs,
    shown::{Record, pretty, span, time},
    visit::Visit,
};

#[derive(Template)]
#[template(path = "log.html")]
struct LogPage {
    frame: Frame,
    exchange: Exchange,
    delivery: Option<DeliveryShown>,
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct DeliveryPage {
    frame: Frame,
    delivery: DeliveryShown,
}

/// What was sent and what came back, with what people want to copy of it.
pub(super) struct Exchange {
    pub(super) record: Record,
    pub(super) request_body: String,
    pub(super) response_body: String,
    pub(super) curl: String,
    pub(super) trace: Option<String>,
}

/// A delivery and what happened to it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryShown {
    pub(super) id: String,
    pub(super) event_id: String,
    pub(super) event_sub_category: String,
    pub(super) webhook_config_id: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) attempts: u32,
    pub(super) next_attempt_at: Option<Timestamp>,
    pub(super) timeline: Vec<Entry>,
}

/// An entry of a timeline.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) attempt: u32,
    pub(super) trigger: String,
    #[serde(default)]
    pub(super) success: bool,
    #[serde(default)]
    pub(super) response_status: Option<u16>,
    #[serde(default)]
    pub(super) error_message: Option<String>,
    #[serde(default)]
    pub(super) duration_ms: Option<u32>,
    #[serde(default)]
    pub(super) reason: Option<String>,
    pub(super) created_at: Timestamp,
}

impl DeliveryShown {
    /// Returns the class of the state's badge.
    fn state_class(&self) -> &'static str {
        match self.state.as_str() {
            "delivered" => "good",
            "failed" => "bad",
            _ => "wait",
        }
    }

    /// Returns how long it was from the entry before to this one; empty for the first.
    fn wait_before(&self, at: &usize) -> String {
        let before = at.checked_sub(1).and_then(|at| self.timeline.get(at));
        let Some((before, entry)) = before.zip(self.timeline.get(*at)) else {
            return String::new();
        };
        let wait = entry.created_at.since(before.created_at).as_millis();
        span(u64::try_from(wait).unwrap_or(u64::MAX))
    }
}

impl Entry {
    fn class(&self) -> &'static str {
        match (self.kind.as_str(), self.success) {
            ("attempt", true) => "good",
            ("attempt", false) | ("dead", _) => "bad",
            _ => "wait",
        }
    }

    /// Says what happened, in a few words.
    fn words(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("no reason is known");
        match (
            self.kind.as_str(),
            self.response_status,
            &self.error_message,
        ) {
            ("parked", ..) => format!("Held back: {reason}"),
            ("dead", ..) => format!("Given up: {reason}"),
            (_, Some(status), _) => format!("Answered {status}"),
            (_, None, Some(message)) => message.clone(),
            (_, None, None) => "No answer".to_owned(),
        }
    }
}

impl Exchange {
    /// Prepares a record for being shown.
    pub(super) fn new(visit: &Visit, record: Record) -> Self {
        let raw = record.request_body.as_deref().map(|body| body.get());
        let link = visit.panel().trace_link.as_ref();
        Self {
            request_body: raw.map(pretty).unwrap_or_default(),
            response_body: record
                .response_body
                .as_deref()
                .map(pretty)
                .unwrap_or_default(),
            curl: curl(&record, raw),
            trace: link.and_then(|link| link.to(&record.trace_id)),
            record,
        }
    }
}

/// Writes a command that sends the same once more. Masked values have to be filled in.
fn curl(record: &Record, body: Option<&str>) -> String {
    let mut command = format!(
        "curl -i -X {} {}",
        quoted(&record.http_method),
        quoted(&record.url)
    );
    for (name, value) in &record.request_headers {
        if matches!(name.as_str(), "content-length" | "host") {
            continue;
        }
        let header = quoted(&format!("{name}: {value}"));
        // Writing to a string can't fail.
        write!(command, " \\\n  -H {header}").unwrap_or_default();
    }
    if let Some(body) = body.filter(|_| record.http_method != "GET") {
        write!(command, " \\\n  --data-raw {}", quoted(body)).unwrap_or_default();
    }
    command
}

/// Quotes a text for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Shows an attempt with its delivery.
pub(super) async fn page(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let path = format!("/webhooks/logs/{}", segment(&id));
    let record: Record = visit.ask(path).get().await?.read()?;
    let delivery = delivery(&visit, &record.job_id).await;
    let delivery = match delivery {
        Ok(delivery) => Some(delivery),
        // A test belongs to no delivery.
        Err(Failure::Refused {
            status: StatusCode::NOT_FOUND,
            ..
        }) => None,
        Err(failure) => return Err(failure),
    };
    answer::page(&LogPage {
        frame: visit.frame(
            format!("{}, attempt {}", record.event_sub_category, record.attempt),
            "Delivery logs",
        ),
        exchange: Exchange::new(&visit, record),
        delivery,
    })
}

/// Shows a delivery, which may have no attempt yet.
pub(super) async fn of_delivery(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let delivery = delivery(&visit, &id).await?;
    answer::page(&DeliveryPage {
        frame: visit.frame(delivery.event_sub_category.as_str(), "Delivery logs"),
        delivery,
    })
}

async fn delivery(visit: &Visit, id: &str) -> Result<DeliveryShown, Failure> {
    let path = format!("/webhooks/deliveries/{}", segment(id));
    visit.ask(path).get().await?.read()
}

/// What is said on a page that stays as it is.
#[derive(Template)]
#[template(path = "said.html")]
struct Said {
    text: &'static str,
}

/// Sends the event of an attempt once more, and goes back to where that was asked for. A page with scripts
/// stays, and is told; the attempt appears on it by itself.
pub(super) async fn retry(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts, body).await?;
    let path = format!("/webhooks/logs/{}/retry", segment(&id));
    let with_retries = form.is_on("withRetries");
    visit
        .ask(path)
        .post(&json!({"withRetries": with_retries}))
        .await?;
    if parts.headers.contains_key("hx-request") {
        let text = "The retry is on its way. Its attempt appears here by itself.";
        return answer::page(&Said { text });
    }
    let address = match (form.text("back"), form.text("query")) {
        ("log", _) => format!("/logs/{}?done=retried", segment(&id)),
        (_, "") => "/logs?done=retried".to_owned(),
        (_, query) => {
            let filter = logs::filter_of(&Pairs::parse(query.as_bytes()));
            format!("/logs?done=retried&{filter}")
        }
    };
    Ok(answer::see(&visit.address(&address)))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_what_is_quoted_as_it_is() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}

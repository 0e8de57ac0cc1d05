//! Dead letters: what was given up, to be sent again or deleted, one by one or all that a filter finds.

pub(super) mod all;

use askama::Template;
use axum::{
    extract::{Path, Request},
    response::Response,
};
use domain::{retry::Reason, time::Timestamp, token::Permission};
use serde::Deserialize;
use serde_json::json;

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

const PAGE: &str = "25";
/// The fields of the filter, as the API names them.
const FILTER: [&str; 6] = [
    "webhookConfigId",
    "eventSubCategory",
    "eventId",
    "reason",
    "fromDate",
    "toDate",
];

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct LettersPage {
    frame: Frame,
    filter: Pairs,
    pick: Pick,
    reasons: [&'static str; 9],
    fault: Option<String>,
    letters: Vec<Letter>,
    total: Option<u64>,
    next: Option<String>,
    query: String,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "confirm_letter.html")]
struct DeletePage {
    frame: Frame,
    letter: Letter,
}

/// A page of dead letters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Letters {
    total_count: Option<u64>,
    edges: Vec<Letter>,
    next_cursor: Option<String>,
}

/// A dead letter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Letter {
    id: String,
    job_id: String,
    webhook_config_id: String,
    event_id: String,
    event_sub_category: String,
    reason: String,
    error_message: Option<String>,
    attempt: u32,
    delivered: bool,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

/// Shows a page of dead letters.
pub(super) async fn page(visit: Visit) -> Result<Response, Failure> {
    let filter = Pairs::parse(visit.query().as_bytes());
    let pick = pick(&visit, &filter).await?;
    let cursor = filter.text("cursor");
    let (found, fault) = match letters(&visit, &filter, (PAGE, cursor)).await {
        Ok(found) => (Some(found), None),
        Err(failure) => (None, Some(failure.in_form()?)),
    };
    let (letters, total, next) = match found {
        Some(found) => (found.edges, found.total_count, found.next_cursor),
        None => (Vec::new(), None, None),
    };
    answer::page(&LettersPage {
        frame: visit.frame("Dead letters", "Dead letters"),
        pick,
        reasons: Reason::ALL.map(Reason::as_str),
        fault,
        letters,
        total,
        next,
        query: filter.query_of(&FILTER),
        done: done(&filter),
        filter,
    })
}

/// Says what an action on many came to: its numbers stand in the address it led to.
fn done(query: &Pairs) -> Option<String> {
    let number = |name| query.text(name).parse::<u64>().ok();
    match (number("retried"), number("skipped"), number("deleted")) {
        (Some(retried), Some(0) | None, None) => Some(format!("{retried} are being sent again.")),
        (Some(retried), Some(skipped), None) => Some(format!(
            "{retried} are being sent again; {skipped} were delivered meanwhile and stay."
        )),
        (None, None, Some(deleted)) => Some(format!("{deleted} are deleted.")),
        (Some(_) | None, Some(_) | None, Some(_) | None) => None,
    }
}

async fn letters(
    visit: &Visit,
    filter: &Pairs,
    (limit, cursor): (&str, &str),
) -> Result<Letters, Failure> {
    let given = fields(filter);
    let given = given.iter().map(|(name, value)| (*name, value.as_str()));
    visit
        .ask("/webhooks/dead-letters")
        .with("limit", limit)
        .with_given(given.chain([("cursor", cursor)]))
        .get()
        .await?
        .read()
}

/// Returns the fields of the filter that are given.
fn fields(filter: &Pairs) -> Vec<(&'static str, String)> {
    let given = FILTER.map(|name| (name, filter.text(name).trim()));
    let given = given.into_iter().filter(|(_, value)| !value.is_empty());
    given
        .map(|(name, value)| match name {
            "fromDate" | "toDate" => (name, instant(value)),
            _ => (name, value.to_owned()),
        })
        .collect()
}

/// Sends one again.
pub(super) async fn retry(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts, body).await?;
    let path = format!("/webhooks/dead-letters/{}/retry", segment(&id));
    visit
        .ask(path)
        .post(&json!({"withRetries": form.is_on("withRetries")}))
        .await?;
    Ok(answer::see(
        &visit.address("/dead-letters?done=retried-letter"),
    ))
}

/// Asks whether it is meant.
pub(super) async fn confirm_delete(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    visit.require(Permission::WriteConfigs)?;
    let path = format!("/webhooks/dead-letters/{}", segment(&id));
    let letter: Letter = visit.ask(path).get().await?.read()?;
    let frame = visit.frame("Delete a dead letter", "Dead letters");
    answer::page(&DeletePage { frame, letter })
}

/// Deletes one.
pub(super) async fn delete(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let path = format!("/webhooks/dead-letters/{}", segment(&id));
    visit.ask(path).delete().await?;
    Ok(answer::see(&visit.address("/dead-letters?done=deleted")))
}

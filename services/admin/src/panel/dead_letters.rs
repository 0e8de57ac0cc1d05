//! Dead letters: what was given up, to be sent again or deleted, one by one or all that a filter finds.

use askama::Template;
use axum::{
    extract::{Path, Request},
    response::Response,
};
use domain::{retry::Reason, time::Timestamp, token::Permission};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

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
use crate::now;

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
/// How many pages of a hundred are counted before an action on all of them is confirmed.
const COUNTED_PAGES: usize = 20;
/// How often the API is asked to go on with an action that it bounds.
const STEPS_MAX: usize = 100;

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
#[template(path = "confirm_letters.html")]
struct ConfirmPage {
    frame: Frame,
    is_deletion: bool,
    count: String,
    is_none: bool,
    fields: Vec<(&'static str, String)>,
    query: String,
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

/// What came of a step of an action on many.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    #[serde(default)]
    retried: u64,
    #[serde(default)]
    skipped: u64,
    #[serde(default)]
    deleted: u64,
    next_cursor: Option<String>,
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

/// Deletes one.
pub(super) async fn delete(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let path = format!("/webhooks/dead-letters/{}", segment(&id));
    visit.ask(path).delete().await?;
    Ok(answer::see(&visit.address("/dead-letters?done=deleted")))
}

/// What can be done with all that a filter finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Retry,
    Delete,
}

impl Action {
    fn of(name: &str) -> Result<Self, Failure> {
        match name {
            "retry" => Ok(Self::Retry),
            "delete" => Ok(Self::Delete),
            _ => Err(Failure::new(
                StatusCode::NOT_FOUND,
                "There is no such action.",
            )),
        }
    }
}

/// Counts what a filter finds and asks whether all of it is meant. Dead letters that come later are not.
pub(super) async fn confirm(
    visit: Visit,
    Path((_, action)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let action = Action::of(&action)?;
    visit.require(Permission::WriteConfigs)?;
    let filter = Pairs::parse(visit.query().as_bytes());
    let (count, is_all) = count(&visit, &filter).await?;
    let mut fields = fields(&filter);
    if !fields.iter().any(|(name, _)| *name == "toDate") {
        fields.push(("toDate", now().to_string()));
    }
    answer::page(&ConfirmPage {
        frame: visit.frame("Confirm", "Dead letters"),
        is_deletion: action == Action::Delete,
        count: if is_all {
            count.to_string()
        } else {
            format!("more than {count}")
        },
        is_none: count == 0,
        fields,
        query: filter.query_of(&FILTER),
    })
}

/// Counts page by page, up to a bound; returns whether these are all.
async fn count(visit: &Visit, filter: &Pairs) -> Result<(usize, bool), Failure> {
    let mut count: usize = 0;
    let mut cursor = String::new();
    for _ in 0..COUNTED_PAGES {
        let page = letters(visit, filter, ("100", &cursor)).await?;
        if let Some(total) = page.total_count {
            return Ok((usize::try_from(total).unwrap_or(usize::MAX), true));
        }
        count = count.saturating_add(page.edges.len());
        match page.next_cursor {
            Some(next) => cursor = next,
            None => return Ok((count, true)),
        }
    }
    Ok((count, false))
}

/// Does it with all that the filter finds: step by step, for each is bounded.
pub(super) async fn all(
    visit: Visit,
    Path((_, action)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Failure> {
    let action = Action::of(&action)?;
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts, body).await?;
    let fields = fields(&form);
    let with_retries = form.is_on("withRetries");
    let (mut changed, mut skipped): (u64, u64) = (0, 0);
    let mut cursor: Option<String> = None;
    for _ in 0..STEPS_MAX {
        let step = match action {
            Action::Retry => retry_step(&visit, &fields, with_retries, cursor.as_deref()).await?,
            Action::Delete => delete_step(&visit, &fields, cursor.as_deref()).await?,
        };
        changed = changed
            .saturating_add(step.retried)
            .saturating_add(step.deleted);
        skipped = skipped.saturating_add(step.skipped);
        cursor = step.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let told = match action {
        Action::Retry => format!("retried={changed}&skipped={skipped}"),
        Action::Delete => format!("deleted={changed}"),
    };
    Ok(answer::see(
        &visit.address(&format!("/dead-letters?{told}")),
    ))
}

async fn retry_step(
    visit: &Visit,
    fields: &[(&'static str, String)],
    with_retries: bool,
    cursor: Option<&str>,
) -> Result<Step, Failure> {
    let named = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())));
    let mut wanted: Map<String, Value> = named.collect();
    wanted.insert("withRetries".to_owned(), with_retries.into());
    if let Some(cursor) = cursor {
        wanted.insert("cursor".to_owned(), cursor.into());
    }
    let ask = visit.ask("/webhooks/dead-letters/retry");
    ask.post(&wanted).await?.read()
}

async fn delete_step(
    visit: &Visit,
    fields: &[(&'static str, String)],
    cursor: Option<&str>,
) -> Result<Step, Failure> {
    let given = fields.iter().map(|(name, value)| (*name, value.as_str()));
    let ask = visit.ask("/webhooks/dead-letters");
    let ask = ask.with_given(given.chain([("cursor", cursor.unwrap_or_default())]));
    ask.delete().await?.read()
}

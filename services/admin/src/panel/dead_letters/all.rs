//! Doing something with all dead letters that a filter finds, after their number is confirmed.

use askama::Template;
use axum::{
    extract::{Path, Request},
    response::Response,
};
use domain::token::Permission;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{FILTER, fields, letters};
use crate::{
    now,
    panel::{
        answer,
        failure::Failure,
        form::{Form, Pairs},
        frame::Frame,
        visit::Visit,
    },
};

/// How many pages of a hundred are counted before an action on all of them is confirmed.
const COUNTED_PAGES: usize = 20;
/// How often the API is asked to go on with an action that it bounds.
const STEPS_MAX: usize = 100;

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
pub(in crate::panel) async fn confirm(
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
pub(in crate::panel) async fn apply(
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

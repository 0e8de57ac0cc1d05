//! The event catalogue: what is known by category, one event type with its schema, and changing it.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Path, Request},
    response::Response,
};
use domain::token::Permission;
use serde_json::{Map, Value, json};

use super::{
    answer,
    ask::segment,
    failure::Failure,
    form::{Form, Pairs},
    frame::Frame,
    shown::EventType,
    visit::Visit,
};

#[derive(Template)]
#[template(path = "event_types.html")]
struct EventTypesPage {
    frame: Frame,
    search: String,
    categories: Vec<(String, Vec<EventType>)>,
    form: Form,
    fault: Option<String>,
}

#[derive(Template)]
#[template(path = "event_type.html")]
struct EventTypePage {
    frame: Frame,
    event_type: EventType,
    schema: String,
}

#[derive(Template)]
#[template(path = "confirm_event_type.html")]
struct DeletePage {
    frame: Frame,
    event_type: EventType,
}

/// Shows the catalogue.
pub(super) async fn page(visit: Visit) -> Result<Response, Failure> {
    show(&visit, Form::default(), None).await
}

async fn show(visit: &Visit, form: Form, fault: Option<String>) -> Result<Response, Failure> {
    let query = Pairs::parse(visit.query().as_bytes());
    let search = query.text("search").trim().to_owned();
    answer::page(&EventTypesPage {
        frame: visit.frame("Event types", "Event types"),
        categories: by_category(all(visit, &search).await?),
        search,
        form,
        fault,
    })
}

/// Reads the whole catalogue, or what a text finds in it, page by page.
pub(super) async fn all(visit: &Visit, search: &str) -> Result<Vec<EventType>, Failure> {
    /// The API's page, and more pages than an organisation can fill.
    const PAGE: usize = 100;
    const PAGES_MAX: usize = 50;
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let ask = visit
            .ask("/webhooks/event-types")
            .with("skip", &found.len().to_string())
            .with_given([("search", search)]);
        let page: Vec<EventType> = ask.get().await?.read()?;
        let is_last = page.len() < PAGE;
        found.extend(page);
        if is_last {
            break;
        }
    }
    Ok(found)
}

/// Sorts event types by their category; those without one come last.
pub(super) fn by_category(all: Vec<EventType>) -> Vec<(String, Vec<EventType>)> {
    let mut categories: BTreeMap<(bool, String), Vec<EventType>> = BTreeMap::new();
    for event_type in all {
        let category = event_type.category.clone();
        let key = (
            category.is_none(),
            category.unwrap_or_else(|| "other".to_owned()),
        );
        categories.entry(key).or_default().push(event_type);
    }
    let named = categories.into_iter();
    named.map(|((_, name), types)| (name, types)).collect()
}

/// Shows one.
pub(super) async fn one(
    visit: Visit,
    Path((_, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let event_type = read(&visit, &name).await?;
    let schema = event_type.schema.as_ref();
    let schema = schema.map(serde_json::to_string_pretty).transpose();
    answer::page(&EventTypePage {
        frame: visit.frame(event_type.name.as_str(), "Event types"),
        schema: schema
            .map_err(|error| Failure::internal(&error))?
            .unwrap_or_default(),
        event_type,
    })
}

async fn read(visit: &Visit, name: &str) -> Result<EventType, Failure> {
    let path = format!("/webhooks/event-types/{}", segment(name));
    visit.ask(path).get().await?.read()
}

/// Saves one, which may be new.
pub(super) async fn save(visit: Visit, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts, body).await?;
    let wanted = match wanted(&form) {
        Ok(wanted) => wanted,
        Err(fault) => return show(&visit, form, Some(fault)).await,
    };
    let mut ask = visit.ask("/webhooks/event-types");
    if let Ok(revision) = form.text("revision").parse() {
        ask = ask.if_match(revision);
    }
    match ask.put(&json!([wanted])).await {
        Ok(_told) => {
            let name = segment(form.text("name").trim());
            Ok(answer::see(
                &visit.address(&format!("/event-types/{name}?done=saved")),
            ))
        }
        Err(failure) => {
            let fault = failure.in_form()?;
            show(&visit, form, Some(fault)).await
        }
    }
}

/// Reads what is to be saved; a field that is empty is cleared.
fn wanted(form: &Form) -> Result<Value, String> {
    let mut wanted = Map::new();
    wanted.insert("name".to_owned(), form.text("name").trim().into());
    for field in ["category", "description", "entityType"] {
        let text = form.text(field).trim();
        let value = if text.is_empty() {
            Value::Null
        } else {
            text.into()
        };
        wanted.insert(field.to_owned(), value);
    }
    let schema = form.text("schema").trim();
    let schema = if schema.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(schema).map_err(|error| format!("schema: must be JSON: {error}"))?
    };
    wanted.insert("schema".to_owned(), schema);
    Ok(Value::Object(wanted))
}

/// Asks whether it is meant.
pub(super) async fn confirm_delete(
    visit: Visit,
    Path((_, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    visit.require(Permission::WriteConfigs)?;
    let event_type = read(&visit, &name).await?;
    let frame = visit.frame("Delete an event type", "Event types");
    answer::page(&DeletePage { frame, event_type })
}

/// Deletes one; one that Posthorn knows from the start is as it was then.
pub(super) async fn delete(
    visit: Visit,
    Path((_, name)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let path = format!("/webhooks/event-types/{}", segment(&name));
    visit.ask(path).delete().await?;
    Ok(answer::see(&visit.address("/event-types?done=deleted")))
}

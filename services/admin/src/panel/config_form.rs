//! The form of a webhook config: making one and changing one.

mod fields;

use askama::Template;
use axum::{
    extract::{Path, Request},
    response::Response,
};
use domain::token::Permission;
use serde_json::json;

use self::fields::Fields;
use super::{
    answer,
    ask::segment,
    config,
    event_types::{all, by_category},
    failure::Failure,
    form::{Form, Pairs},
    frame::Frame,
    plot::Timetable,
    shown::{Config, EventType},
    visit::Visit,
};

/// What can be chosen from: as the API names it, and as people do.
const METHODS: [&str; 3] = ["POST", "PUT", "GET"];
const PRESETS: [(&str, &str); 4] = [
    ("nudj", "Nudj: 3 retries, 5 s apart"),
    ("qstash", "QStash: 3 retries, from 12 s to half an hour"),
    (
        "standard-webhooks",
        "Standard Webhooks: 9 retries over 3 days",
    ),
    ("custom", "Custom: delays of your own"),
];
const DELAYS: [(&str, &str); 5] = [
    ("preset", "the preset's"),
    ("fixed", "fixed: milliseconds"),
    ("schedule", "schedule: milliseconds, one after the other"),
    ("exponential", "exponential: base, factor and cap"),
    ("expression", "expression in retried"),
];
const SCHEMES: [(&str, &str); 4] = [
    ("standard", "Standard Webhooks"),
    ("hmac-hex", "HMAC in hex"),
    ("jwt", "JWT, as QStash signs"),
    ("none", "not signed"),
];

#[derive(Template)]
#[template(path = "config_form.html")]
struct FormPage {
    frame: Frame,
    /// The config that is changed; `None` for a new one.
    id: Option<String>,
    fields: Fields,
    fault: Option<String>,
    categories: Vec<Category>,
    choices: Choices,
    timetable: Option<Timetable>,
}

/// The event types of a category.
struct Category {
    name: String,
    choices: Vec<Choice>,
}

impl Category {
    /// Returns whether any of it is chosen.
    fn is_open(&self) -> bool {
        self.choices.iter().any(|choice| choice.is_chosen)
    }
}

/// An event type that can be picked.
struct Choice {
    event_type: EventType,
    is_chosen: bool,
    entities: String,
}

struct Choices {
    methods: &'static [&'static str],
    presets: &'static [(&'static str, &'static str)],
    delays: &'static [(&'static str, &'static str)],
    schemes: &'static [(&'static str, &'static str)],
}

#[derive(Template)]
#[template(path = "timetable.html")]
struct TimetablePage {
    timetable: Option<Timetable>,
}

/// Shows an empty form.
pub(super) async fn new(visit: Visit) -> Result<Response, Failure> {
    visit.require(Permission::WriteConfigs)?;
    show(&visit, None, Fields::default(), None).await
}

/// Shows the form with what is.
pub(super) async fn edit(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    visit.require(Permission::WriteConfigs)?;
    let config = config::read(&visit, &id).await?;
    show(&visit, Some(id), Fields::of_config(&config), None).await
}

/// Makes a config. A secret that was made for it is shown this once.
pub(super) async fn create(visit: Visit, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts, body).await?;
    let fields = Fields::of_form(&form);
    let draft = match fields.draft(None) {
        Ok(draft) => draft,
        Err(fault) => return show(&visit, None, fields, Some(fault)).await,
    };
    let saved: Vec<Config> = match visit.ask("/webhooks/configs").put(&json!([draft])).await {
        Ok(told) => told.read()?,
        Err(failure) => {
            let fault = failure.in_form()?;
            let fault = fault.trim_start_matches("[0].").to_owned();
            return show(&visit, None, fields, Some(fault)).await;
        }
    };
    let Some(config) = saved.first() else {
        return Ok(answer::see(&visit.address("/configs")));
    };
    match &config.secret {
        Some(secret) => config::show_secret(&visit, &config.id, secret, None),
        None => Ok(saved_address(&visit, &config.id)),
    }
}

/// Changes a config, unless it was changed since the form was shown.
pub(super) async fn change(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts, body).await?;
    let fields = Fields::of_form(&form);
    let existing = config::read(&visit, &id).await?;
    let draft = match fields.draft(Some(&existing)) {
        Ok(draft) => draft,
        Err(fault) => return show(&visit, Some(id), fields, Some(fault)).await,
    };
    let mut ask = visit.ask(format!("/webhooks/configs/{}", segment(&id)));
    if let Ok(revision) = form.text("revision").parse() {
        ask = ask.if_match(revision);
    }
    match ask.patch(&draft).await {
        Ok(told) => {
            let saved: Config = told.read()?;
            match &saved.secret {
                Some(secret) => config::show_secret(&visit, &id, secret, None),
                None => Ok(saved_address(&visit, &id)),
            }
        }
        Err(failure) => {
            let fault = failure.in_form()?;
            show(&visit, Some(id), fields, Some(fault)).await
        }
    }
}

fn saved_address(visit: &Visit, id: &str) -> Response {
    answer::see(&visit.address(&format!("/configs/{}?done=saved", segment(id))))
}

/// Draws the timetable of a form that is being filled in.
pub(super) async fn timetable(visit: Visit) -> Result<Response, Failure> {
    let fields = Fields::of_form(&Pairs::parse(visit.query().as_bytes()));
    let timetable = fields.timetable();
    answer::page(&TimetablePage { timetable })
}

async fn show(
    visit: &Visit,
    id: Option<String>,
    fields: Fields,
    fault: Option<String>,
) -> Result<Response, Failure> {
    let catalogue = all(visit, "").await?;
    let fields = fields.sorted(&catalogue);
    let categories = by_category(catalogue).into_iter();
    let categories = categories.map(|(name, types)| {
        let choices = types.into_iter().map(|event_type| Choice {
            is_chosen: fields.events.contains(&event_type.name),
            entities: fields.entities_of(&event_type.name),
            event_type,
        });
        Category {
            name,
            choices: choices.collect(),
        }
    });
    let title = if id.is_some() {
        "Change a webhook"
    } else {
        "New webhook"
    };
    answer::page(&FormPage {
        frame: visit.frame(title, "Webhooks"),
        id,
        fault,
        categories: categories.collect(),
        choices: Choices {
            methods: &METHODS,
            presets: &PRESETS,
            delays: &DELAYS,
            schemes: &SCHEMES,
        },
        timetable: fields.timetable(),
        fields,
    })
}

//! Tokens: who may do what, making one and revoking one.

use askama::Template;
use axum::{
    extract::{Path, Request},
    response::Response,
};
use domain::{time::Timestamp, token::Permission};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    answer, ask::segment, failure::Failure, form::Form, frame::Frame, logs::instant, shown::time,
    visit::Visit,
};
use crate::now;

/// The roles, with what they may do.
const ROLES: [(&str, &str); 3] = [
    ("producer", "send events"),
    ("viewer", "look at webhooks and event types"),
    ("admin", "everything in this organisation"),
];

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    roles: &'static [(&'static str, &'static str)],
    tokens: Vec<TokenShown>,
    /// One that was just made, shown this once.
    made: Option<String>,
    form: Form,
    fault: Option<String>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "confirm_revocation.html")]
struct RevokePage {
    frame: Frame,
    token: TokenShown,
}

/// A token.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenShown {
    id: String,
    #[serde(default)]
    token: Option<String>,
    role: String,
    name: String,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl TokenShown {
    fn is_expired(&self, now: &Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= *now)
    }
}

/// Shows the tokens.
pub(super) async fn page(visit: Visit) -> Result<Response, Failure> {
    show(&visit, Form::default(), (None, None)).await
}

/// Makes one, and shows it this once.
pub(super) async fn create(visit: Visit, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let form = Form::read(&parts, body).await?;
    let mut wanted = Map::new();
    let organisation = visit.organisation().as_str();
    wanted.insert("organisationId".to_owned(), organisation.into());
    wanted.insert("role".to_owned(), form.text("role").into());
    wanted.insert("name".to_owned(), form.text("name").trim().into());
    let end = form.text("expiresAt");
    if !end.is_empty() {
        wanted.insert("expiresAt".to_owned(), instant(end).into());
    }
    match visit.ask("/tokens").post(&Value::Object(wanted)).await {
        Ok(told) => {
            let made: TokenShown = told.read()?;
            show(&visit, Form::default(), (made.token, None)).await
        }
        Err(failure) => {
            let fault = failure.in_form()?;
            show(&visit, form, (None, Some(fault))).await
        }
    }
}

async fn show(
    visit: &Visit,
    form: Form,
    (made, fault): (Option<String>, Option<String>),
) -> Result<Response, Failure> {
    answer::page(&TokensPage {
        frame: visit.frame("Tokens", "Tokens"),
        roles: &ROLES,
        tokens: tokens(visit).await?,
        made,
        form,
        fault,
        now: now(),
    })
}

async fn tokens(visit: &Visit) -> Result<Vec<TokenShown>, Failure> {
    visit.ask("/tokens").get().await?.read()
}

/// Asks whether it is meant.
pub(super) async fn confirm_delete(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    visit.require(Permission::ManageTokens)?;
    let found = tokens(&visit)
        .await?
        .into_iter()
        .find(|token| token.id == id);
    let token =
        found.ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "There is no such token."))?;
    let frame = visit.frame("Revoke a token", "Tokens");
    answer::page(&RevokePage { frame, token })
}

/// Revokes one.
pub(super) async fn delete(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    visit
        .ask(format!("/tokens/{}", segment(&id)))
        .delete()
        .await?;
    Ok(answer::see(&visit.address("/tokens?done=revoked")))
}

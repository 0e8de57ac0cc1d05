//! The way in: to the visitor's own organisation, or for an operator to the one they pick.

use std::{collections::BTreeSet, sync::Arc};

use askama::Template;
use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use domain::token::{Permission, Role};
use http::StatusCode;

use super::{
    COUNTED_AS, Panel, ROOT, answer, assets,
    failure::Failure,
    form::Pairs,
    session::{self, Signed},
};

/// The most organisations that are listed; others are found by their name.
const SHOWN_MAX: usize = 500;

#[derive(Template)]
#[template(path = "organisations.html")]
struct OrganisationsPage<'a> {
    version: &'a str,
    organisations: Vec<String>,
    is_cut: bool,
}

/// Leads on to the first page that somebody may see.
pub(super) async fn start(
    State(panel): State<Arc<Panel>>,
    RawQuery(query): RawQuery,
    signed: Result<Signed, Failure>,
) -> Result<Response, Failure> {
    let signed = match signed {
        Err(Failure::SignedOut) if query.as_deref() == Some("signed=in") => {
            return session::not_kept();
        }
        other => other?,
    };
    let required = signed.caller.require(Permission::ReadConfigs, COUNTED_AS);
    required.map_err(Failure::of)?;
    if let Some(own) = signed.caller.own_organisation() {
        return Ok(answer::see(&format!("/panel/o/{own}/")));
    }
    let mut organisations: Vec<String> = known(&panel).into_iter().collect();
    let is_cut = organisations.len() > SHOWN_MAX;
    organisations.truncate(SHOWN_MAX);
    answer::page(&OrganisationsPage {
        version: &assets::VERSION,
        organisations,
        is_cut,
    })
}

/// Opens the organisation that an operator names.
pub(super) async fn open(RawQuery(query): RawQuery, signed: Signed) -> Result<Response, Failure> {
    if signed.caller.role() != Role::Operator {
        return Ok(answer::see(ROOT));
    }
    let query = Pairs::parse(query.as_deref().unwrap_or_default().as_bytes());
    let named = query.text("organisation").trim();
    let organisation = signed
        .caller
        .organisation(Some(named), COUNTED_AS)
        .map_err(Failure::of)?;
    Ok(answer::see(&format!("/panel/o/{organisation}/")))
}

/// Says that there is no such page.
pub(super) async fn unknown() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "There is no such page.")
}

/// Returns the organisations that have a token: an organisation exists from its first one on.
fn known(panel: &Panel) -> BTreeSet<String> {
    let tokens = panel.admin.following.tokens.all();
    let organisations = tokens
        .iter()
        .filter_map(|(_, token)| token.organisation_id.as_ref());
    organisations.map(ToString::to_string).collect()
}

//! `GET /settings`: the settings of an organisation.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::token::Permission;
use http_api::problem::Problem;

use super::SettingsView;
use crate::{Admin, api::OrganisationQuery};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "getSettings";

/// Returns the settings of the organisation.
#[utoipa::path(
    get,
    path = "/settings",
    operation_id = OPERATION,
    tag = "Settings",
    params(OrganisationQuery),
    responses(
        (status = 200, description = "The settings.", body = SettingsView<'_>),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::ReadConfigs, OPERATION)?;
    let stored = admin.settings(&organisation, OPERATION).await?;
    let settings = stored.map(|stored| stored.settings).unwrap_or_default();
    Ok(Json(SettingsView::new(&organisation, &settings)).into_response())
}

//! `PUT /settings`: changes the settings of an organisation.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{
    name::OrganisationId,
    organisation::{BODY_RETENTION_MAX_DAYS, Settings},
    token::Permission,
};
use http_api::{
    body::{self, Object},
    problem::Problem,
};
use jetstream::bucket;
use serde::{Deserialize, Deserializer};

use super::SettingsView;
use crate::{
    Admin,
    api::{BODY_MAX_BYTES, OrganisationQuery},
    now,
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "putSettings";

/// What is changed. What is left out stays as it is.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = OrganisationSettingsChange)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    /// For how many days the bodies of events and answers are kept: from 0, which is some minutes, to 3650; `null` is as
    /// long as their records, which nothing outlives.
    #[schema(value_type = Option<u32>, maximum = 3650)]
    #[serde(default, deserialize_with = "given")]
    body_retention_days: Option<Option<u32>>,
}

/// Saves the settings of the organisation.
///
/// Bodies that have expired are gone within about ten minutes. Their records stay, and say so. An event without its
/// body can't be retried by its record, and a replay skips it. What waits for an attempt, and dead letters, have bodies
/// of their own until they are done with.
#[utoipa::path(
    put,
    path = "/settings",
    operation_id = OPERATION,
    tag = "Settings",
    params(OrganisationQuery),
    request_body(content = Wanted),
    responses(
        (status = 200, description = "The settings.", body = SettingsView<'_>),
        (status = 409, description = "They are being changed by somebody else."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let body = body::read(&parts, body, BODY_MAX_BYTES, OPERATION).await?;
    let Object(wanted) = body::json::<Object<Wanted>>(&body, OPERATION)?;
    let days = wanted.body_retention_days;
    if days
        .flatten()
        .is_some_and(|days| days > BODY_RETENTION_MAX_DAYS)
    {
        let message = format!(
            "bodyRetentionDays: must be a number from 0 to {BODY_RETENTION_MAX_DAYS}, or null"
        );
        return Err(Problem::bad_request(OPERATION, message));
    }
    let settings = save(&admin, &organisation, &wanted).await?;
    Ok(Json(SettingsView::new(&organisation, &settings)).into_response())
}

/// Writes the settings under the revision that was read.
async fn save(
    admin: &Admin,
    organisation: &OrganisationId,
    wanted: &Wanted,
) -> Result<Settings, Problem> {
    let stored = admin.settings(organisation, OPERATION).await?;
    let revision = stored.as_ref().map(|stored| stored.revision);
    let before = stored.map(|stored| stored.settings).unwrap_or_default();
    let settings = Settings {
        body_retention_days: wanted
            .body_retention_days
            .unwrap_or(before.body_retention_days),
        updated_at: Some(now()),
        ..before
    };
    let bucket = &admin.following.organisation_bucket;
    match bucket.write(organisation, &settings, revision).await {
        Ok(_revision) => Ok(settings),
        Err(bucket::Error::Conflict) => Err(Problem::conflict(
            OPERATION,
            "the settings are being changed by somebody else, repeat the request",
        )),
        Err(bucket::Error::Unavailable(error)) => {
            tracing::warn!(error, "settings were not saved");
            Err(Problem::unavailable(
                OPERATION,
                "not saved, repeat the request",
            ))
        }
    }
}

/// Tells a field that is `null` from one that is left out.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

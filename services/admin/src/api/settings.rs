//! `/settings`: what an organisation decides for all of its endpoints.

mod get;
mod put;

use std::sync::Arc;

use domain::{name::OrganisationId, organisation::Settings, time::Timestamp};
use http_api::problem::Problem;
use jetstream::organisation_bucket::Stored;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Admin, api::counted, metrics::Instruments};

/// Returns the routes of settings.
pub(super) fn routes(instruments: &Arc<Instruments>) -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(counted(instruments, get::OPERATION, routes!(get::handler)))
        .routes(counted(instruments, put::OPERATION, routes!(put::handler)))
}

/// Settings as the API shows them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = OrganisationSettings)]
#[serde(rename_all = "camelCase")]
struct SettingsView<'a> {
    organisation_id: &'a OrganisationId,
    /// For how many days the bodies of events and answers are kept; `null` is as long as their records.
    #[schema(required)]
    body_retention_days: Option<u32>,
    /// When the settings were saved; `null` if they never were.
    #[schema(required)]
    updated_at: Option<Timestamp>,
}

impl<'a> SettingsView<'a> {
    fn new(organisation_id: &'a OrganisationId, settings: &Settings) -> Self {
        Self {
            organisation_id,
            body_retention_days: settings.body_retention_days,
            updated_at: settings.updated_at,
        }
    }
}

impl Admin {
    /// Reads an organisation's settings as they are on the broker.
    async fn settings(
        &self,
        organisation: &OrganisationId,
        operation: &'static str,
    ) -> Result<Option<Stored>, Problem> {
        let bucket = &self.following.organisation_bucket;
        bucket.get(organisation).await.map_err(|error| {
            tracing::warn!(error = %error, operation, "settings can't be read");
            Problem::unavailable(operation, "the settings can't be read at the moment")
        })
    }
}

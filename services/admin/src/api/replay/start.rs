//! `POST /webhooks/configs/{id}/replay`: starts a replay.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{
    name::{EndpointId, OrganisationId, ReplayId},
    replay::{Mode, Plan, Replay, Target},
    time::Timestamp,
    token::Permission,
};
use http::StatusCode;
use http_api::{
    body::{self, Object},
    problem::Problem,
};
use jetstream::subject::Stream;
use lifecycle::entropy;
use serde::Deserialize;

use super::{ReplayView, refused};
use crate::{
    Admin,
    api::{BODY_MAX_BYTES, OrganisationQuery, PathId, path_id},
    now,
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "startWebhookReplay";
const CONFIG_MISSING: &str = "there is no such webhook config";

/// What is asked for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewReplay)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    #[serde(default, deserialize_with = "body::word")]
    mode: Mode,
    /// Events accepted at this time or later.
    #[serde(alias = "since", alias = "fromDate", alias = "startDate")]
    from: Timestamp,
    /// Events accepted before this time; now unless given.
    #[serde(default, alias = "until", alias = "toDate", alias = "endDate")]
    to: Option<Timestamp>,
    /// Jobs made per second.
    #[schema(minimum = 1, maximum = 1000)]
    #[serde(default)]
    rate_per_second: Option<u32>,
}

/// Stores a replay and answers before its first job is made.
#[utoipa::path(
    post,
    path = "/webhooks/configs/{id}/replay",
    operation_id = OPERATION,
    tag = "Replays",
    params(
        ("id" = EndpointId, Path, description = "The id of the webhook config."),
        OrganisationQuery,
    ),
    request_body(content = Wanted, example = json!({"mode": "undelivered", "from": "2026-03-14T00:00:00Z"})),
    responses(
        (status = 202, description = "The replay, which has begun.", body = ReplayView<'_>),
        (status = 409, description = "The webhook config is disabled."),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let organisation = admin.admit_to(&parts, Permission::WriteConfigs, OPERATION)?;
    let endpoint: EndpointId = path_id(path, OPERATION, CONFIG_MISSING)?;
    let body = body::read(&parts, body, BODY_MAX_BYTES, OPERATION).await?;
    let Object(wanted) = body::json::<Object<Wanted>>(&body, OPERATION)?;
    check_endpoint(&admin, &organisation, &endpoint)?;
    let replay = make(&admin, organisation, endpoint, &wanted).await?;
    admin
        .replaying
        .add(&replay)
        .await
        .map_err(|refusal| refused(&refusal, OPERATION))?;
    tracing::info!(replay.id = %replay.id, endpoint.id = %replay.webhook_config_id, "replay stored");
    Ok((StatusCode::ACCEPTED, Json(ReplayView::new(&replay))).into_response())
}

fn check_endpoint(
    admin: &Admin,
    organisation: &OrganisationId,
    endpoint: &EndpointId,
) -> Result<(), Problem> {
    let stored = admin.following.endpoints.get(organisation, endpoint);
    let stored = stored.ok_or_else(|| Problem::not_found(OPERATION, CONFIG_MISSING))?;
    if stored.endpoint.is_enabled {
        Ok(())
    } else {
        Err(Problem::conflict(
            OPERATION,
            "the webhook config is disabled: enable it first",
        ))
    }
}

async fn make(
    admin: &Admin,
    organisation: OrganisationId,
    endpoint: EndpointId,
    wanted: &Wanted,
) -> Result<Replay, Problem> {
    let written = admin
        .replaying
        .broker()
        .written(Stream::Events)
        .await
        .map_err(|reason| {
            tracing::warn!(reason, "the events stream can't be read");
            Problem::unavailable(OPERATION, "not saved, repeat the request")
        })?;
    // Events bear the broker's time: what it has taken by now is in the past, whatever our clock says.
    let now = now().max(written.at.after(Duration::from_millis(1)));
    let plan = Plan::try_new(
        wanted.mode,
        wanted.from,
        wanted.to,
        wanted.rate_per_second,
        now,
    )
    .map_err(|fault| Problem::bad_request(OPERATION, fault.to_string()))?;
    admin
        .replaying
        .check_room(&organisation)
        .map_err(|refusal| refused(&refusal, OPERATION))?;
    let id = ReplayId::try_new(&format!("rp_{}", entropy::uuid_v7()))
        .map_err(|error| Problem::internal(OPERATION, &error))?;
    let target = Target {
        organisation,
        endpoint,
    };
    Ok(Replay::new(id, target, plan, written.sequence, now))
}

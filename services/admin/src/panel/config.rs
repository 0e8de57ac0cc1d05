//! One webhook config: how it does, what it is set to, and what can be done with it.

use askama::Template;
use axum::{extract::Path, response::Response};
use domain::token::Permission;
use serde::Deserialize;
use serde_json::json;

use super::{
    answer,
    ask::segment,
    configs,
    failure::Failure,
    frame::Frame,
    plot::{Bars, Timetable},
    shown::{Config, Stats, grade, percent, span, time},
    visit::Visit,
};

/// For how long the secret that was current signs on when it is rotated here.
const OVERLAPS_MS: [(u64, &str); 4] = [
    (86_400_000, "24 hours"),
    (3_600_000, "1 hour"),
    (604_800_000, "7 days"),
    (0, "not at all: it ends at once"),
];

#[derive(Template)]
#[template(path = "config.html")]
struct ConfigPage {
    frame: Frame,
    config: Config,
    stats: Stats,
    bars: Bars,
    rate: String,
    rate_class: &'static str,
    percentiles: Option<[String; 3]>,
    timetable: Timetable,
}

#[derive(Template)]
#[template(path = "confirm_delete.html")]
struct DeletePage {
    frame: Frame,
    config: Config,
}

#[derive(Template)]
#[template(path = "rotate.html")]
struct RotatePage {
    frame: Frame,
    config: Config,
    overlaps: &'static [(u64, &'static str)],
}

/// A secret that is shown this once.
#[derive(Template)]
#[template(path = "secret.html")]
struct SecretPage<'a> {
    frame: Frame,
    config_id: &'a str,
    secret: &'a str,
    old_ends: Option<String>,
}

/// The answer to a rotation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rotated {
    secret: String,
    old_secret_expires_at: Option<domain::time::Timestamp>,
}

/// Shows a config.
pub(super) async fn page(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let config = read(&visit, &id).await?;
    let path = format!("/webhooks/configs/{}/stats", segment(&id));
    let stats: Stats = visit.ask(path).get().await?.read()?;
    answer::page(&ConfigPage {
        frame: visit.frame(config.url.as_str(), "Webhooks"),
        bars: configs::bars(&stats),
        rate: percent(stats.success_rate),
        rate_class: grade(stats.success_rate),
        percentiles: stats
            .duration_ms
            .as_ref()
            .map(|found| [found.p50, found.p95, found.p99].map(|millis| span(millis.into()))),
        timetable: Timetable::of(&config.retry_policy, config.max_retries),
        config,
        stats,
    })
}

/// Holds its deliveries back.
pub(super) async fn pause(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    act(&visit, &id, "pause", "paused").await
}

/// Lets its deliveries go on.
pub(super) async fn resume(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    act(&visit, &id, "resume", "resumed").await
}

async fn act(visit: &Visit, id: &str, action: &str, done: &str) -> Result<Response, Failure> {
    let path = format!("/webhooks/configs/{}/{action}", segment(id));
    visit.ask(path).post(&json!(null)).await?;
    let address = visit.address(&format!("/configs/{}?done={done}", segment(id)));
    Ok(answer::see(&address))
}

/// Asks whether it is meant.
pub(super) async fn confirm_delete(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    visit.require(Permission::WriteConfigs)?;
    let config = read(&visit, &id).await?;
    let frame = visit.frame("Delete a webhook", "Webhooks");
    answer::page(&DeletePage { frame, config })
}

/// Deletes it.
pub(super) async fn delete(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let path = format!("/webhooks/configs/{}", segment(&id));
    visit.ask(path).delete().await?;
    Ok(answer::see(&visit.address("/configs?done=deleted")))
}

/// Asks how to rotate.
pub(super) async fn confirm_rotation(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    visit.require(Permission::WriteConfigs)?;
    let config = read(&visit, &id).await?;
    answer::page(&RotatePage {
        frame: visit.frame("Rotate the secret", "Webhooks"),
        config,
        overlaps: &OVERLAPS_MS,
    })
}

/// Makes another signing secret, and shows it this once.
pub(super) async fn rotate(
    visit: Visit,
    Path((_, id)): Path<(String, String)>,
    request: axum::extract::Request,
) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let form = super::form::Form::read(&parts, body).await?;
    let wanted = form.text("overlap");
    let overlap = OVERLAPS_MS
        .iter()
        .find(|(millis, _)| millis.to_string() == wanted);
    let overlap = overlap.or(OVERLAPS_MS.first()).map(|(millis, _)| millis);
    let path = format!("/webhooks/configs/{}/secret/rotate", segment(&id));
    let told = visit.ask(path).post(&json!({"overlapMs": overlap})).await?;
    let rotated: Rotated = told.read()?;
    let ends = rotated.old_secret_expires_at;
    show_secret(&visit, &id, &rotated.secret, ends.as_ref().map(time))
}

/// Shows a secret, this once.
pub(super) fn show_secret(
    visit: &Visit,
    id: &str,
    secret: &str,
    old_ends: Option<String>,
) -> Result<Response, Failure> {
    answer::page(&SecretPage {
        frame: visit.frame("The signing secret", "Webhooks"),
        config_id: id,
        secret,
        old_ends,
    })
}

/// Reads a config.
pub(super) async fn read(visit: &Visit, id: &str) -> Result<Config, Failure> {
    let path = format!("/webhooks/configs/{}", segment(id));
    visit.ask(path).get().await?.read()
}

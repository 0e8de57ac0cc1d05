//! `GET /webhooks/configs/{id}/stats`: how an endpoint has been doing.

use std::{sync::Arc, time::Duration};

use attempt_store::{LastTimes, ReadError, Waiting};
use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{
    health::Breaker,
    name::{EndpointId, OrganisationId},
    statistics::{Durations, Figures, Point, Window},
    time::Timestamp,
    token::Permission,
};
use http_api::problem::Problem;
use serde::{Deserialize, Serialize};

use super::MISSING;
use crate::{
    Admin,
    api::{PathId, log::unreadable, path_id},
    now,
};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "getWebhookConfigStats";
const WINDOW_DEFAULT: Duration = Duration::from_secs(86_400);

/// The window that is asked for, as texts, so that what is wrong with one can be told by name.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Query {
    /// The organisation, which an operator must name; for others their own.
    #[param(value_type = Option<OrganisationId>)]
    organisation_id: Option<String>,
    /// The length of the window, which ends now: a number with `m`, `h` or `d`, from a minute to 31 days.
    #[param(pattern = "^[0-9]+[mhd]$", default = "24h")]
    window: Option<String>,
    /// The beginning of the window, in place of its length.
    #[param(value_type = Option<Timestamp>)]
    since: Option<String>,
    /// The end of the window, which does not belong to it; now if left out.
    #[param(value_type = Option<Timestamp>)]
    until: Option<String>,
}

/// Figures about an endpoint.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = WebhookConfigStats)]
#[serde(rename_all = "camelCase")]
struct StatsView<'a> {
    webhook_config_id: &'a EndpointId,
    since: Timestamp,
    until: Timestamp,
    /// How many attempts began in the window, without tests.
    attempts: u64,
    succeeded: u64,
    failed: u64,
    /// The part that succeeded, from 0 to 1; `null` without attempts.
    #[schema(required)]
    success_rate: Option<f64>,
    /// How long attempts took, in milliseconds; `null` without attempts.
    #[schema(required)]
    duration_ms: Option<DurationsView>,
    /// Whether every attempt was counted. If there were more than 20,000 the figures are estimated from samples.
    is_complete: bool,
    /// How far apart the points of the series lie, in milliseconds.
    step_ms: u64,
    /// The same in the course of time, at most 48 points.
    series: Vec<PointView>,
    breaker: Breaker,
    /// How many jobs are known to wait for an attempt: parked, or between two.
    waiting_jobs: u64,
    /// Whether these are all: only the newest few thousand records are looked at.
    waiting_jobs_is_complete: bool,
    /// When the last attempt began, in the window or before it, tests included.
    #[schema(required)]
    last_attempt_at: Option<Timestamp>,
    /// When the last successful attempt began; `null` also if it lies more than 50,000 attempts back.
    #[schema(required)]
    last_success_at: Option<Timestamp>,
}

/// Percentiles.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DurationPercentiles)]
struct DurationsView {
    p50: u32,
    p95: u32,
    p99: u32,
}

/// One point of the series.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = StatsPoint)]
struct PointView {
    /// The beginning of the time that it stands for.
    at: Timestamp,
    succeeded: u64,
    failed: u64,
}

/// Returns figures about an endpoint: counts, success rate, latency, the state of its breaker, waiting jobs.
///
/// What is read is bounded however many attempts there were.
#[utoipa::path(
    get,
    path = "/webhooks/configs/{id}/stats",
    operation_id = OPERATION,
    tag = "Webhook configs",
    params(
        ("id" = EndpointId, Path, description = "The id of the webhook config."),
        Query,
    ),
    responses(
        (status = 200, description = "The figures.", body = StatsView<'_>),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    path: PathId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let caller = admin.admit(&parts, Permission::ReadConfigs, OPERATION)?;
    let query: Query = http_api::query::read(parts.uri.query(), OPERATION)?;
    let organisation = caller.organisation(query.organisation_id.as_deref(), OPERATION)?;
    let now = now();
    let window = query
        .window(now)
        .map_err(|message| Problem::bad_request(OPERATION, message))?;
    let id: EndpointId = path_id(path, OPERATION, MISSING)?;
    if admin.following.endpoints.get(&organisation, &id).is_none() {
        return Err(Problem::not_found(OPERATION, MISSING));
    }
    let breaker = breaker(&admin, &organisation, &id, now).await?;
    let read = async {
        let store = &admin.store;
        let figures = store.figures(&organisation, &id, window).await?;
        let waiting = store.waiting(&organisation, &id).await?;
        let last = store.last_times(&organisation, &id).await?;
        Ok((figures, waiting, last))
    };
    let (figures, waiting, last) = read
        .await
        .map_err(|error: ReadError| unreadable(&error, OPERATION))?;
    let view = StatsView {
        breaker,
        ..StatsView::new(&id, window, &figures, (waiting, last))
    };
    Ok(Json(view).into_response())
}

/// Reads the state of the endpoint's breaker, which is closed as long as nobody says otherwise.
async fn breaker(
    admin: &Admin,
    organisation: &OrganisationId,
    endpoint: &EndpointId,
    now: Timestamp,
) -> Result<Breaker, Problem> {
    let bucket = &admin.following.health_bucket;
    let stored = bucket.get(organisation, endpoint).await.map_err(|error| {
        tracing::warn!(error = %error, "the health of an endpoint can't be read");
        Problem::unavailable(OPERATION, "the breaker's state can't be read at the moment")
    })?;
    Ok(stored.map_or(Breaker::Closed, |stored| stored.health.breaker(now)))
}

impl<'a> StatsView<'a> {
    fn new(
        webhook_config_id: &'a EndpointId,
        window: Window,
        figures: &Figures,
        (waiting, last): (Waiting, LastTimes),
    ) -> Self {
        let attempts = figures.attempts();
        Self {
            webhook_config_id,
            since: window.from(),
            until: window.until(),
            attempts,
            succeeded: figures.succeeded,
            failed: figures.failed,
            success_rate: rate(figures.succeeded, attempts),
            duration_ms: figures.durations.map(DurationsView::new),
            is_complete: figures.is_exact,
            step_ms: u64::try_from(window.step().as_millis()).unwrap_or(u64::MAX),
            series: figures.points.iter().map(PointView::new).collect(),
            breaker: Breaker::Closed,
            waiting_jobs: waiting.jobs,
            waiting_jobs_is_complete: waiting.is_exact,
            last_attempt_at: last.attempt,
            last_success_at: last.success,
        }
    }
}

impl DurationsView {
    fn new(durations: Durations) -> Self {
        let Durations { p50, p95, p99 } = durations;
        Self { p50, p95, p99 }
    }
}

impl PointView {
    fn new(point: &Point) -> Self {
        let Point {
            at,
            succeeded,
            failed,
        } = *point;
        Self {
            at,
            succeeded,
            failed,
        }
    }
}

/// Returns which part of the attempts succeeded, to four places.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "counts are far below the numbers that a float holds exactly"
)]
fn rate(succeeded: u64, attempts: u64) -> Option<f64> {
    (attempts > 0).then(|| (succeeded as f64 / attempts as f64 * 10_000.0).round() / 10_000.0)
}

impl Query {
    /// Returns the window that is asked for.
    fn window(&self, now: Timestamp) -> Result<Window, String> {
        let time = |name: &str, text: &str| {
            // A plus that was not encoded arrives as a space.
            Timestamp::parse(&text.replace(' ', "+")).map_err(|error| format!("{name}: {error}"))
        };
        let until = self.until.as_deref().map(|text| time("until", text));
        let until = until.transpose()?.unwrap_or(now);
        let (name, since) = match (&self.window, &self.since) {
            (Some(_), Some(_)) => return Err("window: must not be given beside since".to_owned()),
            (_, Some(since)) => ("since", time("since", since)?),
            (Some(window), None) => ("window", before(until, span(window)?)),
            (None, None) => ("window", before(until, WINDOW_DEFAULT)),
        };
        Window::try_new(since, until).map_err(|error| match name {
            "since" => format!("since: {error}"),
            _ => "window: must be from a minute to 31 days".to_owned(),
        })
    }
}

/// Reads a length of time such as `30m`, `24h` or `7d`.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "window: must be a number with m, h or d, such as 24h".to_owned();
    let unit_s = match text.as_bytes().last() {
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => return Err(wrong()),
    };
    let digits = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse::<u32>().ok().filter(|_| is_number);
    let number = number.ok_or_else(wrong)?;
    Ok(Duration::from_secs(u64::from(number) * unit_s))
}

fn before(time: Timestamp, span: Duration) -> Timestamp {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.millis().saturating_sub(span))
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::{Query, rate};

    #[test]
    fn a_window_is_given_by_its_length_or_its_ends() {
        let now = at("2026-03-14T12:00:00Z");
        let window = |window: Option<&str>, since: Option<&str>, until: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let query = Query {
                organisation_id: None,
                window: text(window),
                since: text(since),
                until: text(until),
            };
            let window = query.window(now)?;
            Ok::<_, String>((window.from(), window.until()))
        };
        let (day_ago, noon) = (at("2026-03-13T12:00:00Z"), now);

        assert_eq!(window(None, None, None), Ok((day_ago, noon)));
        assert_eq!(window(Some("1d"), None, None), Ok((day_ago, noon)));
        let half = at("2026-03-14T11:30:00Z");
        assert_eq!(window(Some("30m"), None, None), Ok((half, noon)));
        let since = Some("2026-03-13T13:00:00 01:00");
        assert_eq!(window(None, since, None), Ok((day_ago, noon)));
        let until = Some("2026-03-14T11:30:00Z");
        assert_eq!(window(None, since, until), Ok((day_ago, half)));
        for (given, since, wrong) in [
            (Some("1d"), since, "window: must not be given beside since"),
            (
                Some("32d"),
                None,
                "window: must be from a minute to 31 days",
            ),
            (Some("0h"), None, "window: must be from a minute to 31 days"),
            (
                Some("+1h"),
                None,
                "window: must be a number with m, h or d, such as 24h",
            ),
            (
                Some("h"),
                None,
                "window: must be a number with m, h or d, such as 24h",
            ),
            (
                None,
                Some("2026-03-14T12:00:00Z"),
                "since: must be a minute to 31 days before the end of the window",
            ),
            (
                None,
                Some("today"),
                "since: must be an RFC 3339 time such as 2026-03-14T10:21:45.102Z",
            ),
        ] {
            assert_eq!(window(given, since, None), Err(wrong.to_owned()));
        }
    }

    #[test]
    fn a_rate_has_four_places() {
        assert_eq!(rate(0, 0), None);
        assert_eq!(rate(0, 5), Some(0.0));
        assert_eq!(rate(2, 3), Some(0.6667));
        assert_eq!(rate(7, 7), Some(1.0));
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }
}

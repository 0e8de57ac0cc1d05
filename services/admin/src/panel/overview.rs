//! The first page: how all of an organisation's webhooks are doing together, and which do worst.

use std::time::Duration;

use askama::Template;
use attempt_store::{ReadError, Waiting};
use axum::response::Response;
use domain::{
    statistics::{Figures, Window},
    time::Timestamp,
    token::Permission,
};
use http::StatusCode;

use super::{
    COUNTED_AS, answer, config,
    configs::{Row, rows},
    failure::Failure,
    frame::Frame,
    plot::Bars,
    shown::{Config, grade, percent, span},
    visit::Visit,
};
use crate::{api::unreadable, now};

const DAY: Duration = Duration::from_secs(86_400);
/// How far back the rate of deliveries is looked at.
const LATELY: Duration = Duration::from_secs(300);
/// How many of those that fail most are shown.
const WORST_MAX: u32 = 5;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    has_configs: bool,
    per_minute: String,
    attempts: u64,
    is_exact: bool,
    rate: String,
    rate_class: &'static str,
    percentiles: Option<[String; 3]>,
    waiting: u64,
    waiting_is_exact: bool,
    bars: Bars,
    worst: Vec<Row>,
}

/// Shows the overview.
pub(super) async fn page(visit: Visit) -> Result<Response, Failure> {
    visit.require(Permission::ReadConfigs)?;
    let ask = visit.ask("/webhooks/configs").with("limit", "1");
    let has_configs = ask.get().await?.total() > 0;
    let (figures, lately, waiting) = read(&visit).await?;
    let worst = worst(&visit).await?;
    let share = share(&figures);
    let points: Vec<_> = figures
        .points
        .iter()
        .map(|point| (point.succeeded, point.failed))
        .collect();
    answer::page(&OverviewPage {
        frame: visit.frame("Overview", "Overview"),
        has_configs,
        per_minute: per_minute(lately.attempts()),
        attempts: figures.attempts(),
        is_exact: figures.is_exact,
        rate: percent(share),
        rate_class: grade(share),
        percentiles: figures
            .durations
            .map(|found| [found.p50, found.p95, found.p99].map(|millis| span(millis.into()))),
        waiting: waiting.jobs,
        waiting_is_exact: waiting.is_exact,
        bars: Bars::of(&points),
        worst: rows(&visit, worst).await?,
    })
}

async fn read(visit: &Visit) -> Result<(Figures, Figures, Waiting), Failure> {
    let (store, organisation) = (&visit.panel().admin.store, visit.organisation());
    let read = async {
        let day = store.figures(organisation, None, window(DAY)?).await?;
        let lately = store.figures(organisation, None, window(LATELY)?).await?;
        let waiting = store.waiting(organisation, None).await?;
        Ok((day, lately, waiting))
    };
    read.await.map_err(|unread| match unread {
        Unread::Store(error) => Failure::of(unreadable(&error, COUNTED_AS)),
        Unread::Window(error) => Failure::internal(&error),
    })
}

/// Why figures could not be read.
enum Unread {
    Store(ReadError),
    Window(domain::statistics::InvalidWindow),
}

impl From<ReadError> for Unread {
    fn from(error: ReadError) -> Self {
        Self::Store(error)
    }
}

fn window(length: Duration) -> Result<Window, Unread> {
    Window::try_new(before(length), now()).map_err(Unread::Window)
}

/// Returns the time that long ago.
fn before(length: Duration) -> Timestamp {
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now().millis().saturating_sub(length))
}

/// Returns the configs that fail most, the worst first. One that was deleted fails nobody any more.
async fn worst(visit: &Visit) -> Result<Vec<Config>, Failure> {
    let store = &visit.panel().admin.store;
    let failing = store.failing(visit.organisation(), before(DAY), WORST_MAX);
    let failing = failing
        .await
        .map_err(|error| Failure::of(unreadable(&error, COUNTED_AS)))?;
    let mut configs = Vec::with_capacity(failing.len());
    for one in failing {
        match config::read(visit, one.endpoint.as_str()).await {
            Ok(config) => configs.push(config),
            Err(Failure::Refused {
                status: StatusCode::NOT_FOUND,
                ..
            }) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(configs)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "counts are far below the numbers that a float holds exactly"
)]
fn share(figures: &Figures) -> Option<f64> {
    let attempts = figures.attempts();
    (attempts > 0).then(|| figures.succeeded as f64 / attempts as f64)
}

/// Writes how many there were in a minute, of those of [`LATELY`].
fn per_minute(attempts: u64) -> String {
    let minutes = LATELY.as_secs() / 60;
    let tenths = (attempts * 10).div_ceil(minutes);
    format!("{}.{}", tenths / 10, tenths % 10)
}

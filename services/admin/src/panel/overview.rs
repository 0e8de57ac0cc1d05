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

use super::{
    OPERATION, answer,
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
/// Of how many configs the worst are looked for: the first hundred.
const LOOKED_AT: &str = "100";
const WORST_MAX: usize = 5;

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
    let ask = visit.ask("/webhooks/configs").with("limit", LOOKED_AT);
    let configs: Vec<Config> = ask.get().await?.read()?;
    let has_configs = !configs.is_empty();
    let (figures, lately, waiting) = read(&visit).await?;
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
        worst: worst(rows(&visit, configs).await?),
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
        Unread::Store(error) => Failure::of(unreadable(&error, OPERATION)),
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
    let until = now();
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let from = Timestamp::from_millis(until.millis().saturating_sub(length));
    Window::try_new(from, until).map_err(Unread::Window)
}

/// Returns those that fail most, the worst first.
fn worst(mut rows: Vec<Row>) -> Vec<Row> {
    let is_bad = |row: &Row| row.stats.failed > 0 || row.stats.breaker != "closed";
    rows.retain(is_bad);
    rows.sort_by(|left, right| {
        let share = |row: &Row| row.stats.success_rate.unwrap_or(1.0);
        let by_share = share(left).total_cmp(&share(right));
        by_share.then(right.stats.failed.cmp(&left.stats.failed))
    });
    rows.truncate(WORST_MAX);
    rows
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

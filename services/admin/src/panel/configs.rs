//! The list of webhook configs, each with how it has been doing for a day.

use askama::Template;
use axum::response::Response;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    answer,
    ask::segment,
    failure::Failure,
    form::Pairs,
    frame::Frame,
    plot::Bars,
    shown::{Config, Stats, grade, percent},
    visit::Visit,
};

const PAGE: u64 = 20;
/// How many endpoints' figures are read at once.
const AT_ONCE: usize = 4;

#[derive(Template)]
#[template(path = "configs.html")]
struct ConfigsPage {
    frame: Frame,
    rows: Vec<Row>,
    search: String,
    total: u64,
    earlier: Option<u64>,
    later: Option<u64>,
}

/// A config with its figures.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) config: Config,
    pub(super) rate: String,
    pub(super) rate_class: &'static str,
    pub(super) stats: Stats,
    pub(super) bars: Bars,
}

/// Shows the list.
pub(super) async fn page(visit: Visit) -> Result<Response, Failure> {
    let query = Pairs::parse(visit.query().as_bytes());
    let skip: u64 = query.text("skip").parse().unwrap_or(0);
    let told = visit
        .ask("/webhooks/configs")
        .with("limit", &PAGE.to_string())
        .with("skip", &skip.to_string())
        .with_given([("search", query.text("search"))])
        .get()
        .await?;
    let rows = rows(&visit, told.read()?).await?;
    answer::page(&ConfigsPage {
        frame: visit.frame("Webhooks", "Webhooks"),
        rows,
        search: query.text("search").to_owned(),
        total: told.total(),
        earlier: (skip > 0).then(|| skip.saturating_sub(PAGE)),
        later: (skip.saturating_add(PAGE) < told.total()).then(|| skip.saturating_add(PAGE)),
    })
}

/// Finds the figures of configs, some at a time.
pub(super) async fn rows(visit: &Visit, configs: Vec<Config>) -> Result<Vec<Row>, Failure> {
    stream::iter(configs)
        .map(|config| row(visit, config))
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

async fn row(visit: &Visit, config: Config) -> Result<Row, Failure> {
    let path = format!("/webhooks/configs/{}/stats", segment(&config.id));
    let stats: Stats = visit.ask(path).get().await?.read()?;
    Ok(Row {
        rate: percent(stats.success_rate),
        rate_class: grade(stats.success_rate),
        bars: bars(&stats),
        config,
        stats,
    })
}

/// Draws a config's last day.
pub(super) fn bars(stats: &Stats) -> Bars {
    let points = stats.series.iter();
    let points: Vec<_> = points
        .map(|point| (point.succeeded, point.failed))
        .collect();
    Bars::of(&points)
}

//! `GET /webhooks/logs`: a page of records.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use domain::{time::Timestamp, token::Permission};
use http_api::problem::Problem;
use jetstream::subject::Stream;
use serde::Serialize;

use super::{RecordView, query::Query, unreadable};
use crate::{Admin, now};

/// The operation's name in errors and metrics.
pub(super) const OPERATION: &str = "listWebhookLogs";
/// How long after its begin an attempt's record is on its way to the log: the longest attempt, and as long again.
const ON_ITS_WAY: Duration = Duration::from_secs(120);

/// A page of records.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = LogPage)]
#[serde(rename_all = "camelCase")]
struct PageView<'a> {
    /// How many records there are, counted up to 10,000, and among the first 50,000 in the page's order where what is
    /// asked for is found by no index.
    total_count: u64,
    /// Whether these are all.
    total_count_is_exact: bool,
    /// May be fewer than asked for, or none, though `nextCursor` leads to more.
    edges: Vec<RecordView<'a>>,
    /// Where the next page begins; `null` if this is the last. A walk by cursors shows every record that was there when
    /// it began exactly once, whatever arrives meanwhile.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Lists the records of the organisation that satisfy every filter, the newest first unless asked
/// otherwise.
#[utoipa::path(
    get,
    path = "/webhooks/logs",
    operation_id = OPERATION,
    tag = "Logs",
    params(Query),
    responses(
        (status = 200, description = "A page of records.", body = PageView<'_>),
    )
)]
pub(super) async fn handler(
    State(admin): State<Arc<Admin>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    let caller = admin.admit(&parts, Permission::ReadLogs, OPERATION)?;
    let query: Query = http_api::query::read(parts.uri.query(), OPERATION)?;
    let organisation = caller.organisation(query.organisation_id.as_deref(), OPERATION)?;
    let refused = |message: String| Problem::bad_request(OPERATION, message);
    let mut filter = query.filter(organisation).map_err(refused)?;
    let page = query.page().map_err(refused)?;
    let settled = query.settled().map_err(refused)?;
    if settled {
        let horizon = horizon(&admin).await?;
        filter.to = Some(filter.to.map_or(horizon, |to| to.min(horizon)));
    }
    let found = admin
        .store
        .attempts(&filter, &page)
        .await
        .map_err(|error| unreadable(&error, OPERATION))?;
    // Who follows the log goes on from here when there is more.
    let end = || settled.then(|| found.end(&page)).flatten();
    let view = PageView {
        total_count: found.total_count,
        total_count_is_exact: found.is_total_exact,
        next_cursor: (found.next_cursor.clone())
            .or_else(end)
            .map(|cursor| cursor.to_string()),
        edges: found.records.iter().map(RecordView::new).collect(),
    };
    Ok(Json(view).into_response())
}

/// Returns the time before which no record is missing: an attempt ends, and its record is on its way, within
/// [`ON_ITS_WAY`], and what the log writer has not stored yet holds the time back.
async fn horizon(admin: &Admin) -> Result<Timestamp, Problem> {
    let broker = admin.replaying.broker();
    let waiting = broker.oldest(Stream::Attempts).await.map_err(|error| {
        tracing::warn!(error, "it can't be told how far the log is written");
        Problem::unavailable(OPERATION, "settled: can't be told at the moment")
    })?;
    let written = waiting.map_or_else(now, |waiting| waiting.min(now()));
    let on_its_way = i64::try_from(ON_ITS_WAY.as_millis()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_millis(
        written.millis().saturating_sub(on_its_way),
    ))
}

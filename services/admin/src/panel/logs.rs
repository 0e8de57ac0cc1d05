//! The delivery logs: a page of attempts, the newest first, under filters that stand in the address.

use askama::Template;
use axum::response::Response;

use super::{
    answer,
    failure::Failure,
    form::Pairs,
    frame::Frame,
    shown::{Pick, Records, span, time},
    visit::Visit,
};

/// How many rows a page has.
pub(super) const PAGE: &str = "25";
/// The fields of the filter, as the API names them.
const FILTER: [&str; 7] = [
    "webhookConfigId",
    "eventSubCategory",
    "success",
    "responseStatus",
    "eventId",
    "fromDate",
    "toDate",
];
/// The fields that dead letters can be filtered by too.
const FILTER_OF_LETTERS: [&str; 5] = [
    "webhookConfigId",
    "eventSubCategory",
    "eventId",
    "fromDate",
    "toDate",
];

#[derive(Template)]
#[template(path = "logs.html")]
struct LogsPage {
    frame: Frame,
    filter: Pairs,
    pick: Pick,
    fault: Option<String>,
    page: Option<Records>,
    total: String,
    /// The filter as a query.
    query: String,
    letters_query: String,
    next: Option<String>,
    /// Whether rows appear by themselves: on the first page.
    is_live: bool,
}

#[derive(Template)]
#[template(path = "log_rows.html")]
struct Rows<'a> {
    base: &'a str,
    may_write: bool,
    query: &'a str,
    page: &'a Records,
}

/// Shows a page of the log.
pub(super) async fn page(visit: Visit) -> Result<Response, Failure> {
    let filter = Pairs::parse(visit.query().as_bytes());
    let cursor = filter.text("cursor");
    let pick = pick(&visit, &filter).await?;
    let (records, fault) = match records(&visit, &filter, (PAGE, cursor)).await {
        Ok(records) => (Some(records), None),
        Err(failure) => (None, Some(failure.in_form()?)),
    };
    let query = filter.query_of(&FILTER);
    answer::page(&LogsPage {
        frame: visit.frame("Delivery logs", "Delivery logs"),
        total: records.as_ref().map(total).unwrap_or_default(),
        next: (records.as_ref()).and_then(|records| records.next_cursor.clone()),
        page: records,
        letters_query: filter.query_of(&FILTER_OF_LETTERS),
        is_live: cursor.is_empty() && fault.is_none(),
        query,
        pick,
        fault,
        filter,
    })
}

/// Reads the configs that a filter offers: the first hundred.
pub(super) async fn pick(visit: &Visit, filter: &Pairs) -> Result<Pick, Failure> {
    let ask = visit.ask("/webhooks/configs").with("limit", "100");
    Ok(Pick {
        configs: ask.get().await?.read()?,
        chosen: filter.text("webhookConfigId").to_owned(),
    })
}

/// Reads a page of records that satisfy a filter.
pub(super) async fn records(
    visit: &Visit,
    filter: &Pairs,
    (limit, cursor): (&str, &str),
) -> Result<Records, Failure> {
    let given = FILTER.map(|name| (name, filter.text(name).trim().to_owned()));
    let given = given.map(|(name, value)| match name {
        "fromDate" | "toDate" => (name, instant(&value)),
        _ => (name, value),
    });
    let given = given.iter().map(|(name, value)| (*name, value.as_str()));
    visit
        .ask("/webhooks/logs")
        .with("limit", limit)
        .with_given(given.chain([("cursor", cursor)]))
        .get()
        .await?
        .read()
}

/// Completes a time as a browser's form sends it, without seconds and zone, to one in UTC.
pub(super) fn instant(text: &str) -> String {
    let is_of_form = text.contains('T') && !text.contains(['Z', '+']);
    match text.len() {
        16 if is_of_form => format!("{text}:00Z"),
        19 if is_of_form => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

/// Writes the rows of a table.
pub(super) fn rows(visit: &Visit, query: &str, page: &Records) -> Result<String, Failure> {
    let rows = Rows {
        base: &visit.base(),
        may_write: visit.may(domain::token::Permission::WriteConfigs),
        query,
        page,
    };
    rows.render().map_err(|error| Failure::internal(&error))
}

/// Returns the filter of a page's address, as a query.
pub(super) fn filter_of(pairs: &Pairs) -> String {
    pairs.query_of(&FILTER)
}

fn total(records: &Records) -> String {
    let more = if records.total_count_is_exact {
        ""
    } else {
        " or more"
    };
    format!("{}{more}", records.total_count)
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn times_of_forms_are_in_utc() {
        assert_eq!(instant("2026-03-14T10:21"), "2026-03-14T10:21:00Z");
        assert_eq!(instant("2026-03-14T10:21:45"), "2026-03-14T10:21:45Z");
        for kept in [
            "",
            "2026-03-14T10:21:45Z",
            "2026-03-14T10:21+02:00",
            "yesterday",
        ] {
            assert_eq!(instant(kept), kept);
        }
    }
}

//! Records of the log as the API shows them, and how they are asked for.

use std::collections::BTreeMap;

use clap::Args;
use domain::time::Timestamp;
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    api::{Api, Call},
    failure::Failure,
    moment,
};

/// How many records a request asks for at most.
pub(crate) const PAGE: u32 = 100;

/// A record, as far as it is read here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) webhook_config_id: String,
    pub(crate) job_id: String,
    pub(crate) event_id: String,
    pub(crate) event_sub_category: String,
    pub(crate) url: String,
    pub(crate) http_method: String,
    pub(crate) request_headers: BTreeMap<String, String>,
    pub(crate) request_body: Option<Box<RawValue>>,
    pub(crate) request_body_encoding: Option<String>,
    #[serde(default)]
    pub(crate) request_body_expired: bool,
    pub(crate) response_status: Option<u16>,
    pub(crate) response_headers: Option<BTreeMap<String, String>>,
    pub(crate) response_body: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) trigger: String,
    pub(crate) success: bool,
    pub(crate) error_message: Option<String>,
    pub(crate) error_kind: Option<String>,
    pub(crate) duration_ms: u32,
    pub(crate) next_attempt_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
}

/// A record with the text that the API wrote.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) record: Record,
    pub(crate) text: Box<RawValue>,
}

impl Shown {
    /// Reads a record.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it has another form.
    pub(crate) fn read(text: Box<RawValue>) -> Result<Self, Failure> {
        let record = serde_json::from_str(text.get())
            .map_err(|error| Failure::Failed(format!("a log record can't be read: {error}")))?;
        Ok(Self { record, text })
    }
}

/// Which records are wanted.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct Filter {
    /// Only of events of this name
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Only of this event
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    /// Only of this webhook config
    #[arg(long, value_name = "ID")]
    config: Option<String>,
    /// Only attempts that failed
    #[arg(long, conflicts_with = "succeeded")]
    failed: bool,
    /// Only attempts that succeeded
    #[arg(long)]
    succeeded: bool,
    /// Only attempts answered with this status
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..=999))]
    status: Option<u16>,
    /// Only attempts of this number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Only from this time on: 15m, 12h, 30d ago, or 2026-03-14T10:21:45Z
    #[arg(long, value_name = "TIME", value_parser = moment::past)]
    pub(crate) since: Option<Timestamp>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = moment::past)]
    until: Option<Timestamp>,
}

impl Filter {
    /// Returns the filter that lets everything of a webhook config through, or everything.
    pub(crate) fn of_config(config: Option<String>) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Returns a request for records in an order, without a bound towards the past.
    pub(crate) fn call(&self, sort: &str, limit: u32) -> Call {
        let success = match (self.failed, self.succeeded) {
            (true, _) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
        };
        Call::admin(Method::GET, &["webhooks", "logs"])
            .with("sort", sort)
            .with("limit", limit)
            .with_some("eventSubCategory", self.event.as_ref())
            .with_some("eventId", self.event_id.as_ref())
            .with_some("webhookConfigId", self.config.as_ref())
            .with_some("success", success)
            .with_some("responseStatus", self.status)
            .with_some("attempt", self.attempt)
            .with_some("until", self.until)
    }
}

/// A page of records.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    edges: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

/// Asks for one page; returns its records, and where the next one begins.
///
/// # Errors
/// As [`Api::read`].
pub(crate) async fn page(api: &Api, call: &Call) -> Result<(Vec<Shown>, Option<String>), Failure> {
    let Page { edges, next_cursor } = api.read(call).await?;
    let records = edges.into_iter().map(Shown::read);
    Ok((records.collect::<Result<_, _>>()?, next_cursor))
}

/// Returns the newest records, the oldest of them first.
///
/// # Errors
/// As [`Api::read`].
pub(crate) async fn newest(api: &Api, filter: &Filter, most: u32) -> Result<Vec<Shown>, Failure> {
    let mut found: Vec<Shown> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let left = most.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
        if left == 0 {
            break;
        }
        let call = filter
            .call("-createdAt", left.min(PAGE))
            .with_some("since", filter.since)
            .with_some("cursor", cursor);
        let (records, next) = page(api, &call).await?;
        found.extend(records);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    found.reverse();
    Ok(found)
}

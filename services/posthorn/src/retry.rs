//! `posthorn retry`: attempts made again, of log records or dead letters.

use std::process::ExitCode;

use clap::{ArgGroup, Args};
use domain::time::Timestamp;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    api::{Api, Call},
    failure::{self, Ended},
    moment, output,
    remote::Remote,
};

/// The arguments of `posthorn retry`.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["ids", "dead_letters", "all_dead_letters"]),
    after_help = "\
Examples:
  posthorn retry 0195c7f2-…                      # the attempt of this log record, once more
  posthorn logs --failed --since 1h --json | jq -r .id | xargs posthorn retry
  posthorn retry --dead-letter 17 --with-retries
  posthorn retry --dead-letters --config ep_01J… --since 1d

A retry sends the same bytes as the next attempt. It is one attempt, unless --with-retries starts the policy anew."
)]
pub(crate) struct Arguments {
    /// Ids of log records
    #[arg(value_name = "LOG_ID", num_args = 1..)]
    ids: Vec<String>,
    /// Ids of dead letters
    #[arg(long = "dead-letter", value_name = "ID", num_args = 1..)]
    dead_letters: Vec<String>,
    /// All dead letters that the filters let through, of which there must be one
    #[arg(long = "dead-letters")]
    all_dead_letters: bool,
    /// Start the retry policy anew
    #[arg(long)]
    with_retries: bool,
    /// Write what came of it as lines of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    remote: Remote,
}

/// Which dead letters are meant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters of --dead-letters")]
struct Filter {
    /// Only of this webhook config
    #[arg(long, value_name = "ID", requires = "all_dead_letters")]
    config: Option<String>,
    /// Only of this event
    #[arg(long, value_name = "ID", requires = "all_dead_letters")]
    event_id: Option<String>,
    /// Only of events of this name
    #[arg(long, value_name = "NAME", requires = "all_dead_letters")]
    event: Option<String>,
    /// Only those given up for this reason, such as exhausted
    #[arg(long, value_name = "REASON", requires = "all_dead_letters")]
    reason: Option<String>,
    /// Only from this time on: 15m, 12h, 30d ago, or 2026-03-14T10:21:45Z
    #[arg(long, value_name = "TIME", requires = "all_dead_letters", value_parser = moment::past)]
    since: Option<Timestamp>,
    /// Only before this time
    #[arg(long, value_name = "TIME", requires = "all_dead_letters", value_parser = moment::past)]
    until: Option<Timestamp>,
}

/// The attempt that will be made.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    job_id: String,
    attempt: u32,
}

/// What came of many.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Many {
    retried: u64,
    skipped: u64,
    has_more: bool,
    next_cursor: Option<String>,
}

/// Asks for the attempts.
pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    failure::run(run(arguments))
}

async fn run(arguments: &Arguments) -> Ended {
    let api = Api::new(&arguments.remote)?;
    if arguments.all_dead_letters {
        return many(&api, arguments).await;
    }
    for id in &arguments.ids {
        one(&api, "logs", id, arguments).await?;
    }
    for id in &arguments.dead_letters {
        one(&api, "dead-letters", id, arguments).await?;
    }
    Ok(())
}

async fn one(api: &Api, kind: &str, id: &str, arguments: &Arguments) -> Ended {
    let call = Call::admin(Method::POST, &["webhooks", kind, id, "retry"])
        .json(&json!({"withRetries": arguments.with_retries}));
    let accepted: Value = api.read(&call).await.inspect_err(|_failure| {
        output::note(format_args!(
            "{id} was not retried, nor was any that follows it"
        ));
    })?;
    if arguments.json {
        return output::json(&accepted);
    }
    let Accepted { job_id, attempt } =
        serde_json::from_value(accepted).map_err(failure::failed("the answer can't be read"))?;
    output::line(format_args!(
        "{}  attempt #{attempt} of {}",
        output::styled(output::GOOD, "asked for"),
        output::plain(&job_id)
    ))
}

/// Goes on until none is left: one request retries a bounded number.
async fn many(api: &Api, arguments: &Arguments) -> Ended {
    let mut body = arguments.filter.to_json();
    body.insert("withRetries".to_owned(), arguments.with_retries.into());
    let (mut retried, mut skipped) = (0_u64, 0_u64);
    loop {
        let call = Call::admin(Method::POST, &["webhooks", "dead-letters", "retry"])
            .json(&Value::Object(body.clone()));
        let done: Many = api.read(&call).await?;
        retried += done.retried;
        skipped += done.skipped;
        output::note(format_args!("{retried} retried so far"));
        match done.next_cursor {
            Some(cursor) if done.has_more => body.insert("cursor".to_owned(), cursor.into()),
            _ => break,
        };
    }
    if arguments.json {
        return output::json(&json!({"retried": retried, "skipped": skipped}));
    }
    output::line(format_args!(
        "{retried} retried, {skipped} skipped: they were delivered, or can't be sent any more"
    ))
}

impl Filter {
    fn to_json(&self) -> Map<String, Value> {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let fields = [
            ("webhookConfigId", self.config.clone()),
            ("eventId", self.event_id.clone()),
            ("eventSubCategory", self.event.clone()),
            ("reason", self.reason.clone()),
            ("since", time(self.since)),
            ("until", time(self.until)),
        ];
        let given = fields.into_iter();
        given
            .filter_map(|(name, text)| Some((name.to_owned(), text?.into())))
            .collect()
    }
}

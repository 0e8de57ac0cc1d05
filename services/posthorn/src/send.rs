//! `posthorn send`: events from a file, standard input or flags, over HTTP or NATS.

use std::{path::PathBuf, process::ExitCode};

use bytes::Bytes;
use clap::{ArgGroup, Args};
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod event;
mod over_nats;

use crate::{
    api::{Api, Call},
    failure::{self, Ended, Failure},
    input, output,
    remote::Remote,
};

const JSON: &str = "application/json";
const CLOUD_EVENT: &str = "application/cloudevents+json";
const CLOUD_EVENTS: &str = "application/cloudevents-batch+json";

/// The arguments of `posthorn send`.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["file", "event"]),
    after_help = "\
Examples:
  posthorn send --event reward.earned --payload '{\"points\":100}'
  posthorn send --event reward.earned --payload @payload.json --id evt-1 --source-id task-7
  posthorn send events.json                     # one event, or an array of up to 1,000
  jq -c . event.json | posthorn send -
  posthorn send --cloud-events order.json
  posthorn send --nats --organisation acme events.json

Sending the same id again within ten minutes is safe: it is answered as deduplicated."
)]
pub(crate) struct Arguments {
    /// JSON with one event or an array of events; - is standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The file holds CloudEvents 1.0 in JSON
    #[arg(long, requires = "file")]
    cloud_events: bool,
    /// Publish over NATS instead of HTTP, with the broker settings of the services
    #[arg(long)]
    nats: bool,
    /// Write what came of each event as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    event: event::Flags,
    #[command(flatten)]
    remote: Remote,
}

/// What came of an event.
#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    deduplicated: bool,
    /// Where the broker stored it, if it was published over NATS.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
}

/// Sends events.
pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    failure::run(run(arguments))
}

async fn run(arguments: &Arguments) -> Ended {
    let body = match &arguments.file {
        Some(file) => input::read(file)?,
        None => arguments.event.to_json()?.to_string().into_bytes(),
    };
    let sent = if arguments.nats {
        over_nats::publish(&body, &arguments.remote).await?
    } else {
        over_http(body, arguments).await?
    };
    for one in &sent {
        show(one, arguments.json)?;
    }
    Ok(())
}

async fn over_http(body: Vec<u8>, arguments: &Arguments) -> Result<Vec<Sent>, Failure> {
    #[derive(Deserialize)]
    struct Accepted {
        accepted: Vec<Sent>,
    }
    let is_list = body.trim_ascii_start().starts_with(b"[");
    let content_type = match (arguments.cloud_events, is_list) {
        (false, _) => JSON,
        (true, false) => CLOUD_EVENT,
        (true, true) => CLOUD_EVENTS,
    };
    let api = Api::new(&arguments.remote)?;
    let Accepted { accepted } = api
        .read(&Call::events(Bytes::from(body), content_type))
        .await?;
    Ok(accepted)
}

fn show(sent: &Sent, as_json: bool) -> Ended {
    if as_json {
        return output::json(sent);
    }
    let what = if sent.deduplicated {
        output::styled(output::ODD, "known already")
    } else {
        output::styled(output::GOOD, "accepted")
    };
    let id = sent.id.as_deref().unwrap_or("without an id");
    match sent.sequence {
        Some(sequence) => output::line(format_args!(
            "{what}  {}  stored as {sequence}",
            output::plain(id)
        )),
        None => output::line(format_args!("{what}  {}", output::plain(id))),
    }
}

/// Returns the events of a body: the items of an array, or the one that it is.
fn events_in(body: &[u8]) -> Result<Vec<Value>, Failure> {
    let document: Value = serde_json::from_slice(body)
        .map_err(|error| Failure::Failed(format!("the events are no JSON: {error}")))?;
    Ok(if let Value::Array(events) = document {
        events
    } else {
        vec![document]
    })
}

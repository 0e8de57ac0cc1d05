//! `posthorn topology`: the streams, consumers and buckets on the broker.

use std::process::ExitCode;

use ::config::{Nats, Source};
use clap::{Args, Subcommand};
use http_api::host;
use jetstream::{
    Broker,
    topology::{
        self, Drift, Limits,
        survey::{self, Kind, Object, State, Survey},
    },
};
use serde_json::{Value, json};

use crate::{
    broker,
    failure::{self, Ended, Failure},
    output::{self, ODD, Table, plain, styled},
};

/// The name of the connection to the broker.
const CONNECTION: &str = "topology";

/// What `posthorn topology` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every stream, bucket and consumer, and what is in it
    Show(Arguments),
    /// Make what is missing; what is there is never changed
    ///
    /// Services make it by themselves when they start. A job that runs this before them shows what the
    /// broker refuses.
    Apply(Arguments),
    /// Show what is missing or differs from what this version would make; exit with 1 if anything does
    Drift(Arguments),
}

/// The arguments of each of them.
#[derive(Debug, Clone, Copy, Args)]
#[command(after_help = "\
The broker and the names are those of the services: POSTHORN_NATS_URL, POSTHORN_NATS_CREDS, \
POSTHORN_NATS_TLS_CA, POSTHORN_PREFIX, POSTHORN_REPLICAS, POSTHORN_EVENTS_MAX_BYTES, POSTHORN_ATTEMPTS_MAX_BYTES.

Examples:
  POSTHORN_NATS_URL=nats://nats:4222 posthorn topology apply
  posthorn topology drift || echo look at it")]
pub(crate) struct Arguments {
    /// Write each object as a line of JSON
    #[arg(long)]
    json: bool,
}

/// Does what is asked for.
pub(crate) fn main(command: &Command) -> ExitCode {
    match *command {
        Command::Show(arguments) => failure::run(show(arguments)),
        Command::Apply(arguments) => failure::run(apply(arguments)),
        Command::Drift(arguments) => failure::run(drift(arguments)),
    }
}

async fn show(arguments: Arguments) -> Ended {
    let survey = look().await?;
    if arguments.json {
        return survey
            .objects
            .iter()
            .map(told)
            .try_for_each(|it| output::json(&it));
    }
    let heads = ["NAME", "KIND", "MESSAGES", "BYTES", "WAITING", "UNDER WAY"];
    let mut table = Table::new(&heads);
    for object in &survey.objects {
        table.row(cells(object));
    }
    table.print()
}

async fn apply(arguments: Arguments) -> Ended {
    let (broker, limits) = connect().await?;
    let report = topology::ensure(&broker, &limits).await.map_err(refused)?;
    for name in &report.created {
        if arguments.json {
            output::json(&json!({"created": name}))?;
        } else {
            output::line(format_args!("created  {name}"))?;
        }
    }
    if report.created.is_empty() {
        output::note("nothing is missing");
    }
    for drift in &report.drift {
        output::note(format_args!("left as it is: {}", line(drift)));
    }
    Ok(())
}

async fn drift(arguments: Arguments) -> Ended {
    let survey = look().await?;
    for name in survey.missing() {
        if arguments.json {
            output::json(&json!({"missing": name}))?;
        } else {
            output::line(format_args!("{}  {name}", styled(ODD, "missing")))?;
        }
    }
    for drift in &survey.drift {
        if arguments.json {
            output::json(&json!({
                "drift": drift.object, "setting": drift.setting,
                "expected": drift.expected, "found": drift.found,
            }))?;
        } else {
            output::line(format_args!("{}  {}", styled(ODD, "differs"), line(drift)))?;
        }
    }
    if survey.missing().next().is_none() && survey.drift.is_empty() {
        output::note("everything is as this version would make it");
        return Ok(());
    }
    Err(Failure::Told)
}

async fn look() -> Result<Survey, Failure> {
    let (broker, limits) = connect().await?;
    survey::survey(&broker, &limits).await.map_err(refused)
}

async fn connect() -> Result<(Broker, Limits), Failure> {
    let nats: Nats = broker::settings(&Source::environment())?;
    let limits = host::topology_limits(&nats);
    Ok((broker::connect(&nats, CONNECTION).await?, limits))
}

fn refused(error: topology::Error) -> Failure {
    Failure::Failed(format!("the broker refuses: {error}"))
}

/// Returns a difference on one line.
pub(crate) fn line(drift: &Drift) -> String {
    plain(&format!(
        "{}: {} is {}, this version would make it {}",
        drift.object, drift.setting, drift.found, drift.expected
    ))
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Stream(_) => "stream",
        Kind::Bucket(_) => "bucket",
        Kind::Consumer(_) => "consumer",
    }
}

fn cells(object: &Object) -> [String; 6] {
    let name = object.name.clone();
    let kind = kind(object.kind).to_owned();
    let none = String::new;
    match object.state {
        None => [name, kind, "missing".to_owned(), none(), none(), none()],
        Some(State::Stored {
            messages, bytes, ..
        }) => [
            name,
            kind,
            messages.to_string(),
            bytes.to_string(),
            none(),
            none(),
        ],
        Some(State::Consuming {
            pending, in_flight, ..
        }) => [
            name,
            kind,
            none(),
            none(),
            pending.to_string(),
            in_flight.to_string(),
        ],
    }
}

fn told(object: &Object) -> Value {
    let (name, kind) = (&object.name, kind(object.kind));
    match object.state {
        None => json!({"name": name, "kind": kind, "missing": true}),
        Some(State::Stored {
            messages,
            bytes,
            max_bytes,
            oldest,
        }) => json!({
            "name": name, "kind": kind, "messages": messages, "bytes": bytes,
            "maxBytes": max_bytes, "oldest": oldest,
        }),
        Some(State::Consuming {
            pending,
            in_flight,
            readers,
        }) => json!({
            "name": name, "kind": kind, "pending": pending, "inFlight": in_flight, "readers": readers,
        }),
    }
}

//! `posthorn configs`: shows webhook configs, applies a file of them, exports them.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value};

mod apply;
mod diff;
mod document;
mod plan;

use crate::{
    api::{Api, Call},
    failure::{self, Ended, Failure},
    output::{self, Table},
    remote::Remote,
};

/// How many configs a request asks for.
const PAGE: usize = 100;

/// A config as JSON has it.
pub(crate) type Config = Map<String, Value>;

/// What `posthorn configs` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the webhook configs, or show one
    Get(Get),
    /// Make, change and delete webhook configs until they are as a file says
    Apply(apply::Arguments),
    /// Write all webhook configs as a file for apply; secrets are left out or masked
    Export(Export),
}

/// The arguments of `posthorn configs get`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  posthorn configs get
  posthorn configs get --search example.com --json | jq -r .url
  posthorn configs get ep_01J…")]
pub(crate) struct Get {
    /// Id of the one to show, with all its fields
    #[arg(value_name = "CONFIG_ID", conflicts_with = "search")]
    id: Option<String>,
    /// Only those with this text in their URL or description
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Write each as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// The arguments of `posthorn configs export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  posthorn configs export > webhooks.yaml
  posthorn configs export --without-ids --json --output webhooks.json

Masked values that are applied again mean unchanged. Without ids a file can be applied to another \
organisation or installation; what is masked has to be filled in there.")]
pub(crate) struct Export {
    /// Write JSON instead of YAML
    #[arg(long)]
    json: bool,
    /// Leave ids out, so that configs are matched by their URLs
    #[arg(long)]
    without_ids: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

/// Does what is asked for.
pub(crate) fn main(command: &Command) -> ExitCode {
    match command {
        Command::Get(arguments) => failure::run(get(arguments)),
        Command::Apply(arguments) => failure::run(apply::run(arguments)),
        Command::Export(arguments) => failure::run(export(arguments)),
    }
}

async fn get(arguments: &Get) -> Ended {
    let api = Api::new(&arguments.remote)?;
    if let Some(id) = &arguments.id {
        let call = Call::admin(Method::GET, &["webhooks", "configs", id]);
        let config: Value = api.read(&call).await?;
        return if arguments.json {
            output::json(&config)
        } else {
            output::text(&document::yaml(&config)?)
        };
    }
    let configs = all(&api, arguments.search.as_deref()).await?;
    if arguments.json {
        return configs.iter().try_for_each(output::json);
    }
    let mut table = Table::new(&["ID", "STATE", "URL", "EVENTS", "DESCRIPTION"]);
    for config in &configs {
        let text = |field: &str| {
            config
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let is = |field: &str| {
            config
                .get(field)
                .and_then(Value::as_bool)
                .unwrap_or_default()
        };
        let state = match (is("isEnabled"), is("isPaused")) {
            (false, _) => "disabled",
            (true, true) => "paused",
            (true, false) => "enabled",
        };
        table.row([
            text("id").to_owned(),
            state.to_owned(),
            text("url").to_owned(),
            names(config.get("events")),
            text("description").to_owned(),
        ]);
    }
    table.print()
}

async fn export(arguments: &Export) -> Ended {
    let api = Api::new(&arguments.remote)?;
    let mut configs = all(&api, None).await?;
    for config in &mut configs {
        plan::make_applicable(config);
        if arguments.without_ids {
            config.remove("id");
        }
    }
    let text = document::text(&configs, arguments.json)?;
    match &arguments.output {
        Some(file) => std::fs::write(file, text).map_err(failure::failed(file.display())),
        None => output::text(&text),
    }
}

/// Returns all configs of the organisation, the oldest first.
pub(crate) async fn all(api: &Api, search: Option<&str>) -> Result<Vec<Config>, Failure> {
    let mut configs: Vec<Config> = Vec::new();
    loop {
        let call = Call::admin(Method::GET, &["webhooks", "configs"])
            .with("limit", PAGE)
            .with("skip", configs.len())
            .with_some("search", search);
        let page: Vec<Config> = api.read(&call).await?;
        let is_last = page.len() < PAGE;
        configs.extend(page);
        if is_last {
            return Ok(configs);
        }
    }
}

fn names(events: Option<&Value>) -> String {
    let events = events.and_then(Value::as_array).into_iter().flatten();
    events
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

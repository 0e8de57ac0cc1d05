//! `posthorn migrate`: brings the schema of the attempt store up to date, before services need it.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use attempt_store::{AttemptStore, Schema};
use clap::Args;
use config::{Secret, Source};

use crate::{
    failure::{self, Ended, Failure},
    moment, output, store,
};

/// How long to wait before a store that is not there yet is tried again.
const PAUSE: Duration = Duration::from_secs(1);
const NO_URL: &str = "POSTHORN_STORE_URL: must be set";

/// The arguments of `posthorn migrate`.
#[derive(Debug, Args)]
#[command(after_help = "\
The store is the one of POSTHORN_STORE_URL (or the file that POSTHORN_STORE_URL_FILE names), as for the \
services. They migrate it themselves when they start; several may do so at once, and older ones go on with a newer schema.

Examples:
  POSTHORN_STORE_URL=postgres://… posthorn migrate --wait 2m
  posthorn migrate --check                       # exits with 1 as long as something is missing")]
pub(crate) struct Arguments {
    /// Change nothing; exit with 1 if a migration is missing
    #[arg(long)]
    check: bool,
    /// How long a store that does not answer is waited for
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = moment::duration)]
    wait: Duration,
}

/// Migrates, or only looks.
pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    failure::run(run(arguments))
}

async fn run(arguments: &Arguments) -> Ended {
    let url =
        store::url(&Source::environment())?.ok_or_else(|| Failure::Config(NO_URL.to_owned()))?;
    let begun = Instant::now();
    let schema = loop {
        match Schema::of(url.expose(), store::options()).await {
            Ok(schema) => break schema,
            Err(error) if error.is_transient() && begun.elapsed() < arguments.wait => {
                output::note(format_args!("waiting: {}", store::told(&error)));
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(store::unopened(&error)),
        }
    };
    if schema.missing.is_empty() {
        return output::line(format_args!(
            "the schema is up to date, at version {}",
            schema.version
        ));
    }
    for migration in &schema.missing {
        let what = if arguments.check { "missing" } else { "to do" };
        output::line(format_args!("{what}  {migration}"))?;
    }
    if arguments.check {
        return Err(Failure::Told);
    }
    migrate(&url, schema.newest).await
}

async fn migrate(url: &Secret, newest: i64) -> Ended {
    let store = AttemptStore::open(url.expose(), store::options())
        .await
        .map_err(|error| store::unopened(&error))?;
    store.close().await;
    output::line(format_args!("done: the schema is at version {newest}"))
}

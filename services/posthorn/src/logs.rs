//! `posthorn logs`: the log of attempts, shown or followed.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use http::Method;

mod show;

pub(crate) use show::lines_of;

use self::show::{detail, summary};
use crate::{
    api::{Api, Call},
    failure::{self, Ended, Failure},
    following::Follower,
    output,
    record::{self, Filter, Shown},
    remote::Remote,
    stop,
};

/// The most records of the past that are shown.
const LIMIT_MAX: i64 = 100_000;
/// How long to wait after the API did not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// The arguments of `posthorn logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  posthorn logs                                  # the last 20 attempts
  posthorn logs -f --failed                      # failures as they happen
  posthorn logs --config ep_01J… --since 2h --limit 1000
  posthorn logs --event-id evt-1 --json | jq .responseBody
  posthorn logs 0195c7f2-…                       # everything about one attempt")]
pub(crate) struct Arguments {
    /// Id of one record, to show all of it
    #[arg(value_name = "LOG_ID", conflicts_with_all = ["follow", "limit"])]
    id: Option<String>,
    /// Go on with new records as they come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many records of the past are shown, the newest ones
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=LIMIT_MAX))]
    limit: u32,
    /// How often new records are looked for
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = crate::moment::pause)]
    every: Duration,
    /// Write each record as a line of JSON, as the API has it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    remote: Remote,
}

/// Shows or follows the log.
pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    failure::run(run(arguments))
}

async fn run(arguments: &Arguments) -> Ended {
    let api = Api::new(&arguments.remote)?;
    if let Some(id) = &arguments.id {
        return one(&api, id, arguments.json).await;
    }
    if arguments.follow {
        return stop::or_stopped(follow(&api, arguments)).await;
    }
    let records = record::newest(&api, &arguments.filter, arguments.limit).await?;
    if records.is_empty() {
        output::note("no attempts were found");
    }
    show_all(&records, arguments.json)
}

async fn one(api: &Api, id: &str, as_json: bool) -> Ended {
    let call = Call::admin(Method::GET, &["webhooks", "logs", id]);
    let shown = Shown::read(api.read(&call).await?)?;
    if as_json {
        return output::line(output::one_line(shown.text.get()));
    }
    output::text(&detail(&shown.record))
}

async fn follow(api: &Api, arguments: &Arguments) -> Ended {
    let filter = arguments.filter.clone();
    let (mut follower, before) = Follower::start(api, filter, arguments.limit).await?;
    show_all(&before, arguments.json)?;
    loop {
        match follower.look(api).await {
            Ok(new) => show_all(&new, arguments.json)?,
            // It is followed until somebody stops it: what passes is waited for.
            Err(Failure::Unavailable(why)) => {
                output::note(format_args!("waiting: {why}"));
                tokio::time::sleep(PAUSE).await;
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(arguments.every).await;
    }
}

fn show_all(records: &[Shown], as_json: bool) -> Ended {
    for shown in records {
        if as_json {
            output::line(output::one_line(shown.text.get()))?;
        } else {
            output::line(summary(&shown.record))?;
        }
    }
    Ok(())
}

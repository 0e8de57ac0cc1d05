//! `posthorn replay`: events of the past sent once more, with their progress.

use std::{process::ExitCode, time::Duration};

use clap::{ArgGroup, Args, ValueEnum};
use domain::time::Timestamp;
use http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    api::{Api, Call},
    failure::{self, Ended, Failure, failed},
    moment,
    output::{self, BAD, GOOD, Table, plain, styled},
    remote::Remote,
    stop,
};

/// How often a replay is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long to wait after the API did not answer.
const PAUSE: Duration = Duration::from_secs(2);
/// The progress before it is known how many events there are, and then.
const WAITING: &str = "{spinner} {msg}";
const RUNNING: &str = "{spinner} {msg} [{bar:30}] {pos}/{len} {eta}";

/// The arguments of `posthorn replay`.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["config", "watch", "cancel", "list"]),
    after_help = "\
Examples:
  posthorn replay ep_01J… --from 2h           # what it did not get in the last two hours
  posthorn replay ep_01J… --from 3d --to 2d --mode all --rate 50
  posthorn replay --list
  posthorn replay --watch rp_01J…
  posthorn replay --cancel rp_01J…

Ctrl-C stops watching; the replay goes on."
)]
pub(crate) struct Arguments {
    /// Webhook config that events are sent to
    #[arg(value_name = "CONFIG_ID", requires = "from")]
    config: Option<String>,
    /// Watch a replay that was started before
    #[arg(long, value_name = "REPLAY_ID")]
    watch: Option<String>,
    /// Cancel a replay; jobs that it has made are delivered all the same
    #[arg(long, value_name = "REPLAY_ID")]
    cancel: Option<String>,
    /// List the replays of the last days
    #[arg(long)]
    list: bool,
    /// Events accepted from this time on: 15m, 12h, 30d ago, or 2026-03-14T10:21:45Z
    #[arg(long, value_name = "TIME", requires = "config", value_parser = moment::past)]
    from: Option<Timestamp>,
    /// Events accepted before this time [default: now]
    #[arg(long, value_name = "TIME", requires = "config", value_parser = moment::past)]
    to: Option<Timestamp>,
    /// Which of them
    #[arg(long, requires = "config", default_value = "undelivered")]
    mode: Mode,
    /// The most jobs made per second
    #[arg(long, value_name = "N", requires = "config", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: Option<u32>,
    /// Start it, and do not watch
    #[arg(long, requires = "config")]
    detach: bool,
    /// Write the replay as a line of JSON at the end
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// Which events are replayed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// Those that were not delivered to it
    Undelivered,
    /// All of them
    All,
}

/// A replay as the API shows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replay {
    id: String,
    webhook_config_id: String,
    state: String,
    reason: Option<String>,
    total: u64,
    done: u64,
    skipped: u64,
    created_at: Timestamp,
}

/// Starts, watches, cancels or lists replays.
pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    failure::run(run(arguments))
}

async fn run(arguments: &Arguments) -> Ended {
    let api = Api::new(&arguments.remote)?;
    if arguments.list {
        return list(&api, arguments.json).await;
    }
    if let Some(id) = &arguments.cancel {
        let call = Call::admin(Method::DELETE, &["webhooks", "replays", id]);
        api.ask(&call).await?;
        output::note(format_args!("{} is cancelled", plain(id)));
        return Ok(());
    }
    let id = match (&arguments.watch, &arguments.config) {
        (Some(id), _) => id.clone(),
        (None, Some(config)) => {
            let replay = start(&api, config, arguments).await?;
            if arguments.detach {
                return end(&replay, arguments.json);
            }
            read(&replay)?.id
        }
        (None, None) => return Err(Failure::Usage("nothing is asked for".to_owned())),
    };
    output::note(format_args!(
        "{} is under way; Ctrl-C stops watching, and it goes on (posthorn replay --cancel stops it)",
        plain(&id)
    ));
    stop::or_stopped(watch(&api, &id, arguments.json)).await
}

async fn start(api: &Api, config: &str, arguments: &Arguments) -> Result<Value, Failure> {
    let mode = match arguments.mode {
        Mode::Undelivered => "undelivered",
        Mode::All => "all",
    };
    let mut body = Map::new();
    body.insert("mode".to_owned(), mode.into());
    let times = [("from", arguments.from), ("to", arguments.to)];
    for (name, time) in times {
        body.extend(time.map(|time| (name.to_owned(), time.to_string().into())));
    }
    body.extend(
        arguments
            .rate
            .map(|rate| ("ratePerSecond".to_owned(), rate.into())),
    );
    let path = ["webhooks", "configs", config, "replay"];
    api.read(&Call::admin(Method::POST, &path).json(&body.into()))
        .await
}

async fn watch(api: &Api, id: &str, as_json: bool) -> Ended {
    let bar = ProgressBar::new(0);
    bar.enable_steady_tick(Duration::from_millis(200));
    let call = Call::admin(Method::GET, &["webhooks", "replays", id]);
    loop {
        let document: Value = match api.read(&call).await {
            Ok(document) => document,
            Err(Failure::Unavailable(why)) => {
                bar.suspend(|| output::note(format_args!("waiting: {why}")));
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let replay = read(&document)?;
        let looked_at = replay.done.saturating_add(replay.skipped);
        // The total is counted up to a bound, and once.
        let length = replay.total.max(looked_at);
        let template = if length == 0 { WAITING } else { RUNNING };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.map_err(failed("draw the progress"))?);
        bar.set_length(length);
        bar.set_position(looked_at);
        bar.set_message(plain(&replay.state));
        if is_finished(&replay.state) {
            bar.finish_and_clear();
            return end(&document, as_json);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn is_finished(state: &str) -> bool {
    ["done", "cancelled", "failed"].contains(&state)
}

/// Shows what a replay came to; one that came to nothing is a failure.
fn end(document: &Value, as_json: bool) -> Ended {
    let replay = read(document)?;
    let is_good = !["cancelled", "failed"].contains(&replay.state.as_str());
    if as_json {
        output::json(document)?;
    } else {
        let reason = replay.reason.map(|reason| format!(" ({})", plain(&reason)));
        output::line(format_args!(
            "{}{}  {}: {} sent, {} left out",
            styled(if is_good { GOOD } else { BAD }, plain(&replay.state)),
            reason.unwrap_or_default(),
            plain(&replay.id),
            replay.done,
            replay.skipped
        ))?;
    }
    if is_good { Ok(()) } else { Err(Failure::Told) }
}

async fn list(api: &Api, as_json: bool) -> Ended {
    let call = Call::admin(Method::GET, &["webhooks", "replays"]);
    let replays: Vec<Value> = api.read(&call).await?;
    if as_json {
        return replays.iter().try_for_each(output::json);
    }
    let heads = [
        "ID", "CONFIG", "STATE", "SENT", "LEFT OUT", "TOTAL", "STARTED",
    ];
    let mut table = Table::new(&heads);
    for document in &replays {
        let replay = read(document)?;
        table.row([
            replay.id,
            replay.webhook_config_id,
            replay.state,
            replay.done.to_string(),
            replay.skipped.to_string(),
            replay.total.to_string(),
            replay.created_at.to_string(),
        ]);
    }
    table.print()
}

fn read(document: &Value) -> Result<Replay, Failure> {
    Replay::deserialize(document).map_err(failed("a replay can't be read"))
}

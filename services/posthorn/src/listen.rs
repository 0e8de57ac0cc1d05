//! `posthorn listen`: a receiver on this machine that shows what it gets.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use domain::{endpoint::EventPattern, signing::SigningKey};
use url::Url;

mod conduct;
mod endpoint;
mod forward;
mod poll;
mod receiver;
mod show;

use crate::{
    api::Api,
    failure::{self, Ended, Failure},
    moment,
    remote::Remote,
    stop, verify,
};

const SECRET_HELP: &str = "File with the secret that forwarded requests are signed with, when following [default: POSTHORN_SIGNING_SECRET, or the file that POSTHORN_SIGNING_SECRET_FILE names]";

/// The arguments of `posthorn listen`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  posthorn listen                                        # with posthorn dev on the same machine
  posthorn listen --events 'reward.*' --forward http://localhost:3000/webhooks
  posthorn listen --fail 500 --fail-times 2              # see how retries come
  posthorn listen --public-url https://my.tunnel.example/hook --address 127.0.0.1:4242
  posthorn listen --poll --config ep_01J… --forward http://localhost:3000/webhooks

It registers a webhook config of its own, verifies every signature, and removes the webhook config at \
Ctrl-C. One that a crash left behind is replaced by the next listen of the same --name.

Where Posthorn can't reach this machine, --poll follows the log of attempts to webhook configs that there are, \
and sends their bodies to --forward, signed anew if the signing secret is given.")]
pub(crate) struct Arguments {
    /// Which events: names, reward.*, or *
    #[arg(long, value_name = "PATTERN", default_value = "*", num_args = 1.., value_parser = EventPattern::parse)]
    events: Vec<EventPattern>,
    /// Where to listen; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:0",
        conflicts_with = "poll"
    )]
    address: SocketAddr,
    /// Under which URL Posthorn reaches the address, if it is another: that of a tunnel
    #[arg(long, value_name = "URL", conflicts_with = "poll", value_parser = target)]
    public_url: Option<Url>,
    /// What this listener is called [default: the name of this machine]
    #[arg(long, conflicts_with = "poll")]
    name: Option<String>,
    /// Send what comes on to this URL, and answer as it does
    #[arg(long, value_name = "URL", value_parser = target)]
    forward: Option<Url>,
    /// Answer with this status instead
    #[arg(long, value_name = "STATUS", conflicts_with = "poll", value_parser = clap::value_parser!(u16).range(300..=599))]
    fail: Option<u16>,
    /// Fail only so many times
    #[arg(long, value_name = "N", requires = "fail")]
    fail_times: Option<u64>,
    /// Wait so long before answering
    #[arg(long, value_name = "SPAN", conflicts_with = "poll", value_parser = delay)]
    delay: Option<Duration>,
    /// Follow the log of attempts over the API instead of listening
    #[arg(long)]
    poll: bool,
    /// Follow only the attempts to this webhook config
    #[arg(long, value_name = "ID", requires = "poll")]
    config: Option<String>,
    #[arg(long, value_name = "FILE", requires = "poll", help = SECRET_HELP)]
    secret_file: Option<PathBuf>,
    /// Show the headers too
    #[arg(long)]
    headers: bool,
    /// Write each request as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// Listens until somebody stops it.
pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    failure::run(run(arguments))
}

async fn run(arguments: &Arguments) -> Ended {
    let api = Api::new(&arguments.remote)?;
    let format = show::Format {
        json: arguments.json,
        headers: arguments.headers,
    };
    if arguments.poll {
        let poll = poll::Poll {
            api: &api,
            events: &arguments.events,
            config: arguments.config.clone(),
            forward: arguments.forward.as_ref(),
            key: signing_key(arguments.secret_file.as_ref())?,
            format,
        };
        return stop::or_stopped(poll.run()).await;
    }
    let conduct = conduct::Conduct::new(arguments.fail, arguments.fail_times, arguments.delay);
    let listening = receiver::Listening::bind(arguments.address).await?;
    let temporary = endpoint::Wanted {
        url: match &arguments.public_url {
            Some(url) => url.clone(),
            None => listening.url()?,
        },
        events: &arguments.events,
        name: endpoint::name(arguments.name.as_deref())?,
    };
    // A signal that comes from here on is kept until the work looks for it, so nothing is left behind.
    let stopping = stop::Stopping::watch();
    let registered = endpoint::register(&api, &temporary).await?;
    let forward = arguments.forward.clone();
    let serving = listening.serve(receiver::Settings {
        key: registered.key(),
        conduct,
        forward: forward.map(|url| forward::Forward::new(api.transport().clone(), url)),
        format,
    });
    let ended = stopping.or_stopped(serving).await;
    registered.remove(&api).await?;
    ended
}

fn signing_key(file: Option<&PathBuf>) -> Result<Option<SigningKey>, Failure> {
    let Some(secret) = verify::secret(file)? else {
        return Ok(None);
    };
    SigningKey::decode(secret.expose())
        .map(Some)
        .map_err(|error| Failure::Config(format!("the signing secret: {error}")))
}

/// Takes the URL of a server.
fn target(text: &str) -> Result<Url, String> {
    config::parse::url(&["http", "https"])(text).map_err(|error| error.to_string())
}

fn delay(text: &str) -> Result<Duration, String> {
    let delay = moment::duration(text)?;
    if delay <= Duration::from_secs(120) {
        Ok(delay)
    } else {
        Err("must be at most 2m".to_owned())
    }
}

//! `posthorn secrets reseal`: everything at rest under the first key.

use std::{fmt::Display, process::ExitCode};

use ::config::Source;
use anyhow::Context as _;
use clap::Args;
use http_api::host;
use jetstream::{
    Broker,
    endpoint_bucket::EndpointBucket,
    resealing::{self, Done, Survey},
};

use super::config::Config;

/// The name of the connection to the broker.
const CONNECTION: &str = "secrets";

/// The arguments of `posthorn secrets reseal`.
#[derive(Debug, Clone, Copy, Args)]
#[command(after_help = "\
Examples:
  POSTHORN_SECRETS_KEY=new,old posthorn secrets reseal
  POSTHORN_SECRETS_KEY=new,old posthorn secrets reseal --check && echo the old key may go")]
pub(crate) struct Arguments {
    /// Change nothing; exit with 1 as long as anything needs another key than the first
    #[arg(long)]
    check: bool,
}

/// Seals anew, or only looks.
pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    match Config::read(&Source::environment()) {
        Ok(config) => lifecycle::block_on(run(config, arguments.check)),
        Err(faults) => lifecycle::refuse(&faults),
    }
}

async fn run(config: Config, only_check: bool) -> anyhow::Result<()> {
    let broker = Broker::connect(&host::broker_options(&config.nats), CONNECTION)
        .await
        .context("connect to the broker")?;
    let bucket = EndpointBucket::open(&broker)
        .await
        .context("open the endpoints bucket")?;
    let left = if only_check {
        resealing::survey(&bucket, &config.keyring)
            .await
            .context("look at the endpoints bucket")?
    } else {
        let done = resealing::reseal(&bucket, &config.keyring)
            .await
            .context("seal anew; what is done stays done, repeat the rest")?;
        print(&told(&done));
        done.left
    };
    print(&shown(&left));
    anyhow::ensure!(
        left.is_done(),
        "not everything is under the first key: keep the others"
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what the command is asked for")]
fn print(lines: &[String]) {
    for line in lines {
        println!("{line}");
    }
}

fn told(done: &Done) -> Vec<String> {
    vec![
        format!("sealed anew: {}", counted(done.texts, "secret")),
        format!("forgotten: {}", counted(done.revisions, "earlier revision")),
    ]
}

fn shown(survey: &Survey) -> Vec<String> {
    let mut lines = vec![format!(
        "{}: {} under the first key",
        counted(survey.endpoints, "endpoint"),
        counted(survey.current, "secret"),
    )];
    for (id, texts) in &survey.earlier {
        lines.push(format!("under the key {id}: {}", counted(*texts, "secret")));
    }
    if survey.histories > 0 {
        lines.push(format!(
            "with earlier revisions under other keys: {}",
            counted(survey.histories, "endpoint")
        ));
    }
    for stuck in &survey.stuck {
        lines.push(format!(
            "{}/{}: {}",
            stuck.organisation, stuck.endpoint, stuck.why
        ));
    }
    lines
}

fn counted(count: impl Display + PartialEq<usize>, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use jetstream::resealing::{Done, Stuck, Survey, Why};

    use super::{shown, told};

    #[test]
    fn what_is_left_is_told_with_the_ids_of_the_keys_that_it_needs() {
        let survey = Survey {
            endpoints: 3,
            current: 1,
            earlier: [("3f2a9c1b".to_owned(), 2)].into(),
            histories: 1,
            stuck: vec![Stuck {
                organisation: "acme".parse().unwrap(),
                endpoint: "ep_1".parse().unwrap(),
                why: Why::UnknownKey("old".to_owned()),
            }],
        };

        assert_eq!(
            shown(&survey),
            [
                "3 endpoints: 1 secret under the first key",
                "under the key 3f2a9c1b: 2 secrets",
                "with earlier revisions under other keys: 1 endpoint",
                "acme/ep_1: sealed under the key old, which is not configured",
            ]
        );
        assert!(!survey.is_done());
        assert!(Survey::default().is_done());
    }

    #[test]
    fn what_was_done_is_counted() {
        let done = Done {
            texts: 0,
            revisions: 1,
            left: Survey::default(),
        };

        assert_eq!(
            told(&done),
            ["sealed anew: 0 secrets", "forgotten: 1 earlier revision"]
        );
    }
}

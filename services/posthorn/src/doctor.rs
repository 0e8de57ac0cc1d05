//! `posthorn doctor`: looks at everything that Posthorn stands on, and says what to do.

use std::process::ExitCode;

use ::config::Source;
use clap::Args;
use http_api::host;
use jetstream::{
    Broker,
    topology::survey::{self, Survey},
};

mod endpoints;
mod finding;
mod server;
mod storage;
mod streams;

use self::finding::{Finding, Verdict};
use crate::{
    broker,
    failure::{self, Ended, Failure},
    output, store,
};

/// The name of the connection to the broker.
const CONNECTION: &str = "doctor";

/// The arguments of `posthorn doctor`.
#[derive(Debug, Clone, Copy, Args)]
#[command(after_help = "\
It is given the environment of a service: the broker of POSTHORN_NATS_URL, and the store of \
POSTHORN_STORE_URL if that is set. Where services have users of their own on the broker, it needs one that may \
ask for everything, such as setup in deploy/nats-accounts.conf. It changes nothing. Exits with 1 when something fails; warnings do not.

Examples:
  posthorn doctor
  posthorn doctor --json | jq -r 'select(.verdict != \"ok\") | .todo'
  kubectl exec deploy/release-posthorn-log-writer -- posthorn doctor")]
pub(crate) struct Arguments {
    /// Write each finding as a line of JSON
    #[arg(long)]
    json: bool,
}

/// Looks at everything.
pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    failure::run(run(arguments.json))
}

async fn run(as_json: bool) -> Ended {
    let source = Source::environment();
    let nats = broker::settings(&source)?;
    let store_url = store::url(&source)?;
    let mut findings = Vec::new();
    match broker::connect(&nats, CONNECTION).await {
        Ok(broker) => {
            findings.push(Finding::good("broker", server::reached(&broker)));
            let limits = host::topology_limits(&nats);
            let survey = survey::survey(&broker, &limits).await;
            look_at_broker(&broker, survey, &mut findings).await;
        }
        Err(failure) => findings.push(unreachable(&failure)),
    }
    findings.extend(storage::store(store_url.as_ref()).await);
    for finding in &findings {
        if as_json {
            output::json(&finding.told())?;
        } else {
            finding.lines().iter().try_for_each(output::line)?;
        }
    }
    sum_up(&findings)
}

async fn look_at_broker(
    broker: &Broker,
    survey: Result<Survey, jetstream::topology::Error>,
    findings: &mut Vec<Finding>,
) {
    findings.push(server::version(broker));
    findings.push(server::messages(broker));
    findings.extend(server::account(broker).await);
    match survey {
        Ok(survey) => {
            findings.push(streams::topology(&survey));
            findings.extend(streams::stored(&survey));
            findings.extend(streams::consumers(&survey));
            if streams::has_health(&survey) {
                findings.extend(endpoints::health(broker).await);
            }
        }
        Err(error) => findings.push(Finding::failure("topology", error.to_string()).todo(
            "run this as a user that may ask for everything, and look into the broker's log",
        )),
    }
    findings.push(server::clock(broker).await);
}

fn unreachable(failure: &Failure) -> Finding {
    let why = match failure {
        Failure::Unavailable(message)
        | Failure::Failed(message)
        | Failure::Usage(message)
        | Failure::Config(message) => message.clone(),
        Failure::Told | Failure::Closed => String::new(),
    };
    Finding::failure("broker", why).todo(
        "start nats-server, or set POSTHORN_NATS_URL (and POSTHORN_NATS_CREDS, POSTHORN_NATS_TLS_CA) to where it is",
    )
}

fn sum_up(findings: &[Finding]) -> Ended {
    let count = |verdict| {
        let such = findings.iter().filter(|finding| finding.verdict == verdict);
        such.count()
    };
    let (warnings, failures) = (count(Verdict::Warning), count(Verdict::Failure));
    output::note(format_args!("failures: {failures}, warnings: {warnings}"));
    if failures == 0 {
        Ok(())
    } else {
        Err(Failure::Told)
    }
}

//! `posthorn configs apply`: shows what a file changes, asks, and changes it.

use std::{
    io::{IsTerminal as _, stdin},
    path::{Path, PathBuf},
};

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::{
    Config, all, diff, document,
    plan::{self, Step},
};
use crate::{
    api::{Api, Call},
    failure::{Ended, Failure},
    input,
    output::{self, BAD, DIM, GOOD, ODD, plain, styled},
    remote::Remote,
};

/// The arguments of `posthorn configs apply`.
#[derive(Debug, Args)]
#[command(after_help = "\
A file of webhook configs, matched by id or else by URL:
  configs:
    - url: https://example.com/webhooks
      events: [challenge-completion, reward.*]
      retryPolicy: {preset: standard-webhooks}

Examples:
  posthorn configs apply -f webhooks.yaml
  posthorn configs apply -f webhooks.yaml --dry-run   # exits with 1 if anything is different
  posthorn configs apply -f webhooks.yaml --prune --yes

Fields that the file leaves out stay as they are, and so do masked values (***). Secrets that it gives are \
sent; as the API shows none, they are no difference. A webhook config that somebody changes meanwhile is not \
overwritten. Applying a file once more completes what a failure left undone.")]
pub(crate) struct Arguments {
    /// YAML or JSON with a list of webhook configs; - is standard input
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Delete the webhook configs that the file does not have
    #[arg(long)]
    prune: bool,
    /// Only show what is different, and exit with 1 if anything is
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long, conflicts_with = "dry_run")]
    yes: bool,
    /// Write what was done as lines of JSON, the secrets of new webhook configs among them
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// Applies the file.
pub(super) async fn run(arguments: &Arguments) -> Ended {
    let wanted = document::read(&input::read(&arguments.file)?)?;
    let api = Api::new(&arguments.remote)?;
    let there = all(&api, None).await?;
    let steps = plan::plan(&wanted, &there, arguments.prune).map_err(Failure::Failed)?;
    let is_different = steps.iter().any(Step::differs);
    show(&steps, arguments)?;
    if arguments.dry_run {
        return if is_different {
            Err(Failure::Told)
        } else {
            Ok(())
        };
    }
    if steps.is_empty() {
        return Ok(());
    }
    confirm(arguments)?;
    for (done, step) in steps.iter().enumerate() {
        let doing = do_step(&api, step, arguments.json).await;
        doing.inspect_err(|_failure| {
            let left = steps.len() - done;
            output::note(format_args!(
                "{done} done, {left} not: apply the file once more when that is mended"
            ));
        })?;
    }
    Ok(())
}

fn show(steps: &[Step], arguments: &Arguments) -> Ended {
    if steps.is_empty() {
        output::note("everything is as the file says");
    }
    for step in steps {
        // What is different is the result of a dry run, and else what goes before it.
        match (arguments.dry_run, arguments.json) {
            (true, true) => output::json(&told(step))?,
            (true, false) => lines(step).iter().try_for_each(output::line)?,
            (false, _) => lines(step).iter().for_each(output::note),
        }
    }
    Ok(())
}

/// Returns a step for people. Texts of the file and of the API are escaped.
fn lines(step: &Step) -> Vec<String> {
    match step {
        Step::Make(config) => {
            let url = config
                .get("url")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let fields = config.iter().filter(|(field, _)| *field != "url");
            let fields = fields.map(|(field, value)| {
                let value = plain(&diff::shown(field, value));
                format!("    {}: {}", plain(field), styled(GOOD, value))
            });
            let head = format!("{} {}", styled(GOOD, "+"), plain(url));
            [head].into_iter().chain(fields).collect()
        }
        Step::Change {
            known,
            changes,
            given,
            ..
        } => {
            let head = format!(
                "{} {} ({})",
                styled(ODD, "~"),
                plain(&known.url),
                plain(&known.id)
            );
            let changes = changes.iter().map(|change| {
                let (from, to) = (plain(&change.from), plain(&change.to));
                format!(
                    "    {}: {} → {}",
                    plain(&change.field),
                    styled(BAD, from),
                    styled(GOOD, to)
                )
            });
            let given = given.iter().map(|field| {
                let why = styled(DIM, "is given, and can't be compared");
                format!("    {}: {why}", plain(field))
            });
            [head].into_iter().chain(changes).chain(given).collect()
        }
        Step::Delete(known) => vec![format!(
            "{} {} ({})",
            styled(BAD, "-"),
            plain(&known.url),
            plain(&known.id)
        )],
    }
}

/// Returns a step for programs.
fn told(step: &Step) -> Value {
    match step {
        Step::Make(config) => json!({"action": "create", "url": config.get("url")}),
        Step::Change {
            known,
            changes,
            given,
            ..
        } => {
            let fields: Vec<&String> = changes.iter().map(|change| &change.field).collect();
            json!({"action": "update", "id": known.id, "url": known.url, "changed": fields, "given": given})
        }
        Step::Delete(known) => json!({"action": "delete", "id": known.id, "url": known.url}),
    }
}

fn confirm(arguments: &Arguments) -> Ended {
    if arguments.yes {
        return Ok(());
    }
    if arguments.file == Path::new("-") || !stdin().is_terminal() {
        let message =
            "there is nobody to ask whether this is right: give --yes, or --dry-run to look only";
        return Err(Failure::Usage(message.to_owned()));
    }
    output::note("apply this? (yes/no)");
    let mut answer = String::new();
    stdin()
        .read_line(&mut answer)
        .map_err(crate::failure::failed("read the answer"))?;
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        Ok(())
    } else {
        output::note("nothing was changed");
        Err(Failure::Told)
    }
}

async fn do_step(api: &Api, step: &Step, as_json: bool) -> Ended {
    match step {
        Step::Make(config) => {
            let call = Call::admin(Method::PUT, &["webhooks", "configs"]).json(&json!([config]));
            let made: Vec<Config> = api.read(&call).await?;
            made.iter().try_for_each(|made| show_made(made, as_json))
        }
        Step::Change { known, patch, .. } => {
            let path = ["webhooks", "configs", known.id.as_str()];
            let call = Call::admin(Method::PATCH, &path)
                .json(&Value::Object(patch.clone()))
                .if_revision(known.revision);
            api.ask(&call).await?;
            show_done(step, "updated", &known.id, as_json)
        }
        Step::Delete(known) => {
            let path = ["webhooks", "configs", known.id.as_str()];
            let call = Call::admin(Method::DELETE, &path).if_revision(known.revision);
            api.ask(&call).await?;
            show_done(step, "deleted", &known.id, as_json)
        }
    }
}

fn show_done(step: &Step, what: &str, id: &str, as_json: bool) -> Ended {
    if as_json {
        return output::json(&told(step));
    }
    output::line(format_args!("{what}  {}", plain(id)))
}

/// Shows a new config with its generated secret, which is never shown again.
fn show_made(made: &Config, as_json: bool) -> Ended {
    let text = |field: &str| made.get(field).and_then(Value::as_str);
    let (id, url) = (text("id").unwrap_or_default(), text("url"));
    if as_json {
        return output::json(
            &json!({"action": "create", "id": id, "url": url, "secret": text("secret")}),
        );
    }
    output::line(format_args!("created  {}", plain(id)))?;
    match text("secret") {
        Some(secret) => output::line(format_args!("  secret  {}", plain(secret))),
        None => Ok(()),
    }
}

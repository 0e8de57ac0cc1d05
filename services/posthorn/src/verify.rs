//! `posthorn verify`: whether a signature is right, and if not, which check says so.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, ValueEnum};
use config::{Reader, Secret, Source, parse};
use domain::{
    signing::{Scheme, SigningKey, asymmetric::PublicKey},
    time::Timestamp,
};
use serde_json::json;

mod check;

pub(crate) use check::{Checked, Key, Signed, check};

use crate::{
    failure::{self, Ended, Failure},
    input, moment,
    output::{self, BAD, GOOD, styled},
};

const SECRET_HELP: &str = "File with the signing secret [default: POSTHORN_SIGNING_SECRET, or the file that POSTHORN_SIGNING_SECRET_FILE names]";
const NO_SECRET: &str = "no secret is given: set POSTHORN_SIGNING_SECRET or POSTHORN_SIGNING_SECRET_FILE, or name a file by --secret-file";

/// The arguments of `posthorn verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  export POSTHORN_SIGNING_SECRET=whsec_…
  posthorn verify --id evt-1 --timestamp 1773483705 --signature 'v1,K5oZ…' body.json
  posthorn verify --at 2h --id evt-1 --timestamp 1773483705 --signature 'v1,K5oZ…' < body.json
  posthorn verify --public-key whpk_… --id evt-1 --timestamp 1773483705 --signature 'v1a,…' b.json
  posthorn verify --scheme hmac-hex --signature sha256=… body.json

The body must be the bytes that were received. Exits with 1 when a check fails, and says which one.")]
pub(crate) struct Arguments {
    /// File with the body as it was received; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    body: PathBuf,
    /// How it was signed
    #[arg(long, value_name = "SCHEME", default_value = "standard")]
    scheme: SchemeName,
    /// Value of the header webhook-id
    #[arg(long)]
    id: Option<String>,
    /// Value of the header webhook-timestamp
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<String>,
    /// Value of the header with the signature
    #[arg(long)]
    signature: String,
    /// Public key of v1a signatures, whpk_…; instead of a secret
    #[arg(long, value_name = "KEY", conflicts_with = "secret_file")]
    public_key: Option<String>,
    #[arg(long, value_name = "FILE", help = SECRET_HELP)]
    secret_file: Option<PathBuf>,
    /// How far the timestamp may be from now
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = moment::duration)]
    tolerance: Duration,
    /// Judge the time as of then: 15m, 12h, 30d ago, or 2026-03-14T10:21:45Z
    #[arg(long, value_name = "TIME", value_parser = moment::past)]
    at: Option<Timestamp>,
    /// Write the checks as a line of JSON
    #[arg(long)]
    json: bool,
}

/// How a request may be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemeName {
    /// Standard Webhooks, v1 and v1a
    Standard,
    /// The body's HMAC in hexadecimal
    HmacHex,
    #[value(help = "A token as QStash sends it")]
    Jwt,
}

/// Verifies the signature.
pub(crate) fn main(arguments: &Arguments) -> ExitCode {
    failure::run(async { run(arguments) })
}

fn run(arguments: &Arguments) -> Ended {
    let key = arguments.key()?;
    let body = input::read(&arguments.body)?;
    let now = lifecycle::clock::now_ms();
    let checked = check(
        &key,
        &Signed {
            id: arguments.id.as_deref().unwrap_or_default(),
            timestamp: arguments.timestamp.as_deref().unwrap_or_default(),
            signature: &arguments.signature,
            body: &body,
        },
        arguments.at.unwrap_or_else(|| Timestamp::from_millis(now)),
        arguments.tolerance,
    );
    show(&checked, arguments.json)?;
    if checked.iter().all(|one| one.problem.is_none()) {
        Ok(())
    } else {
        Err(Failure::Told)
    }
}

fn show(checked: &[Checked], as_json: bool) -> Ended {
    if as_json {
        let checks: Vec<_> = checked
            .iter()
            .map(|one| json!({"check": one.name, "ok": one.problem.is_none(), "problem": one.problem}))
            .collect();
        let is_valid = checked.iter().all(|one| one.problem.is_none());
        return output::json(&json!({"valid": is_valid, "checks": checks}));
    }
    for one in checked {
        match &one.problem {
            None => output::line(format_args!("{}  {}", styled(GOOD, "ok    "), one.name))?,
            Some(problem) => output::line(format_args!(
                "{}  {}: {}",
                styled(BAD, "failed"),
                one.name,
                output::plain(problem)
            ))?,
        }
    }
    Ok(())
}

impl Arguments {
    fn key(&self) -> Result<Key, Failure> {
        if let Some(text) = &self.public_key {
            let key = PublicKey::parse(text)
                .map_err(|error| Failure::Usage(format!("--public-key: {error}")))?;
            return Ok(Key::Public(key));
        }
        let secret = secret(self.secret_file.as_ref())?
            .ok_or_else(|| Failure::Config(NO_SECRET.to_owned()))?;
        let of = |name: &str| -> Result<SigningKey, Failure> {
            let scheme =
                Scheme::parse(&json!(name)).map_err(|error| Failure::Usage(error.to_string()))?;
            scheme
                .key(secret.expose())
                .map_err(|error| Failure::Config(format!("the signing secret: {error}")))
        };
        Ok(match self.scheme {
            SchemeName::Standard => Key::Standard(of("standard")?),
            SchemeName::HmacHex => Key::HmacHex(of("hmac-hex")?),
            SchemeName::Jwt => Key::Jwt(of("jwt")?),
        })
    }
}

/// Returns the signing secret of a file, or else of the environment.
///
/// # Errors
/// [`Failure::Config`].
pub(crate) fn secret(file: Option<&PathBuf>) -> Result<Option<Secret>, Failure> {
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::Config(format!(
                "--secret-file {}: can't be read: {error}",
                file.display()
            ))
        })?;
        return Ok(Some(Secret::new(text.trim().to_owned())));
    }
    let source = Source::environment();
    let mut reader = Reader::new(&source);
    let secret = reader.optional_secret("SIGNING_SECRET", parse::secret(1));
    reader
        .finish(|| Some(secret))
        .map_err(|faults| Failure::Config(faults.to_string()))
}

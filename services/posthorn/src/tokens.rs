//! `posthorn tokens`: makes, lists and revokes the tokens of an organisation.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use domain::time::Timestamp;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::{Api, Call},
    failure::{self, Ended},
    moment,
    output::{self, Table},
    remote::Remote,
};

/// What `posthorn tokens` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the tokens, without their texts
    List(List),
    /// Make a token and write its text, which is never shown again
    Create(Create),
    /// Revoke tokens; they stop working within a second
    Revoke(Revoke),
}

/// The arguments of `posthorn tokens list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  posthorn tokens list
  posthorn tokens list --organisation acme --json | jq -r .name")]
pub(crate) struct List {
    /// Write each token as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// The arguments of `posthorn tokens create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  posthorn tokens create --organisation acme --role admin --name ops > acme.token
  posthorn tokens create --role producer --name 'Game server' --expires 30d

The text alone goes to standard output, so that it can be stored without being seen.")]
pub(crate) struct Create {
    /// What its holder may do
    #[arg(long)]
    role: Role,
    /// What it is called, for people
    #[arg(long)]
    name: String,
    /// When it ends: in 12h, in 30d, or at 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment::future)]
    expires: Option<Timestamp>,
    /// Write the whole token as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// The arguments of `posthorn tokens revoke`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  posthorn tokens revoke tok_01J…")]
pub(crate) struct Revoke {
    /// Ids of tokens, as list shows them
    #[arg(value_name = "TOKEN_ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    remote: Remote,
}

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// Send events
    Producer,
    /// Read webhook configs
    Viewer,
    /// Everything in its organisation
    Admin,
    /// Everything in every organisation
    Operator,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Viewer => "viewer",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }
}

/// A token as it is shown.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    id: String,
    #[serde(default)]
    token: String,
    organisation_id: Option<String>,
    role: String,
    name: String,
    created_at: String,
    expires_at: Option<String>,
}

/// Does what is asked for.
pub(crate) fn main(command: &Command) -> ExitCode {
    match command {
        Command::List(arguments) => failure::run(list(arguments)),
        Command::Create(arguments) => failure::run(create(arguments)),
        Command::Revoke(arguments) => failure::run(revoke(arguments)),
    }
}

async fn list(arguments: &List) -> Ended {
    let api = Api::new(&arguments.remote)?;
    let tokens: Vec<Value> = api.read(&Call::admin(Method::GET, &["tokens"])).await?;
    if arguments.json {
        return tokens.iter().try_for_each(output::json);
    }
    let mut table = Table::new(&["ID", "ORGANISATION", "ROLE", "NAME", "CREATED", "EXPIRES"]);
    for token in tokens {
        let token: Token = read(token)?;
        table.row([
            token.id,
            token.organisation_id.unwrap_or_else(|| "(all)".to_owned()),
            token.role,
            token.name,
            token.created_at,
            token.expires_at.unwrap_or_else(|| "never".to_owned()),
        ]);
    }
    table.print()
}

async fn create(arguments: &Create) -> Ended {
    let api = Api::new(&arguments.remote)?;
    let mut wanted = json!({"role": arguments.role.name(), "name": arguments.name});
    if let (Some(fields), Some(at)) = (wanted.as_object_mut(), arguments.expires) {
        fields.insert("expiresAt".to_owned(), at.to_string().into());
    }
    let call = Call::admin(Method::POST, &["tokens"]).json(&wanted);
    let made: Value = api.read(&call).await?;
    if arguments.json {
        return output::json(&made);
    }
    let token: Token = read(made)?;
    output::note(format_args!(
        "{} ({}) is made; its text is never shown again",
        output::plain(&token.id),
        output::plain(&token.role)
    ));
    output::line(token.token)
}

async fn revoke(arguments: &Revoke) -> Ended {
    let api = Api::new(&arguments.remote)?;
    for id in &arguments.ids {
        api.ask(&Call::admin(Method::DELETE, &["tokens", id]))
            .await?;
        output::note(format_args!("{id} is revoked"));
    }
    Ok(())
}

fn read(token: Value) -> Result<Token, failure::Failure> {
    serde_json::from_value(token).map_err(failure::failed("a token can't be read"))
}

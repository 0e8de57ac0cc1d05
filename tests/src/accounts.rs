//! The broker's users, as `deploy/` has them, and who makes the streams before the services start.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use test_support::NatsCluster;

use crate::CommandLine;

const ACCOUNTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nats-accounts.conf");
const CLUSTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/cluster/nats.conf");
/// The settings that streams are made by, and under which the broker is reached.
const TOPOLOGY: &[&str] = &[
    "POSTHORN_REPLICAS",
    "POSTHORN_EVENTS_MAX_BYTES",
    "POSTHORN_ATTEMPTS_MAX_BYTES",
    "POSTHORN_NATS_CREDS",
    "POSTHORN_NATS_TLS_CA",
];

/// Returns the names of the variables that hold the users' passwords.
///
/// # Panics
/// Panics when the configuration is not there.
#[must_use]
pub fn password_variables() -> BTreeSet<String> {
    let accounts = std::fs::read_to_string(ACCOUNTS).expect("read the accounts");
    let names = accounts.split("password: $").skip(1);
    names
        .filter_map(|text| text.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Returns the accounts' configuration with one password for all users.
pub(crate) fn with_password(password: &str) -> String {
    let accounts = std::fs::read_to_string(ACCOUNTS).expect("read the accounts");
    let names = password_variables();
    let mut text = String::new();
    for name in names {
        let _infallible = writeln!(text, "{name}: \"{password}\"");
    }
    text + &accounts
}

/// Starts three brokers by the example of `deploy/`, under its accounts with one password for all users.
pub(crate) async fn cluster_with_password(password: &str) -> NatsCluster {
    let variables: Vec<(String, String)> = password_variables()
        .into_iter()
        .map(|name| (name, password.to_owned()))
        .collect();
    NatsCluster::start(Path::new(CLUSTER), &variables, ("setup", password)).await
}

/// Makes streams, consumers and buckets, which the services' users may not.
pub(crate) async fn make_topology(folder: &Path, url: &str, variables: &[(&'static str, String)]) {
    let shell = CommandLine::new(folder).env("POSTHORN_NATS_URL", url);
    let shell = variables
        .iter()
        .filter(|(name, _)| TOPOLOGY.contains(name))
        .fold(shell, |shell, (name, value)| shell.env(name, value));
    let made = shell.run(&["topology", "apply"]).await;
    assert_eq!(made.code, Some(0), "{}", made.errors);
}

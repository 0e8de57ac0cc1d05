//! The broker's users, as `deploy/` has them, and who makes the streams before the services start.

use std::{collections::BTreeSet, fmt::Write as _};

use jetstream::{Broker, Options, topology};

const ACCOUNTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nats-accounts.conf");

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

pub(crate) async fn make_topology(url: &str, variables: &[(&'static str, String)]) {
    let value = |name| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| value.as_str())
    };
    let options = Options {
        url: url.to_owned(),
        credentials: None,
        tls_ca: None,
        prefix: "posthorn".to_owned(),
        replicas: value("POSTHORN_REPLICAS").map_or(1, |n| n.parse().expect("a number")),
    };
    let limits = topology::Limits {
        attempts_max_bytes: value("POSTHORN_ATTEMPTS_MAX_BYTES").map(|_| 16 * 1024 * 1024),
        ..topology::Limits::default()
    };
    let broker = Broker::connect(&options, "setup").await.expect("connect");
    topology::ensure(&broker, &limits)
        .await
        .expect("make the topology");
}

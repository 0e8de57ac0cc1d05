//! A broker that somebody else runs: with TLS under an authority of their own, and accounts of an operator.

mod operator;

use std::{path::PathBuf, time::Duration};

use e2e::{Service, Stack};
use serde_json::json;
use tempfile::TempDir;
use test_support::{Authority, Launch, NatsServer, Receiver, script};

use self::operator::NatsOperator;
use crate::BOUND;

/// How long a service tries to reach its broker before it gives up.
const GIVE_UP_BOUND: Duration = Duration::from_secs(40);

#[tokio::test]
async fn everything_goes_over_tls_with_credentials_from_a_file() {
    let (site, server) = Site::start();
    let (ca, credentials) = (
        site.file("ca.pem", &site.authority.pem()),
        site.file("posthorn.creds", &site.operator.credentials()),
    );
    let variables = [
        ("POSTHORN_NATS_TLS_CA", ca.to_str().unwrap()),
        ("POSTHORN_NATS_CREDS", credentials.to_str().unwrap()),
    ];
    let mut stack = Stack::start_external(server, &variables).await;
    let acme = stack.organisation("acme").await;
    let receiver = Receiver::start(script::failing_first(1, 500));
    let soon = json!({"retryPolicy": {"preset": "nudj", "delay": {"fixed": 200}}});
    acme.register(&receiver.url("/"), &["order.paid"], soon)
        .await;

    acme.send(&json!({"id": "evt-1", "eventSubCategory": "order.paid"}))
        .await;
    receiver.wait_for(2, BOUND).await;
    acme.wait_logs(2, "").await;

    // The broker forgets nothing, and services find it again by the same files.
    stack.broker().restart();
    stack.wait_ready().await;
    let again = json!({"id": "evt-2", "eventSubCategory": "order.paid"});
    acme.send_until_accepted(&again, BOUND).await;
    receiver.wait_for(4, BOUND).await;
    acme.wait_logs(4, "").await;
    stack.stop().await;
}

#[tokio::test]
async fn a_wrong_authority_or_login_is_said_at_start() {
    let (site, server) = Site::start();
    let ca = site.file("ca.pem", &site.authority.pem());
    let other_ca = site.file("other.pem", &Authority::new("another one").pem());
    let good = site.file("good.creds", &site.operator.credentials());
    let other = site.file("other.creds", &NatsOperator::default().credentials());
    let no_file = site.folder.path().join("missing");

    for (name, authority, credentials, code, says) in [
        (
            "another authority",
            Some(&other_ca),
            Some(&good),
            1,
            "invalid peer certificate",
        ),
        (
            "no authority",
            None,
            Some(&good),
            1,
            "invalid peer certificate",
        ),
        (
            "another operator's user",
            Some(&ca),
            Some(&other),
            1,
            "authorization violation",
        ),
        ("no user", Some(&ca), None, 1, "authorization violation"),
        (
            "no such authority",
            Some(&no_file),
            None,
            78,
            "POSTHORN_NATS_TLS_CA: must name a file",
        ),
        (
            "no such user",
            Some(&ca),
            Some(&no_file),
            78,
            "POSTHORN_NATS_CREDS: must name a file",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut launch = Launch::new(Service::Ingest.binary(), folder.path())
            .listening()
            .env("POSTHORN_NATS_URL", server.url());
        if let Some(file) = authority {
            launch = launch.env("POSTHORN_NATS_TLS_CA", file.to_str().unwrap());
        }
        if let Some(file) = credentials {
            launch = launch.env("POSTHORN_NATS_CREDS", file.to_str().unwrap());
        }
        let mut process = launch.spawn();
        let status = process.wait_exit(GIVE_UP_BOUND).await;

        let log = process.log();
        assert_eq!(status.code(), Some(code), "{name}: {log}");
        assert!(log.contains(says), "{name}: {log}");
    }
}

/// Who runs the broker.
struct Site {
    authority: Authority,
    operator: NatsOperator,
    folder: TempDir,
}

impl Site {
    fn start() -> (Self, NatsServer) {
        let site = Self {
            authority: Authority::new("the broker's authority"),
            operator: NatsOperator::default(),
            folder: tempfile::tempdir().unwrap(),
        };
        let server = site.authority.server(&["127.0.0.1"]);
        let certificate = site.file("server.pem", &server.certificate);
        let key = site.file("server.key", &server.key);
        let tls = format!(
            "tls {{ cert_file: \"{}\", key_file: \"{}\" }}\n",
            certificate.display(),
            key.display()
        );
        let server = NatsServer::start_with(&(tls + &site.operator.configuration()));
        (site, server)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

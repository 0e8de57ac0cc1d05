//! A service with wrong configuration does not start, says everything that is wrong, and exits with 78.

use std::{collections::BTreeSet, time::Duration};

use e2e::Service;
use test_support::Launch;

const BOUND: Duration = Duration::from_secs(10);
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
const BAD_CONFIGURATION: i32 = 78;

#[tokio::test]
async fn every_wrong_variable_is_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for service in Service::ALL {
        let launch = wrong(Launch::new(service.binary(), folder.path()));

        let mut process = launch.spawn();

        let status = process.wait_exit(BOUND).await;
        let output = process.log();
        assert_eq!(
            status.code(),
            Some(BAD_CONFIGURATION),
            "{service:?}: {output}"
        );
        for name in named(service) {
            assert!(
                output.contains(name),
                "{service:?} does not name {name}: {output}"
            );
        }
        assert!(
            !output.contains("too-short-to-be-a-key"),
            "{service:?} shows a secret: {output}"
        );
    }
}

#[tokio::test]
async fn no_service_calls_a_variable_of_the_readme_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let names = variables_in(&std::fs::read_to_string(README).unwrap());
    assert!(names.len() >= 10, "{names:?}");
    for service in Service::ALL {
        let mut launch = Launch::new(service.binary(), folder.path());
        for name in &names {
            launch = launch.env(name, "?");
        }

        let mut process = launch.spawn();

        let status = process.wait_exit(BOUND).await;
        let output = process.log();
        assert_eq!(
            status.code(),
            Some(BAD_CONFIGURATION),
            "{service:?}: {output}"
        );
        assert!(!output.contains("is unknown"), "{service:?}: {output}");
    }
}

#[tokio::test]
async fn an_unreachable_broker_is_not_a_fault_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch::new("posthorn-fan-out", folder.path()).listening();
    let port = test_support::free_port();
    let mut process = launch
        .env("POSTHORN_NATS_URL", format!("nats://127.0.0.1:{port}"))
        .spawn();

    let early = tokio::time::timeout(Duration::from_secs(3), process.wait_exit(BOUND)).await;

    // It may wait for the broker or give up; what it may not do is blame the configuration or be ready.
    if let Ok(status) = early {
        assert_ne!(status.code(), Some(BAD_CONFIGURATION), "{}", process.log());
        assert!(!status.success(), "{}", process.log());
    }
}

/// Returns the full names in a text; `POSTHORN_` alone, as it stands in sentences, is none.
fn variables_in(text: &str) -> BTreeSet<String> {
    let is_name =
        |letter: char| letter == '_' || letter.is_ascii_uppercase() || letter.is_ascii_digit();
    let words = text.split(|letter| !is_name(letter));
    let names = words.filter(|word| word.starts_with("POSTHORN_") && !word.ends_with('_'));
    names.map(str::to_owned).collect()
}

fn wrong(launch: Launch) -> Launch {
    launch
        .env("POSTHORN_NATS_URL", "::not a url::")
        .env("POSTHORN_LISTEN", "nowhere")
        .env("POSTHORN_REPLICAS", "2")
        .env("POSTHORN_SHUTDOWN_GRACE_S", "soon")
        .env("POSTHORN_SECRETS_KEY", "too-short-to-be-a-key")
        .env("POSTHORN_API_RATE_PER_TOKEN", "many")
        .env("POSTHORN_TRACE_URL", "https://traces.example/")
        .env("POSTHORN_INGEST_RATE_PER_ORGANISATION", "-1")
        .env("POSTHORN_NO_SUCH_SETTING", "1")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")
        .env("OTEL_TRACES_SAMPLER", "sometimes")
}

fn named(service: Service) -> Vec<&'static str> {
    let mut names = vec![
        "POSTHORN_NATS_URL",
        "POSTHORN_LISTEN",
        "POSTHORN_REPLICAS",
        "POSTHORN_SHUTDOWN_GRACE_S",
        "POSTHORN_NO_SUCH_SETTING",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_TRACES_SAMPLER",
    ];
    // All services may share one environment: what another one reads is neither unknown nor checked.
    if matches!(service, Service::Delivery | Service::Admin) {
        names.push("POSTHORN_SECRETS_KEY");
    }
    if service == Service::Admin {
        names.extend(["POSTHORN_API_RATE_PER_TOKEN", "POSTHORN_TRACE_URL"]);
    }
    if service == Service::Ingest {
        names.push("POSTHORN_INGEST_RATE_PER_ORGANISATION");
    }
    if matches!(service, Service::LogWriter | Service::Admin) {
        names.push("POSTHORN_STORE_URL");
    }
    names
}

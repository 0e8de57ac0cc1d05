//! Defaults and faults of the shared settings.

use std::net::SocketAddr;

use super::Common;
use crate::{Faults, Reader, Source};

fn read(pairs: &[(&str, &str)]) -> Result<Common, Faults> {
    let source = Source::from_pairs(pairs);
    let mut reader = Reader::new(&source);
    let settings = Common::read(&mut reader, SocketAddr::from(([127, 0, 0, 1], 8081)));
    reader.finish(|| Some(settings))
}

#[test]
fn an_empty_environment_gives_the_defaults() {
    let settings = read(&[]).unwrap();

    assert_eq!(settings.nats.url, "nats://127.0.0.1:4222");
    assert!(!settings.nats.url_given);
    assert_eq!(settings.nats.prefix, "posthorn");
    assert_eq!(settings.nats.replicas, 1);
    assert_eq!(settings.nats.events_max_bytes, None);
    assert_eq!(settings.nats.attempts_max_bytes, None);
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(settings.log.filter, "info");
    assert_eq!(settings.shutdown_grace.as_secs(), 60);
}

#[test]
fn every_variable_of_the_sections_is_taken() {
    let settings = read(&[
        ("POSTHORN_NATS_URL", "nats://a:4222,tls://b"),
        ("POSTHORN_PREFIX", "ph-2"),
        ("POSTHORN_REPLICAS", "3"),
        ("POSTHORN_EVENTS_MAX_BYTES", "2GiB"),
        ("POSTHORN_ATTEMPTS_MAX_BYTES", "512MiB"),
        ("POSTHORN_LISTEN", "[::]:80"),
        ("POSTHORN_LOG", "warn,delivery=debug"),
        ("POSTHORN_LOG_FORMAT", "json"),
        ("POSTHORN_SHUTDOWN_GRACE_S", "5"),
    ])
    .unwrap();

    assert_eq!(settings.nats.url, "nats://a:4222,tls://b");
    assert!(settings.nats.url_given);
    assert_eq!(settings.nats.prefix, "ph-2");
    assert_eq!(settings.nats.replicas, 3);
    assert_eq!(settings.nats.events_max_bytes, Some(2_147_483_648));
    assert_eq!(settings.nats.attempts_max_bytes, Some(536_870_912));
    assert_eq!(settings.listen.to_string(), "[::]:80");
    assert_eq!(settings.log.filter, "warn,delivery=debug");
    assert!(settings.log.json);
    assert_eq!(settings.shutdown_grace.as_secs(), 5);
}

#[test]
fn all_faults_are_listed_at_once() {
    let faults = read(&[
        ("POSTHORN_NATS_URL", "http://user:hunter2@a"),
        ("POSTHORN_NATS_CREDS", "/nowhere/at/all"),
        ("POSTHORN_PREFIX", "Post.Horn"),
        ("POSTHORN_REPLICAS", "2"),
        ("POSTHORN_LISTEN", "x"),
        ("POSTHORN_LOG", "a=b=c"),
        ("POSTHORN_LOG_FORMAT", "xml"),
        ("POSTHORN_SHUTDOWN_GRACE_S", "0"),
        ("POSTHORN_COLOUR", "red"),
    ])
    .unwrap_err();

    assert_eq!(
        faults.lines(),
        [
            "POSTHORN_NATS_URL: must be a URL such as nats://127.0.0.1:4222, or several \
             separated by commas, got \"***\"",
            "POSTHORN_NATS_CREDS: must name a file that exists, got \"/nowhere/at/all\"",
            "POSTHORN_PREFIX: must be 1 to 32 of a-z, 0-9 and -, got \"Post.Horn\"",
            "POSTHORN_REPLICAS: must be one of 1, 3, 5, got \"2\"",
            "POSTHORN_LISTEN: must be an address such as 127.0.0.1:8080, got \"x\"",
            "POSTHORN_LOG: must be a log filter such as info or info,delivery=debug, \
             got \"a=b=c\"",
            "POSTHORN_LOG_FORMAT: must be one of json, text, got \"xml\"",
            "POSTHORN_SHUTDOWN_GRACE_S: must be whole seconds from 1 to 300, got \"0\"",
            "POSTHORN_COLOUR: is unknown",
        ]
    );
}

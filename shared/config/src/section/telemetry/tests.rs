//! What of OpenTelemetry's variables is taken, and what is refused.

use std::time::Duration;

use super::{Protocol, Sampler, Telemetry};
use crate::{Faults, Reader, Source};

fn read(pairs: &[(&str, &str)]) -> Result<Telemetry, Faults> {
    let source = Source::from_pairs(pairs);
    let mut reader = Reader::new(&source);
    let settings = Telemetry::read(&mut reader);
    reader.finish(|| Some(settings))
}

#[test]
fn without_an_endpoint_nothing_is_sent() {
    let settings = read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap();

    assert!(settings.traces.is_none());
    assert!(settings.metrics.is_none());
    assert_eq!(settings.batch.queue, 2_048);
    assert_eq!(settings.batch.spans, 512);
    assert_eq!(settings.batch.delay, Duration::from_secs(5));
    assert_eq!(settings.metrics_every, Duration::from_secs(60));
    let sampler = Sampler {
        follows_parent: true,
        ratio: 1.0,
    };
    assert_eq!(settings.sampler, sampler);
}

#[test]
fn both_signals_share_what_is_not_said_of_one() {
    let settings = read(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://other/v1/m"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=a%20b, x=y="),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x=z"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "3000"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
    ])
    .unwrap();

    let (traces, metrics) = (settings.traces.unwrap(), settings.metrics.unwrap());
    assert_eq!(traces.endpoint, "http://collector:4318/v1/traces");
    assert_eq!(metrics.endpoint, "https://other/v1/m");
    let shown = |headers: &[(String, crate::Secret)]| {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()));
        pairs.collect::<Vec<_>>()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        shown(&traces.headers),
        [pair("api-key", "a b"), pair("x", "y=")]
    );
    assert_eq!(shown(&metrics.headers), [pair("x", "z")]);
    assert_eq!(traces.timeout, Duration::from_secs(2));
    assert_eq!(metrics.timeout, Duration::from_secs(3));
    assert!(traces.gzip && !metrics.gzip);
}

#[test]
fn over_grpc_an_endpoint_has_no_path() {
    let settings = read(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
    ])
    .unwrap();

    let traces = settings.traces.unwrap();
    assert_eq!(traces.endpoint, "http://collector:4317/");
    assert_eq!(traces.protocol, Protocol::Grpc);
    assert!(settings.metrics.is_none());
}

#[test]
fn each_signal_and_everything_can_be_switched_off() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    let one = read(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]).unwrap();
    assert!(one.traces.is_none() && one.metrics.is_some());
    let all = read(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).unwrap();
    assert!(all.traces.is_none() && all.metrics.is_none());
}

#[test]
fn samplers_have_their_standard_names() {
    let sampler = |name: &str| {
        let pairs = [
            ("OTEL_TRACES_SAMPLER", name),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ];
        let Sampler {
            follows_parent,
            ratio,
        } = read(&pairs).unwrap().sampler;
        (follows_parent, ratio)
    };

    assert_eq!(sampler("always_on"), (false, 1.0));
    assert_eq!(sampler("always_off"), (false, 0.0));
    assert_eq!(sampler("traceidratio"), (false, 0.25));
    assert_eq!(sampler("parentbased_always_off"), (true, 0.0));
    assert_eq!(sampler("parentbased_traceidratio"), (true, 0.25));
}

#[test]
fn wrong_values_are_refused_by_name_and_headers_are_not_shown() {
    let faults = read(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=x"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
    ])
    .unwrap_err()
    .to_string();

    for name in [
        "OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL",
        "OTEL_EXPORTER_OTLP_PROTOCOL: must be one of grpc, http/protobuf",
        "OTEL_EXPORTER_OTLP_HEADERS: must",
        "OTEL_TRACES_EXPORTER: must",
        "OTEL_TRACES_SAMPLER: must be one of",
        "OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1",
        "OTEL_RESOURCE_ATTRIBUTES: must",
        "OTEL_BSP_MAX_QUEUE_SIZE: must",
    ] {
        assert!(faults.contains(name), "{name} is not in\n{faults}");
    }
    assert!(!faults.contains("hunter2"), "{faults}");
}

#[test]
fn what_is_empty_counts_as_unset_and_what_is_unknown_is_somebody_else_s() {
    let settings = read(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_EXPORTER_OTLP_HEADERS", ""),
        ("OTEL_LOGS_EXPORTER", "console"),
    ]);

    assert!(settings.unwrap().traces.is_none());
}

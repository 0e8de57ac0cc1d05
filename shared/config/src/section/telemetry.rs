//! Where spans and metrics are sent: OpenTelemetry's own variables, as every program reads them.
//!
//! Nothing is sent unless an endpoint is named. A wrong value is a fault, as it is of our own variables.

use std::{path::PathBuf, time::Duration};

use crate::{Secret, parse, reader::Reader};

#[cfg(test)]
mod tests;

/// The most spans that may wait to be exported.
const QUEUE_MAX: usize = 1_000_000;
/// The longest of all spans of time, in milliseconds: an hour.
const LONGEST_MS: u64 = 3_600_000;

/// What is sent, where to, and how much of it.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// The name of the service, if it is not to have its own.
    pub service_name: Option<String>,
    /// Further attributes of the process, such as its environment.
    pub resource: Vec<(String, String)>,
    /// Where spans are sent; `None` records none.
    pub traces: Option<Otlp>,
    /// Where metrics are sent besides being served.
    pub metrics: Option<Otlp>,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// How spans are gathered.
    pub batch: SpanBatch,
    /// How often metrics are sent.
    pub metrics_every: Duration,
}

/// A receiver of OTLP.
#[derive(Debug, Clone)]
pub struct Otlp {
    /// The whole URL that one signal is sent to.
    pub endpoint: String,
    /// In which form.
    pub protocol: Protocol,
    /// What goes along, such as a key; in lower case, fit for a header.
    pub headers: Vec<(String, Secret)>,
    /// How long a request may take, tries included.
    pub timeout: Duration,
    /// Whether requests are compressed.
    pub gzip: bool,
    /// The certificate to trust besides the system's, if there is one.
    pub certificate: Option<PathBuf>,
}

/// The forms of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Over gRPC.
    Grpc,
    /// As protobuf in HTTP requests.
    HttpProtobuf,
}

/// Which traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Whether what the caller decided holds; the rest is asked only where there is no caller.
    pub follows_parent: bool,
    /// What part of the traces is recorded, from 0 to 1.
    pub ratio: f64,
}

/// How spans are gathered into requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanBatch {
    /// The most spans that wait; more are dropped and counted.
    pub queue: usize,
    /// The most spans of one request.
    pub spans: usize,
    /// The longest that a span waits for company.
    pub delay: Duration,
    /// The longest that a request may take, whatever the receiver's own time-out is.
    pub export_within: Duration,
}

/// One of the two signals.
struct Signal {
    /// As it stands in the names of variables.
    name: &'static str,
    /// Where it goes under an endpoint that both share, over HTTP.
    path: &'static str,
}

const TRACES: Signal = Signal {
    name: "TRACES",
    path: "/v1/traces",
};
const METRICS: Signal = Signal {
    name: "METRICS",
    path: "/v1/metrics",
};

impl Telemetry {
    /// Reads the settings.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let is_disabled = reader.or_default("OTEL_SDK_DISABLED", false, parse::boolean);
        let traces = read_signal(reader, &TRACES, &["otlp", "none"]);
        let metrics = read_signal(reader, &METRICS, &["otlp", "prometheus", "none"]);
        Self {
            service_name: reader.optional("OTEL_SERVICE_NAME", parse::text(1..=255)),
            resource: reader.or_default("OTEL_RESOURCE_ATTRIBUTES", Vec::new(), parse::pairs),
            traces: traces.filter(|_| !is_disabled),
            metrics: metrics.filter(|_| !is_disabled),
            sampler: Sampler::read(reader),
            batch: SpanBatch::read(reader),
            metrics_every: millis(reader, "OTEL_METRIC_EXPORT_INTERVAL", 60_000),
        }
    }
}

impl Sampler {
    fn read(reader: &mut Reader<'_>) -> Self {
        let ratio = reader.or_default("OTEL_TRACES_SAMPLER_ARG", 1.0, parse::ratio);
        let is = |follows_parent, ratio| Self {
            follows_parent,
            ratio,
        };
        reader.or_default(
            "OTEL_TRACES_SAMPLER",
            is(true, 1.0),
            parse::choice(&[
                ("always_on", is(false, 1.0)),
                ("always_off", is(false, 0.0)),
                ("traceidratio", is(false, ratio)),
                ("parentbased_always_on", is(true, 1.0)),
                ("parentbased_always_off", is(true, 0.0)),
                ("parentbased_traceidratio", is(true, ratio)),
            ]),
        )
    }
}

impl SpanBatch {
    fn read(reader: &mut Reader<'_>) -> Self {
        let queue = reader.or_default(
            "OTEL_BSP_MAX_QUEUE_SIZE",
            2_048,
            parse::integer(1..=QUEUE_MAX),
        );
        let spans = reader.or_default(
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            512,
            parse::integer(1..=QUEUE_MAX),
        );
        Self {
            queue,
            spans: spans.min(queue),
            delay: millis(reader, "OTEL_BSP_SCHEDULE_DELAY", 5_000),
            export_within: millis(reader, "OTEL_BSP_EXPORT_TIMEOUT", 30_000),
        }
    }
}

/// Reads where a signal is sent. What is said of the one signal goes before what is said of both.
fn read_signal(
    reader: &mut Reader<'_>,
    signal: &Signal,
    exporters: &'static [&'static str],
) -> Option<Otlp> {
    let Signal { name, path } = signal;
    let own = |what: &str| format!("OTEL_EXPORTER_OTLP_{name}_{what}");
    let both = |what: &str| format!("OTEL_EXPORTER_OTLP_{what}");
    let exporter = format!("OTEL_{name}_EXPORTER");
    let exporters = reader.or_default(&exporter, vec!["otlp"], parse::words(exporters));
    let own_url = reader.optional(&own("ENDPOINT"), parse::url(&["http", "https"]));
    let shared_url = reader.optional(&both("ENDPOINT"), parse::url(&["http", "https"]));
    let forms = [
        ("grpc", Protocol::Grpc),
        ("http/protobuf", Protocol::HttpProtobuf),
    ];
    let shared = reader.or_default(
        &both("PROTOCOL"),
        Protocol::HttpProtobuf,
        parse::choice(&forms),
    );
    let protocol = reader.or_default(&own("PROTOCOL"), shared, parse::choice(&forms));
    let shared = reader.optional_secret(&both("HEADERS"), parse::headers);
    let headers = reader.optional_secret(&own("HEADERS"), parse::headers);
    let shared_ms = millis(reader, &both("TIMEOUT"), 10_000).as_millis();
    let timeout = millis(
        reader,
        &own("TIMEOUT"),
        u64::try_from(shared_ms).unwrap_or(LONGEST_MS),
    );
    let forms = [("gzip", true), ("none", false)];
    let shared_gzip = reader.or_default(&both("COMPRESSION"), false, parse::choice(&forms));
    let gzip = reader.or_default(&own("COMPRESSION"), shared_gzip, parse::choice(&forms));
    let shared_certificate = reader.optional(&both("CERTIFICATE"), parse::file);
    let certificate = reader.optional(&own("CERTIFICATE"), parse::file);
    let endpoint = match (own_url, shared_url, protocol) {
        (Some(url), _, _) | (None, Some(url), Protocol::Grpc) => url.to_string(),
        (None, Some(url), Protocol::HttpProtobuf) => {
            format!("{}{path}", url.as_str().trim_end_matches('/'))
        }
        (None, None, _) => return None,
    };
    exporters.contains(&"otlp").then(|| Otlp {
        endpoint,
        protocol,
        headers: headers.or(shared).unwrap_or_default(),
        timeout,
        gzip,
        certificate: certificate.or(shared_certificate),
    })
}

fn millis(reader: &mut Reader<'_>, name: &str, default: u64) -> Duration {
    Duration::from_millis(reader.or_default(name, default, parse::integer(1..=LONGEST_MS)))
}

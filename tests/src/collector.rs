//! A collector of OpenTelemetry: takes OTLP over HTTP or gRPC, decodes its protobuf, and keeps the spans and metrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::HeaderMap;
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::span::{Event, SpanKind},
};
use prost::Message as _;
use rustls::ServerConfig;
use test_support::{Answer, Received, Receiver, eventually, script};

use crate::grpc::GrpcServer;

/// How long spans may take to a collector.
const BOUND: Duration = Duration::from_secs(60);

/// A running collector.
#[derive(Debug)]
pub struct Collector {
    way: Way,
}

#[derive(Debug)]
enum Way {
    Http(Receiver),
    Grpc(GrpcServer),
}

/// A request of OTLP: its path, what went along, and its protobuf.
struct Sent {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// A span as the collector got it.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectedSpan {
    /// The `service.name` of the process.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Its kind, such as `Consumer`.
    pub kind: String,
    /// The id of its trace, in hex.
    pub trace_id: String,
    /// Its id, in hex.
    pub span_id: String,
    /// The id of the span above it, in hex; empty when there is none.
    pub parent_span_id: String,
    /// When it began, in nanoseconds.
    pub started: u64,
    /// When it ended, in nanoseconds.
    pub ended: u64,
    /// Whether it says that it failed.
    pub failed: bool,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// The names of its events with their attributes.
    pub events: Vec<(String, BTreeMap<String, String>)>,
}

impl CollectedSpan {
    /// Returns an attribute, or the empty string.
    #[must_use]
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

impl Default for Collector {
    fn default() -> Self {
        Self::start()
    }
}

impl Collector {
    /// Starts a collector that takes everything.
    #[must_use]
    pub fn start() -> Self {
        Self::answering(Answer::ok())
    }

    /// Starts a collector that answers everything like this.
    #[must_use]
    pub fn answering(answer: Answer) -> Self {
        Self {
            way: Way::Http(Receiver::start(script::always(answer))),
        }
    }

    /// Starts a collector that answers by a script.
    #[must_use]
    pub fn scripted(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            way: Way::Http(Receiver::start(script)),
        }
    }

    /// Starts a collector that takes everything over TLS.
    #[must_use]
    pub fn start_tls(tls: Arc<ServerConfig>) -> Self {
        let script = script::always(Answer::ok());
        Self {
            way: Way::Http(Receiver::start_tls(tls, script)),
        }
    }

    /// Starts a collector that speaks gRPC and takes everything.
    #[must_use]
    pub fn start_grpc() -> Self {
        Self {
            way: Way::Grpc(GrpcServer::start()),
        }
    }

    /// Returns what `OTEL_EXPORTER_OTLP_ENDPOINT` is to be.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.way {
            Way::Http(receiver) => receiver.url("").trim_end_matches('/').to_owned(),
            Way::Grpc(server) => server.url(),
        }
    }

    /// Returns the values of a header in all requests that came.
    #[must_use]
    pub fn header(&self, name: &str) -> BTreeSet<String> {
        let values = self.sent().into_iter().map(|sent| sent.headers);
        values
            .filter_map(|headers| Some(headers.get(name)?.to_str().ok()?.to_owned()))
            .collect()
    }

    /// Returns the bytes of all requests that came.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let requests = self.sent().into_iter();
        requests.flat_map(|sent| sent.body).collect()
    }

    fn sent(&self) -> Vec<Sent> {
        match &self.way {
            Way::Http(receiver) => (receiver.requests().into_iter())
                .map(|request| Sent {
                    body: unpacked(&request),
                    path: request.path,
                    headers: request.headers,
                })
                .collect(),
            Way::Grpc(server) => (server.calls().into_iter())
                .map(|call| Sent {
                    path: call.path,
                    headers: call.metadata,
                    body: call.message,
                })
                .collect(),
        }
    }

    /// Returns all spans that came.
    ///
    /// # Panics
    /// Panics when a request is no OTLP.
    #[must_use]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        let requests = self.sent().into_iter().filter(|sent| {
            sent.path == "/v1/traces" || sent.path.ends_with("trace.v1.TraceService/Export")
        });
        requests
            .flat_map(|request| {
                let request = ExportTraceServiceRequest::decode(request.body);
                spans_of(request.expect("a request of OTLP"))
            })
            .collect()
    }

    /// Waits until the spans of a trace are as many as this, and returns them.
    ///
    /// # Panics
    /// Panics when they don't come.
    pub async fn wait_trace(&self, trace_id: &str, count: usize) -> Vec<CollectedSpan> {
        eventually("the spans of a trace", BOUND, async || {
            let mut spans = self.spans();
            spans.retain(|span| span.trace_id == trace_id);
            if spans.len() < count {
                let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
                return Err(format!("{} of {count}: {names:?}", spans.len()));
            }
            Ok(spans)
        })
        .await
    }

    /// Returns the names of all metrics that came.
    ///
    /// # Panics
    /// Panics when a request is no OTLP.
    #[must_use]
    pub fn metrics(&self) -> BTreeSet<String> {
        let requests = self.sent().into_iter().filter(|sent| {
            sent.path == "/v1/metrics" || sent.path.ends_with("metrics.v1.MetricsService/Export")
        });
        requests
            .flat_map(|request| {
                let request = ExportMetricsServiceRequest::decode(request.body);
                let resources = request.expect("a request of OTLP").resource_metrics;
                let scopes = resources.into_iter().flat_map(|one| one.scope_metrics);
                scopes.flat_map(|scope| scope.metrics.into_iter().map(|metric| metric.name))
            })
            .collect()
    }
}

/// Returns a request's body without its compression.
fn unpacked(request: &Received) -> Bytes {
    if request.headers.get("content-encoding").is_none() {
        return request.body.clone();
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(request.body.as_ref())
        .read_to_end(&mut unpacked)
        .expect("a body in gzip");
    unpacked.into()
}

fn spans_of(request: ExportTraceServiceRequest) -> Vec<CollectedSpan> {
    let mut collected = Vec::new();
    for resource in request.resource_spans {
        let described = resource.resource.unwrap_or_default();
        let service = attributes(described.attributes).remove("service.name");
        for span in (resource.scope_spans.into_iter()).flat_map(|scope| scope.spans) {
            collected.push(CollectedSpan {
                service: service.clone().unwrap_or_default(),
                kind: format!("{:?}", SpanKind::try_from(span.kind).unwrap_or_default()),
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent_span_id: hex(&span.parent_span_id),
                started: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
                failed: span.status.is_some_and(|status| status.code == 2),
                attributes: attributes(span.attributes),
                events: span.events.into_iter().map(event).collect(),
                name: span.name,
            });
        }
    }
    collected
}

fn event(event: Event) -> (String, BTreeMap<String, String>) {
    (event.name, attributes(event.attributes))
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|pair| (pair.key, text(pair.value)))
        .collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

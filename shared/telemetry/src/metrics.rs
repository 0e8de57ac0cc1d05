//! Metrics: instruments of OpenTelemetry, rendered in the text format of Prometheus and, where a collector is
//! configured, sent to it as well.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use anyhow::Context as _;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{
        InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality,
        data::ResourceMetrics, reader::MetricReader,
    },
};
use prometheus::{Registry, TextEncoder};

/// Who made the instruments.
const SCOPE: &str = "posthorn";

/// The metrics of one process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    provider: SdkMeterProvider,
    registry: Registry,
}

/// Reads all metrics, for somebody who sends them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader(Arc<ManualReader>);

impl Metrics {
    /// Makes an empty registry for a service.
    ///
    /// # Errors
    /// The exporter does not take the registry.
    pub fn new(service: &'static str) -> anyhow::Result<Self> {
        Self::described(
            Resource::builder_empty().with_service_name(service).build(),
            None,
        )
    }

    /// Makes an empty registry for a process that is described so, and read by others besides.
    pub(crate) fn described(resource: Resource, reader: Option<Reader>) -> anyhow::Result<Self> {
        let registry = Registry::new();
        let rendered = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .context("register metrics")?;
        let builder = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(rendered);
        let provider = match reader {
            Some(reader) => builder.with_reader(reader).build(),
            None => builder.build(),
        };
        Ok(Self { provider, registry })
    }

    /// Returns what makes instruments. A counter named `posthorn_ingest_events` is rendered as
    /// `posthorn_ingest_events_total`.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.provider.meter(SCOPE)
    }

    /// Renders all metrics in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics can't be rendered");
        }
        text
    }
}

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;

    use super::Metrics;

    #[test]
    fn instruments_are_rendered_with_their_labels() {
        let metrics = Metrics::new("ingest").unwrap();
        let meter = metrics.meter();
        let events = meter
            .u64_counter("posthorn_ingest_events")
            .with_description("Events taken")
            .build();
        let latency = meter
            .f64_histogram("posthorn_ingest_publish_duration")
            .with_unit("s")
            .with_boundaries(vec![0.001, 0.01])
            .build();

        events.add(2, &[KeyValue::new("outcome", "accepted")]);
        latency.record(0.002, &[]);

        let text = metrics.render();
        for line in [
            "# HELP posthorn_ingest_events_total Events taken",
            "posthorn_ingest_events_total{outcome=\"accepted\"} 2",
            "posthorn_ingest_publish_duration_seconds_bucket{le=\"0.01\"} 1",
        ] {
            assert!(
                text.lines().any(|other| other == line),
                "{line} is not in\n{text}"
            );
        }
    }

    #[test]
    fn two_registries_share_nothing() {
        let one = Metrics::new("ingest").unwrap();
        let other = Metrics::new("ingest").unwrap();

        one.meter()
            .u64_counter("posthorn_ingest_events")
            .build()
            .add(1, &[]);

        assert!(!other.render().contains("posthorn_ingest_events"));
    }
}

//! Metrics: instruments of OpenTelemetry, rendered in the text format of Prometheus.

use anyhow::Context as _;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
use prometheus::{Registry, TextEncoder};

/// What every name of a metric starts with.
const NAMESPACE: &str = "posthorn";

/// The metrics of one process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    provider: SdkMeterProvider,
    registry: Registry,
}

impl Metrics {
    /// Makes an empty registry for a service.
    ///
    /// # Errors
    /// The exporter does not take the registry.
    pub fn new(service: &'static str) -> anyhow::Result<Self> {
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .with_namespace(NAMESPACE)
            .scope_info_enabled(false)
            .build()
            .context("register metrics")?;
        let provider = SdkMeterProvider::builder()
            .with_resource(Resource::builder().with_service_name(service).build())
            .with_reader(reader)
            .build();
        Ok(Self { provider, registry })
    }

    /// Returns what makes instruments. A counter named `ingest_events` is rendered as
    /// `posthorn_ingest_events_total`.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.provider.meter(NAMESPACE)
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

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;

    use super::Metrics;

    #[test]
    fn instruments_are_rendered_with_their_labels() {
        let metrics = Metrics::new("ingest").unwrap();
        let meter = metrics.meter();
        let events = meter
            .u64_counter("ingest_events")
            .with_description("Events taken")
            .build();
        let latency = meter
            .f64_histogram("ingest_publish_duration")
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

        one.meter().u64_counter("ingest_events").build().add(1, &[]);

        assert!(!other.render().contains("ingest_events"));
    }
}

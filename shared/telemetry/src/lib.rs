//! What a process says about itself: its log, its metrics and its spans. Nothing here is a global of ours;
//! the log alone is installed for the whole process, because `tracing` is.
//!
//! This is the only crate that names OpenTelemetry. What it sends to a collector is, besides delivery's
//! requests, the only thing that a service sends over HTTP by itself.

use std::time::Duration;

use config::Telemetry as Settings;

pub mod attribute;
pub mod field;
mod log;
mod metrics;
mod otlp;
mod push;
pub mod trace;

pub use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, ObservableGauge, UpDownCounter},
};

pub use log::{FilterHandle, Guard, InvalidFilter, init};
pub use metrics::Metrics;
pub use trace::Tracer;

/// How long the last spans and figures may take when the process ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Metrics and spans of a process, and what sends them.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    tracer: Tracer,
    exporting: Option<trace::Exporting>,
    pushing: Option<push::Pushing>,
}

impl Telemetry {
    /// Starts what the settings ask for, inside of a runtime. Nothing waits for a collector, now or later.
    ///
    /// # Errors
    /// An endpoint or a certificate that can't be used.
    pub fn start(service: &'static str, settings: &Settings) -> anyhow::Result<Self> {
        let resource = otlp::resource(service, settings);
        let reader = settings
            .metrics
            .as_ref()
            .map(|_| metrics::Reader::default());
        let metrics = Metrics::described(resource.clone(), reader.clone())?;
        let mut telemetry = Self {
            metrics,
            tracer: Tracer::default(),
            exporting: None,
            pushing: None,
        };
        if let (Some(otlp), Some(reader)) = (&settings.metrics, reader) {
            let exporter = otlp::metrics(otlp)?;
            telemetry.pushing = Some(push::start(reader, exporter, settings.metrics_every));
        }
        if let Some(otlp) = &settings.traces {
            let exporter = otlp::spans(otlp, &resource)?;
            let (queue, exporting) = trace::start(exporter, settings.batch, &telemetry.metrics);
            telemetry.exporting = Some(exporting);
            telemetry.tracer = Tracer::new(trace::Recorder {
                sampler: settings.sampler,
                queue,
            });
        }
        Ok(telemetry)
    }

    /// Returns the metrics.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Returns what makes spans.
    #[must_use]
    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    /// Sends what is left, for 2 s at most: to be called when everything else has ended.
    pub async fn finish(self) {
        let spans = async {
            if let Some(exporting) = self.exporting {
                exporting.finish(LAST_WORDS).await;
            }
        };
        let figures = async {
            if let Some(pushing) = self.pushing {
                pushing.finish(LAST_WORDS).await;
            }
        };
        tokio::join!(spans, figures);
    }
}

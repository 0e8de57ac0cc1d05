//! What sends spans and metrics to a collector, as the configuration says.

use std::{collections::HashMap, fs};

use anyhow::Context as _;
use config::{Otlp, Protocol, Telemetry};
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use lifecycle::entropy;
use opentelemetry::KeyValue;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{
    Compression, MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
    tonic_types::{
        metadata::MetadataMap,
        transport::{Certificate, ClientTlsConfig},
    },
};
use opentelemetry_sdk::{Resource, resource::TelemetryResourceDetector, trace::SpanExporter as _};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Describes the process to whoever sees its spans and metrics.
pub(crate) fn resource(service: &'static str, settings: &Telemetry) -> Resource {
    let own = format!("posthorn-{service}");
    let attributes = settings
        .resource
        .iter()
        .map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let named = settings
        .resource
        .iter()
        .find(|(name, _)| name == "service.name")
        .map(|(_, value)| value.clone());
    let name = settings.service_name.clone().or(named).unwrap_or(own);
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", entropy::uuid_v7()))
        .with_attributes(attributes)
        .with_service_name(name)
        .build()
}

/// Makes what sends spans.
///
/// # Errors
/// A certificate that can't be read, or an endpoint that can't be used.
pub(crate) fn spans(otlp: &Otlp, resource: &Resource) -> anyhow::Result<SpanExporter> {
    let builder = SpanExporter::builder();
    let exporter = match otlp.protocol {
        Protocol::Grpc => over_grpc(builder.with_tonic(), otlp)?.build(),
        Protocol::HttpProtobuf => over_http(builder.with_http(), otlp)?.build(),
    };
    let mut exporter = exporter.context("make the exporter of spans")?;
    exporter.set_resource(resource);
    Ok(exporter)
}

/// Makes what sends metrics.
///
/// # Errors
/// As [`spans`].
pub(crate) fn metrics(otlp: &Otlp) -> anyhow::Result<MetricExporter> {
    let builder = MetricExporter::builder();
    let exporter = match otlp.protocol {
        Protocol::Grpc => over_grpc(builder.with_tonic(), otlp)?.build(),
        Protocol::HttpProtobuf => over_http(builder.with_http(), otlp)?.build(),
    };
    exporter.context("make the exporter of metrics")
}

fn over_grpc<B>(builder: B, otlp: &Otlp) -> anyhow::Result<B>
where
    B: WithExportConfig + WithTonicConfig,
{
    let mut headers = HeaderMap::new();
    for (name, value) in &otlp.headers {
        let name: HeaderName = name
            .parse()
            .context("a name in OTEL_EXPORTER_OTLP_HEADERS")?;
        // The value may be secret, and so may be what is wrong with it.
        let value = HeaderValue::from_str(value.expose());
        let mut value = value
            .ok()
            .context("a value in OTEL_EXPORTER_OTLP_HEADERS")?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let mut builder = builder
        .with_endpoint(otlp.endpoint.as_str())
        .with_timeout(otlp.timeout)
        .with_metadata(MetadataMap::from_headers(headers));
    if otlp.gzip {
        builder = builder.with_compression(Compression::Gzip);
    }
    if otlp.endpoint.starts_with("https:") {
        builder = builder.with_tls_config(grpc_tls(otlp)?);
    }
    Ok(builder)
}

fn grpc_tls(otlp: &Otlp) -> anyhow::Result<ClientTlsConfig> {
    let tls = ClientTlsConfig::new().with_enabled_roots();
    let Some(path) = &otlp.certificate else {
        return Ok(tls);
    };
    let pem = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(tls.ca_certificate(Certificate::from_pem(pem)))
}

fn over_http<B>(builder: B, otlp: &Otlp) -> anyhow::Result<B>
where
    B: WithExportConfig + WithHttpConfig,
{
    let headers: HashMap<String, String> = otlp
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.expose().to_owned()))
        .collect();
    let client = HyperClient::new(connector(otlp)?, otlp.timeout, None);
    let builder = builder
        .with_endpoint(otlp.endpoint.as_str())
        .with_timeout(otlp.timeout)
        .with_http_client(client)
        .with_headers(headers);
    Ok(if otlp.gzip {
        builder.with_compression(Compression::Gzip)
    } else {
        builder
    })
}

fn connector(otlp: &Otlp) -> anyhow::Result<HttpsConnector<HttpConnector>> {
    let mut roots = RootCertStore::empty();
    if otlp.endpoint.starts_with("https:") {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
    }
    if let Some(path) = &otlp.certificate {
        for certificate in CertificateDer::pem_file_iter(path)
            .with_context(|| format!("read {}", path.display()))?
        {
            let certificate = certificate.with_context(|| format!("read {}", path.display()))?;
            roots
                .add(certificate)
                .context("use the collector's certificate")?;
        }
    }
    let tls = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .context("prepare TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build())
}

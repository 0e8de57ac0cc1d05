//! What a process tells its operators over HTTP: `/live`, `/ready`, `/metrics`, `/log-filter`.

use std::{fmt::Display, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{ConnectInfo, Request},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::json;

use crate::readiness::Readiness;

#[cfg(test)]
mod tests;

/// The media type of the Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// How long directives for the log may be.
const LOG_FILTER_MAX_BYTES: usize = 4096;

/// Makes the routes.
///
/// `set_log_filter` gets the directives; its error is shown to the caller. Since a filter can
/// flood the log, only callers on the machine itself may set it, who come past no proxy.
pub fn router<M, G, S, E>(
    readiness: Readiness,
    render_metrics: M,
    log_filter: G,
    set_log_filter: S,
) -> Router
where
    M: Fn() -> String + Send + Sync + 'static,
    G: Fn() -> String + Send + Sync + 'static,
    S: Fn(&str) -> Result<(), E> + Send + Sync + 'static,
    E: Display + 'static,
{
    let metrics = Arc::new(render_metrics);
    let current = Arc::new(log_filter);
    let set = Arc::new(set_log_filter);
    Router::new()
        .route("/live", get(async || StatusCode::OK))
        .route("/ready", get(async move || ready(&readiness)))
        .route(
            "/metrics",
            get(async move || ([(CONTENT_TYPE, METRICS_TYPE)], metrics())),
        )
        .route(
            "/log-filter",
            get(async move || current()).put(async move |request: Request| {
                if is_local(&request) {
                    put_log_filter(request, &*set).await
                } else {
                    let reason = "may be set from the machine itself only";
                    refused(StatusCode::FORBIDDEN, "FORBIDDEN", reason)
                }
            }),
        )
}

fn ready(readiness: &Readiness) -> Response {
    let waiting: Vec<_> = readiness
        .waiting_for()
        .into_iter()
        .map(|waiting| json!({ "name": waiting.name, "reason": waiting.reason }))
        .collect();
    let status = if waiting.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({ "ready": waiting.is_empty(), "waitingFor": waiting });
    (status, Json(body)).into_response()
}

async fn put_log_filter<E: Display>(
    request: Request,
    set: &(dyn Fn(&str) -> Result<(), E> + Send + Sync),
) -> Response {
    let Ok(bytes) = to_bytes(request.into_body(), LOG_FILTER_MAX_BYTES).await else {
        let reason = format!("body: must be at most {LOG_FILTER_MAX_BYTES} bytes");
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", &reason);
    };
    let directives = String::from_utf8_lossy(&bytes);
    match set(directives.trim()) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refused(
            StatusCode::BAD_REQUEST,
            "BAD_REQUEST",
            &format!("body: {error}"),
        ),
    }
}

/// Answers in the form that errors have on all other paths.
fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let data = json!({ "httpStatus": status.as_u16(), "path": "putLogFilter" });
    let body = json!({ "message": message, "code": code, "data": data });
    (status, Json(body)).into_response()
}

/// Returns whether a request comes from the machine itself, such as through `kubectl
/// port-forward`. A request without a known peer does not.
fn is_local(request: &Request) -> bool {
    let proxied = |headers: &HeaderMap| {
        ["forwarded", "x-forwarded-for", "via"]
            .iter()
            .any(|name| headers.contains_key(*name))
    };
    request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback())
        && !proxied(request.headers())
}

//! The span of a request, how long it took, and the trace that it belongs to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::Response,
};
use domain::trace::TraceParent;
use http::{HeaderMap, Method, StatusCode, request::Parts};
use telemetry::{
    Histogram, KeyValue, Metrics, Tracer, attribute,
    trace::{Kind, Origin, Span},
};

/// Seconds, from what memory answers to what a test send takes.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0,
];

/// The span of a request, for whoever answers it.
#[derive(Debug, Clone)]
struct Current {
    context: TraceParent,
    /// Whether somebody with a live token calls.
    vouched_for: Arc<AtomicBool>,
}

#[derive(Debug, Clone)]
struct Watch {
    tracer: Tracer,
    duration: Histogram<f64>,
}

/// Takes the time of each request to the routes of a service, and records its span if its caller wants one.
pub(crate) fn watched(router: Router, tracer: &Tracer, metrics: &Metrics) -> Router {
    // A router without routes takes no layer.
    if !router.has_routes() {
        return router;
    }
    let watch = Watch {
        tracer: tracer.clone(),
        duration: metrics
            .meter()
            .f64_histogram("posthorn_http_request_duration")
            .with_unit("s")
            .with_description("How long requests take, by method, route and class of status.")
            .with_boundaries(SECONDS.to_vec())
            .build(),
    };
    router.route_layer(middleware::from_fn_with_state(watch, watch_one))
}

/// Returns the span that everything belongs below that a request leads to: the request's own, or the
/// caller's, or the root of a new trace.
#[must_use]
pub fn context(parts: &Parts) -> TraceParent {
    match parts.extensions.get::<Current>() {
        Some(current) => current.context,
        None => Tracer::default()
            .begin(Kind::Server, "request", origin(&parts.headers))
            .context(),
    }
}

/// Notes that the caller has a live token.
///
/// Without one a request leaves no span: anybody may send as many as they like, each
/// with a `traceparent` that asks for a record, and those of callers with a token would find no room.
pub fn vouch(parts: &Parts) {
    if let Some(current) = parts.extensions.get::<Current>() {
        current.vouched_for.store(true, Ordering::Relaxed);
    }
}

async fn watch_one(State(watch): State<Watch>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = method(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("", MatchedPath::as_str).to_owned();
    let mut span = (watch.tracer).begin(Kind::Server, "request", origin(request.headers()));
    describe(&mut span, method, &route);
    let vouched_for = Arc::new(AtomicBool::new(false));
    request.extensions_mut().insert(Current {
        context: span.context(),
        vouched_for: Arc::clone(&vouched_for),
    });
    let response = next.run(request).await;
    let status = response.status();
    span.set(attribute::HTTP_STATUS, i64::from(status.as_u16()));
    if status.is_server_error() {
        // As the conventions have it, a refusal is no error of the server's.
        span.fail(status.as_u16().to_string());
    }
    if !vouched_for.load(Ordering::Relaxed) {
        span.discard();
    }
    let labels = [
        KeyValue::new("method", method),
        KeyValue::new("route", route),
        KeyValue::new("status", class(status)),
    ];
    (watch.duration).record(begun.elapsed().as_secs_f64(), &labels);
    response
}

/// Describes a request by its route: in a path may stand anything, a secret included.
fn describe(span: &mut Span, method: &'static str, route: &str) {
    span.rename(|| format!("{method} {route}"));
    span.describe(|| {
        [
            KeyValue::new(attribute::HTTP_METHOD, method),
            KeyValue::new(attribute::HTTP_ROUTE, route.to_owned()),
            KeyValue::new(attribute::URL_SCHEME, "http"),
        ]
    });
}

/// Returns a method's name; of those that nobody knows there may be any number.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

fn origin(headers: &HeaderMap) -> Origin {
    let parent = headers.get("traceparent");
    Origin::of(parent.and_then(|value| value.to_str().ok()))
}

/// Returns the class of a status, of which there are few.
fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500.. => "5xx",
    }
}

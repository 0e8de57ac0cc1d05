//! The span of a request, and the trace that a request belongs to.

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::Response,
};
use domain::trace::TraceParent;
use http::{HeaderMap, Method, request::Parts};
use telemetry::{
    KeyValue, Tracer, attribute,
    trace::{Kind, Origin, Span},
};

/// The span of a request, for whoever answers it.
#[derive(Debug, Clone, Copy)]
struct Current(TraceParent);

/// Records a span for each request to the routes of a service, as the caller's `traceparent` wants it.
pub(crate) fn traced(router: Router, tracer: &Tracer) -> Router {
    // Without spans, a request passes through no more than it must. A router without routes takes no layer.
    if !tracer.is_on() || !router.has_routes() {
        return router;
    }
    router.route_layer(middleware::from_fn_with_state(tracer.clone(), trace))
}

/// Returns the span that everything belongs below that a request leads to: the request's own, or the
/// caller's, or the root of a new trace.
#[must_use]
pub fn context(parts: &Parts) -> TraceParent {
    match parts.extensions.get::<Current>() {
        Some(Current(context)) => *context,
        None => Tracer::default()
            .begin(Kind::Server, "request", origin(&parts.headers))
            .context(),
    }
}

async fn trace(State(tracer): State<Tracer>, mut request: Request, next: Next) -> Response {
    let mut span = tracer.begin(Kind::Server, "request", origin(request.headers()));
    describe(&mut span, &request);
    request.extensions_mut().insert(Current(span.context()));
    let response = next.run(request).await;
    let status = response.status();
    span.set(attribute::HTTP_STATUS, i64::from(status.as_u16()));
    if status.is_server_error() {
        // As the conventions have it, a refusal is no error of the server's.
        span.fail(status.as_u16().to_string());
    }
    response
}

fn describe(span: &mut Span, request: &Request) {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("", MatchedPath::as_str);
    let method = method(request.method());
    span.rename(|| format!("{method} {route}"));
    span.describe(|| {
        [
            KeyValue::new(attribute::HTTP_METHOD, method),
            KeyValue::new(attribute::HTTP_ROUTE, route.to_owned()),
            KeyValue::new(attribute::URL_PATH, request.uri().path().to_owned()),
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

//! Pages as answers, with the headers that keep browsers from doing more than showing them.

use askama::Template;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::failure::Failure;

/// A page loads from its own host alone, runs and applies only what is in files, and is in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What every page and every redirect is answered with.
pub(super) const GUARDS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    // Pages show secrets and other people's data: none is left in a cache.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Answers with a page.
pub(super) fn page(template: &impl Template) -> Result<Response, Failure> {
    page_with(StatusCode::OK, template)
}

/// As [`page`], with another status.
pub(super) fn page_with(status: StatusCode, template: &impl Template) -> Result<Response, Failure> {
    let text = template
        .render()
        .map_err(|error| Failure::internal(&error))?;
    Ok((status, GUARDS, Html(text)).into_response())
}

/// Sends the browser to another page after something was done.
pub(super) fn see(address: &str) -> Response {
    (GUARDS, Redirect::to(address)).into_response()
}

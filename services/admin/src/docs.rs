//! The description of the API: as a document for programs, and as a page for people. Both are made of the
//! document that is committed, hold nothing of an installation, and so need no token.

mod page;

use anyhow::Context as _;
use axum::{Router, response::IntoResponse, routing::get};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

/// Generated from the operations of all services, ingest's among them; a test tells when it is out of date.
const DOCUMENT: &str = include_str!("../openapi.json");
const STYLE: &str = include_str!("docs/style.css");
const JSON: &str = "application/json";
const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
/// The page loads its style from here and nothing else from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Headers that keep browsers from doing more than showing what they get.
const GUARDS: [(HeaderName, HeaderValue); 4] = [
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
        HeaderValue::from_static("no-referrer"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

/// Returns the routes of the description.
///
/// # Errors
/// When the document that was built in is none.
pub(crate) fn routes() -> anyhow::Result<Router> {
    let document = serde_json::from_str(DOCUMENT).context("read openapi.json")?;
    let page = Bytes::from(page::render(&document));
    let shown = move || {
        let page = page.clone();
        async move { answer(HTML, page) }
    };
    Ok(Router::new()
        .route("/api/v2/docs", get(shown))
        .route(
            "/api/v2/docs/style.css",
            get(async || answer(CSS, Bytes::from_static(STYLE.as_bytes()))),
        )
        .route(
            "/api/v2/openapi.json",
            get(async || answer(JSON, Bytes::from_static(DOCUMENT.as_bytes()))),
        ))
}

fn answer(media_type: &'static str, text: Bytes) -> impl IntoResponse {
    (GUARDS, [(header::CONTENT_TYPE, media_type)], text)
}

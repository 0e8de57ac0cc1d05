//! Asks the Admin API's handlers, in process: no socket, and no rule of its own.

use axum::body::Body;
use http::{HeaderValue, Method, Request, header};
use http_api::auth::TOKEN_HEADER;
use http_body_util::BodyExt as _;
use serde::{Serialize, de::DeserializeOwned};
use tower_service::Service as _;
use url::form_urlencoded;

use super::{failure::Failure, visit::Visit};
use crate::api::OfPage;

const BASE: &str = "/api/v2/admin";

/// What the API is asked for, before a method makes it an operation.
pub(super) struct Ask<'v> {
    visit: &'v Visit,
    path: String,
    query: Vec<(String, String)>,
    expected: Option<u64>,
}

/// A success of the API.
pub(super) struct Told {
    headers: http::HeaderMap,
    body: bytes::Bytes,
}

impl Visit {
    /// Begins to ask about the organisation of the visit; `path` comes with its parameters encoded.
    pub(super) fn ask(&self, path: impl AsRef<str>) -> Ask<'_> {
        let organisation = self.organisation().to_string();
        let query = vec![("organisationId".to_owned(), organisation)];
        Ask {
            visit: self,
            path: format!("{BASE}{}", path.as_ref()),
            query,
            expected: None,
        }
    }
}

impl Ask<'_> {
    /// Adds a parameter.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds parameters that are not empty: a form sends what was left out as empty texts.
    pub(super) fn with_given<'a>(
        self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        given.fold(self, |ask, (name, value)| ask.with(name, value))
    }

    /// Does it only if the thing still has that revision.
    pub(super) fn if_match(mut self, revision: u64) -> Self {
        self.expected = Some(revision);
        self
    }

    pub(super) async fn get(self) -> Result<Told, Failure> {
        self.send(Method::GET, Body::empty()).await
    }

    pub(super) async fn delete(self) -> Result<Told, Failure> {
        self.send(Method::DELETE, Body::empty()).await
    }

    pub(super) async fn post(self, body: &impl Serialize) -> Result<Told, Failure> {
        self.send(Method::POST, json(body)?).await
    }

    pub(super) async fn put(self, body: &impl Serialize) -> Result<Told, Failure> {
        self.send(Method::PUT, json(body)?).await
    }

    pub(super) async fn patch(self, body: &impl Serialize) -> Result<Told, Failure> {
        self.send(Method::PATCH, json(body)?).await
    }

    fn uri(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(&self.query).finish();
        format!("{}?{query}", self.path)
    }

    async fn send(self, method: Method, body: Body) -> Result<Told, Failure> {
        let uri = self.uri();
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(TOKEN_HEADER, self.visit.credential().clone())
            .header(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
        if let Some(revision) = self.expected {
            request = request.header(header::IF_MATCH, format!("\"{revision}\""));
        }
        let mut request = request
            .body(body)
            .map_err(|error| Failure::internal(&error))?;
        request.extensions_mut().insert(OfPage);
        let mut api = self.visit.panel().api.clone();
        let Ok(response) = api.call(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await;
        let body = body.map_err(|error| Failure::internal(&error))?.to_bytes();
        if parts.status == http::StatusCode::UNAUTHORIZED {
            return Err(Failure::SignedOut);
        }
        if !parts.status.is_success() {
            return Err(Failure::of_answer(&parts, &body));
        }
        Ok(Told {
            headers: parts.headers,
            body,
        })
    }
}

impl Told {
    /// Reads the answer.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| Failure::internal(&error))
    }

    /// Returns how many there are on all pages, of answers that tell it in a header.
    pub(super) fn total(&self) -> u64 {
        let total = self.headers.get("x-total-count");
        let total = total.and_then(|total| total.to_str().ok()?.parse().ok());
        total.unwrap_or(0)
    }
}

fn json(body: &impl Serialize) -> Result<Body, Failure> {
    let text = serde_json::to_vec(body).map_err(|error| Failure::internal(&error))?;
    Ok(text.into())
}

/// Encodes an id for a path: as in a query, with spaces as `%20`.
pub(super) fn segment(id: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
    encoded.replace('+', "%20")
}

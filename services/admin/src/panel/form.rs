//! Forms as browsers send them.

use axum::body::Body;
use http::{HeaderMap, StatusCode, header, request::Parts};
use url::form_urlencoded;

use super::{COUNTED_AS, failure::Failure};

/// The most bytes of a form.
const FORM_MAX_BYTES: usize = 1024 * 1024;
/// The most fields of a form: the event picker has two for each event type.
const FIELDS_MAX: usize = 5_000;

/// Names with their values, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Pairs(Vec<(String, String)>);

/// The fields of a form.
pub(super) type Form = Pairs;

impl Pairs {
    /// Reads a query, or the body of a form.
    pub(super) fn parse(text: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(text).into_owned();
        Self(pairs.take(FIELDS_MAX).collect())
    }

    /// Reads the body of a form.
    pub(super) async fn read(parts: &Parts, body: Body) -> Result<Self, Failure> {
        check_type(&parts.headers)?;
        let body = http_api::body::read_any(parts, body, FORM_MAX_BYTES, COUNTED_AS).await;
        Ok(Self::parse(&body.map_err(Failure::of)?))
    }

    /// Returns the first value of that name; empty if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        let named = self.0.iter().find(|(own, _)| own == name);
        named.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Returns all values of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(own, _)| own == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Returns values of names that begin so, with the rest of the name.
    pub(super) fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let under = self.0.iter();
        under.filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }

    /// Returns whether a box of that name is ticked.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Writes the fields that are given and have these names, as a query.
    pub(super) fn query_of(&self, names: &[&str]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in names {
            let value = self.text(name);
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Failure> {
    let given = headers.get(header::CONTENT_TYPE);
    let given = given
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if given.starts_with("application/x-www-form-urlencoded") {
        return Ok(());
    }
    let message = "The body must be a form.";
    Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

#[cfg(test)]
mod fuzz;

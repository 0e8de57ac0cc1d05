//! What goes wrong, as a page that says what to do.

use std::fmt::Display;

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_api::problem::Problem;
use serde::Deserialize;

use super::{COUNTED_AS, ROOT, answer, assets};

/// Tells htmx to leave the page.
const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

/// Why a page can't be shown.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody is signed in, or not any more.
    SignedOut,
    /// As [`Failure::SignedOut`], found out by a part of a page that renews itself.
    PartSignedOut,
    /// The API refuses, in its words.
    Refused {
        status: StatusCode,
        message: String,
        retry_after: Option<HeaderValue>,
    },
}

/// The API's form of an error, as far as a page tells of it.
#[derive(Deserialize)]
struct Envelope {
    message: String,
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    version: &'a str,
    title: &'a str,
    message: &'a str,
    advice: &'a str,
}

impl Failure {
    /// Makes one of what the panel finds wrong itself.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Refused {
            status,
            message: message.into(),
            retry_after: None,
        }
    }

    /// Logs the cause and tells nothing of it.
    pub(super) fn internal(cause: &impl Display) -> Self {
        Self::of(Problem::internal(COUNTED_AS, cause))
    }

    /// Makes one of a problem.
    pub(super) fn of(problem: Problem) -> Self {
        let status = problem.code().status();
        let message = problem.message().to_owned();
        let response = problem.into_response();
        Self::refused(status, message, &response)
    }

    /// Makes one of an answer of the API that is no success.
    pub(super) fn of_answer(response: &http::response::Parts, body: &[u8]) -> Self {
        let message = serde_json::from_slice(body).map_or_else(
            |_error| response.status.to_string(),
            |Envelope { message }| message,
        );
        Self::Refused {
            status: response.status,
            message,
            retry_after: response.headers.get(header::RETRY_AFTER).cloned(),
        }
    }

    /// Returns what to say on the form that the visitor filled in, if it is about that.
    pub(super) fn in_form(self) -> Result<String, Self> {
        match self {
            Self::Refused {
                status: StatusCode::BAD_REQUEST | StatusCode::CONFLICT,
                message,
                ..
            } => Ok(message),
            Self::SignedOut | Self::PartSignedOut | Self::Refused { .. } => Err(self),
        }
    }

    fn refused(status: StatusCode, message: String, response: &Response) -> Self {
        Self::Refused {
            status,
            message,
            retry_after: response.headers().get(header::RETRY_AFTER).cloned(),
        }
    }
}

/// Says what it is called and what to do about it.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::FORBIDDEN => (
            "Your token may not do this",
            "Ask an admin of your organisation for it, or sign in with a token of another role.",
        ),
        StatusCode::NOT_FOUND => (
            "There is nothing here",
            "It may have been deleted, or belongs to another organisation. Go back to the start and look for it there.",
        ),
        StatusCode::CONFLICT => (
            "This can't be done as things are",
            "Go back, load the page again, and look at what has changed.",
        ),
        StatusCode::TOO_MANY_REQUESTS => (
            "Too much at once",
            "Wait a few seconds, then load the page again.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "Not possible at the moment",
            "Load the page again in a few seconds. What you did is safe to repeat.",
        ),
        status if status.is_server_error() => (
            "Something went wrong",
            "Try again. If it stays like this, whoever runs this installation finds the cause in the admin service's log.",
        ),
        _ => (
            "This can't be done",
            "Go back and correct what is named above.",
        ),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, message, retry_after) = match self {
            Self::SignedOut => return answer::see(&format!("{ROOT}sign-in")),
            Self::PartSignedOut => {
                let leave = [(HX_REDIRECT, format!("{ROOT}sign-in"))];
                return (StatusCode::UNAUTHORIZED, answer::GUARDS, leave).into_response();
            }
            Self::Refused {
                status,
                message,
                retry_after,
            } => (status, message, retry_after),
        };
        let (title, advice) = words(status);
        let page = FailurePage {
            version: &assets::VERSION,
            title,
            message: &message,
            advice,
        };
        let mut response = match page.render() {
            Ok(text) => (status, answer::GUARDS, axum::response::Html(text)).into_response(),
            Err(error) => Problem::internal(COUNTED_AS, &error).into_response(),
        };
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

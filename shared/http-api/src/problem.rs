//! The one form of error on every path, and how each code becomes a status.

use std::{borrow::Cow, fmt::Display, time::Duration};

use axum::{
    Json, Router,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use serde::Serialize;

use crate::rate_limit::TooMuch;

mod wording;

#[cfg(test)]
mod tests;

/// How long a caller should wait before it asks again, if nothing else is known.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The headers that tell of a limit: things a second, how many are left, and seconds until one is.
const RATE_LIMIT: [HeaderName; 3] = [
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];
/// How much of an unknown path is repeated in the answer.
const PATH_MAX_CHARS: usize = 200;
/// How long a message may be: parts of it are what the caller sent.
const MESSAGE_MAX_CHARS: usize = 300;

/// What went wrong, as callers may branch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ProblemCode)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// 400.
    BadRequest,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 409.
    Conflict,
    /// 413.
    PayloadTooLarge,
    /// 415.
    UnsupportedMediaType,
    /// 429.
    TooManyRequests,
    /// 500.
    InternalServerError,
    /// 503.
    ServiceUnavailable,
}

impl Code {
    /// Returns the status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// An error as the caller sees it. The message names the field and holds no internals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    message: String,
    path: Cow<'static, str>,
    retry_after: Duration,
    /// The limit that was exceeded, in things a second.
    limit: Option<u32>,
}

impl Problem {
    /// Makes a problem of an operation, such as `putWebhookConfigs`. A long message is cut.
    pub fn new(
        code: Code,
        operation: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: cut(message.into()),
            path: operation.into(),
            retry_after: RETRY_AFTER,
            limit: None,
        }
    }

    /// 400: the request is wrong; the message says where.
    pub fn bad_request(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, operation, message)
    }

    /// 400: a request can't be read as what it must be. Names the field, and repeats no string that
    /// was sent; `whole` is what a fault of no field in particular is about.
    pub(crate) fn unreadable<E: Display>(
        operation: &'static str,
        whole: &str,
        error: &serde_path_to_error::Error<E>,
    ) -> Self {
        Self::bad_request(
            operation,
            wording::fault(whole, error.path(), error.inner()),
        )
    }

    /// 401: the caller is unknown.
    pub fn unauthorized(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::Unauthorized, operation, message)
    }

    /// 403: the caller is known and may not.
    pub fn forbidden(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, operation, message)
    }

    /// 404: there is no such thing, as far as the caller may know.
    pub fn not_found(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, operation, message)
    }

    /// 409: somebody else was faster.
    pub fn conflict(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::Conflict, operation, message)
    }

    /// 413: the body is larger than allowed.
    pub fn payload_too_large(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::PayloadTooLarge, operation, message)
    }

    /// 415: the body is of another media type.
    pub fn unsupported_media_type(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::UnsupportedMediaType, operation, message)
    }

    /// 429: the caller is too fast.
    pub fn too_many_requests(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::TooManyRequests, operation, message)
    }

    /// 429: a limit is exceeded; says when there is something left of it again. What is counted are
    /// `things`, such as requests.
    pub(crate) fn rate_limited(
        operation: &'static str,
        too_much: TooMuch,
        things: &'static str,
    ) -> Self {
        let TooMuch {
            whose,
            per_second,
            wait,
        } = too_much;
        let message =
            format!("the {whose} may send {per_second} {things} a second: try again later");
        Self {
            retry_after: wait,
            limit: Some(per_second),
            ..Self::too_many_requests(operation, message)
        }
    }

    /// 503: the same request may succeed later.
    pub fn unavailable(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::ServiceUnavailable, operation, message)
    }

    /// 500: logs the cause, with the chain of an `anyhow` error, and tells the caller nothing of it.
    pub fn internal(operation: &'static str, cause: &impl Display) -> Self {
        tracing::error!(operation, "request failed: {cause:#}");
        Self::new(
            Code::InternalServerError,
            operation,
            "Internal server error",
        )
    }

    /// Returns the code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// Returns the message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

fn cut(message: String) -> String {
    if message.len() <= MESSAGE_MAX_CHARS || message.chars().nth(MESSAGE_MAX_CHARS).is_none() {
        return message;
    }
    let kept = message.chars().take(MESSAGE_MAX_CHARS - 1);
    kept.chain(['…']).collect()
}

/// What went wrong.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Envelope<'a> {
    /// For people; names the field.
    message: &'a str,
    /// For programs.
    code: Code,
    data: Data<'a>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ProblemData)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    http_status: u16,
    /// The name of the operation, or the path that no operation has.
    path: &'a str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let envelope = Envelope {
            message: &self.message,
            code: self.code,
            data: Data {
                http_status: status.as_u16(),
                path: &self.path,
            },
        };
        let mut response = (status, Json(envelope)).into_response();
        match self.code {
            Code::ServiceUnavailable | Code::TooManyRequests => {
                let headers = response.headers_mut();
                let seconds = whole_seconds(self.retry_after);
                headers.insert(header::RETRY_AFTER, seconds.into());
                if let Some(limit) = self.limit {
                    let values = [u64::from(limit), 0, seconds];
                    for (name, value) in RATE_LIMIT.into_iter().zip(values) {
                        headers.insert(name, value.into());
                    }
                }
            }
            Code::Unauthorized => {
                let scheme = HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, scheme);
            }
            Code::BadRequest
            | Code::Forbidden
            | Code::NotFound
            | Code::MethodNotAllowed
            | Code::Conflict
            | Code::PayloadTooLarge
            | Code::UnsupportedMediaType
            | Code::InternalServerError => {}
        }
        response
    }
}

/// Rounds up: who comes a moment too early would be refused again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Gives every path that no route takes, and every method that a route doesn't take, the form of
/// error of all others. To be called last, when all routes are there.
pub fn with_fallbacks(router: Router) -> Router {
    router
        .fallback(async |uri: Uri| Problem::new(Code::NotFound, path(&uri), "Not found"))
        .method_not_allowed_fallback(async |uri: Uri| {
            Problem::new(Code::MethodNotAllowed, path(&uri), "Method not allowed")
        })
}

/// Returns the path that an error is told of when it belongs to no operation.
pub(crate) fn path(uri: &Uri) -> String {
    uri.path().chars().take(PATH_MAX_CHARS).collect()
}

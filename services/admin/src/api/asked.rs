//! What the operations share that ask for an attempt.

use axum::{
    Json,
    body::Body,
    response::{IntoResponse as _, Response},
};
use domain::{job::Job, name::JobId};
use http::{StatusCode, request::Parts};
use http_api::{
    body::{self, Object},
    problem::Problem,
};
use serde::{Deserialize, Serialize};

use crate::api::BODY_MAX_BYTES;

/// What may be asked for.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RetryOptions {
    /// Whether the retry policy starts anew; else it is one attempt.
    #[serde(default)]
    with_retries: bool,
}

/// The attempt that will be made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AcceptedAttempt)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttemptView<'a> {
    job_id: &'a JobId,
    attempt: u32,
}

/// Reads whether the policy is to start anew; without a body, or with `null`, it is not.
pub(super) async fn with_retries(
    parts: &Parts,
    body: Body,
    operation: &'static str,
) -> Result<bool, Problem> {
    let body = body::read(parts, body, BODY_MAX_BYTES, operation).await?;
    if body.trim_ascii().is_empty() {
        return Ok(false);
    }
    let wanted = body::json::<Option<Object<RetryOptions>>>(&body, operation)?;
    Ok(wanted.is_some_and(|Object(wanted)| wanted.with_retries))
}

/// Answers with the attempt that will be made.
pub(super) fn accepted(job: &Job) -> Response {
    let view = AttemptView {
        job_id: &job.id,
        attempt: job.attempt,
    };
    (StatusCode::ACCEPTED, Json(view)).into_response()
}

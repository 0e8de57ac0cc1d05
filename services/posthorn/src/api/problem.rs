//! What is said when the API refuses: its own words, and what to do.

use std::time::Duration;

use http::{StatusCode, header};
use serde::Deserialize;
use url::Url;

use crate::{failure::Failure, output::plain, transport::Answer};

/// The longest wait that is not worth a word.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// How much is shown of an answer that is not the API's.
const SHOWN_CHARS: usize = 200;

/// The form of error on every path of the API.
#[derive(Debug, Deserialize)]
struct Problem {
    message: String,
    code: String,
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    path: String,
}

/// Returns how long the API wants us to wait before the same is asked again, which it has not looked at.
pub(super) fn wait(answer: &Answer) -> Option<Duration> {
    if answer.status != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let asked = answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let wait = Duration::from_secs(asked.parse().ok()?);
    (wait <= WAIT_MAX).then_some(wait)
}

/// Returns the failure that an answer with no good status is.
pub(super) fn failure(answer: &Answer, base: &Url) -> Failure {
    let said = match serde_json::from_slice::<Problem>(&answer.body) {
        Ok(problem) => format!(
            "{} ({}, {})",
            plain(&problem.message),
            plain(&problem.code),
            plain(&problem.data.path)
        ),
        Err(_other_form) => {
            let body = String::from_utf8_lossy(&answer.body);
            let body: String = body.chars().take(SHOWN_CHARS).collect();
            format!("{base} answers {}: {}", answer.status, plain(body.trim()))
        }
    };
    let message = match advice(answer.status, &said) {
        Some(advice) => format!("{said}\n{advice}"),
        None => said,
    };
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Failure::Unavailable(message),
        _ => Failure::Failed(message),
    }
}

fn advice(status: StatusCode, said: &str) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => Some("check POSTHORN_TOKEN or --token-file"),
        StatusCode::FORBIDDEN => Some("use a token of another role"),
        StatusCode::BAD_REQUEST if said.starts_with("organisationId: ") => {
            Some("name the organisation by --organisation or POSTHORN_ORGANISATION")
        }
        StatusCode::CONFLICT if said.contains("changed") => Some("read it again and repeat"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::failure;
    use crate::{failure::Failure, transport::Answer};

    fn said(status: StatusCode, body: &'static str) -> Failure {
        let answer = Answer {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
        };
        failure(&answer, &"http://a/".parse().unwrap())
    }

    #[test]
    fn the_apis_words_are_told_with_their_code_and_operation() {
        let body = r#"{"message":"[2].url: must be https","code":"BAD_REQUEST",
            "data":{"httpStatus":400,"path":"putWebhookConfigs"}}"#;
        let unknown = r#"{"message":"token: is unknown","code":"UNAUTHORIZED",
            "data":{"httpStatus":401,"path":"listTokens"}}"#;

        assert_eq!(
            said(StatusCode::BAD_REQUEST, body),
            Failure::Failed("[2].url: must be https (BAD_REQUEST, putWebhookConfigs)".to_owned())
        );
        assert_eq!(
            said(StatusCode::UNAUTHORIZED, unknown),
            Failure::Failed(
                "token: is unknown (UNAUTHORIZED, listTokens)\ncheck POSTHORN_TOKEN or --token-file"
                    .to_owned()
            )
        );
    }

    #[test]
    fn what_may_work_later_is_unavailable_and_another_server_is_shown() {
        assert_eq!(
            said(StatusCode::BAD_GATEWAY, "<html>\u{1b}[2J"),
            Failure::Unavailable("http://a/ answers 502 Bad Gateway: <html>\\u{1b}[2J".to_owned())
        );
    }
}

//! The form of errors.

use axum::{
    Router,
    body::Body,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower_service::Service as _;

use super::{Code, Problem, with_fallbacks};

const ALL: [(Code, u16, &str); 11] = [
    (Code::BadRequest, 400, "BAD_REQUEST"),
    (Code::Unauthorized, 401, "UNAUTHORIZED"),
    (Code::Forbidden, 403, "FORBIDDEN"),
    (Code::NotFound, 404, "NOT_FOUND"),
    (Code::MethodNotAllowed, 405, "METHOD_NOT_ALLOWED"),
    (Code::Conflict, 409, "CONFLICT"),
    (Code::PayloadTooLarge, 413, "PAYLOAD_TOO_LARGE"),
    (Code::UnsupportedMediaType, 415, "UNSUPPORTED_MEDIA_TYPE"),
    (Code::TooManyRequests, 429, "TOO_MANY_REQUESTS"),
    (Code::InternalServerError, 500, "INTERNAL_SERVER_ERROR"),
    (Code::ServiceUnavailable, 503, "SERVICE_UNAVAILABLE"),
];

#[tokio::test]
async fn the_body_is_the_envelope_to_the_byte() {
    let problem = Problem::bad_request("putWebhookConfigs", "[2].url: must be https");

    let response = problem.into_response();

    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(
        text(response).await,
        r#"{"message":"[2].url: must be https","code":"BAD_REQUEST","data":{"httpStatus":400,"path":"putWebhookConfigs"}}"#
    );
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let exact = "é".repeat(300);

    assert_eq!(
        Problem::bad_request("listTokens", exact.as_str()).message(),
        exact
    );
    let cut = Problem::bad_request("listTokens", "é".repeat(301));
    assert_eq!(cut.message(), format!("{}…", "é".repeat(299)));
}

#[tokio::test]
async fn every_code_has_its_status_and_name() {
    for (code, status, name) in ALL {
        let response = Problem::new(code, "listTokens", "no").into_response();

        let waits = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap());
        assert_eq!(waits, matches!(status, 429 | 503).then_some("1"), "{name}");
        assert_eq!(
            response.headers().contains_key("www-authenticate"),
            status == 401
        );
        assert_eq!(response.status(), status);
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body["code"], name);
        assert_eq!(body["data"]["httpStatus"], status);
    }
}

#[tokio::test]
async fn an_internal_error_tells_nothing_of_its_cause() {
    let problem = Problem::internal("listTokens", &anyhow::anyhow!("password=hunter2"));

    assert!(!text(problem.into_response()).await.contains("hunter2"));
}

#[tokio::test]
async fn unknown_paths_and_methods_answer_in_the_same_form() {
    let one = Router::new().route("/tokens", get(async || "tokens"));
    let other = Router::new().route("/live", get(async || "live"));
    let mut router = with_fallbacks(Router::new().nest("/api", one).merge(other));

    for (method, path, status, code) in [
        ("GET", "/nothing", StatusCode::NOT_FOUND, "NOT_FOUND"),
        ("GET", "/api/nothing", StatusCode::NOT_FOUND, "NOT_FOUND"),
        (
            "DELETE",
            "/api/tokens",
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
        ),
        (
            "PUT",
            "/live",
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
        ),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        let response = router.call(request).await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        let allow = response
            .headers()
            .get("allow")
            .map(|value| value.to_str().unwrap());
        assert_eq!(
            allow,
            (status == 405).then_some("GET,HEAD"),
            "{method} {path}"
        );
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body["code"], code);
        assert_eq!(body["data"]["path"], path);
    }
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

//! The probes' answers.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response, StatusCode},
};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use super::router;
use crate::Readiness;

#[tokio::test]
async fn live_is_answered_while_not_ready() {
    let readiness = Readiness::new(CancellationToken::new());
    let _latch = readiness.latch("broker");

    let (status, _) = get(probes(&readiness), "/live").await;

    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn ready_names_what_it_waits_for() {
    let readiness = Readiness::new(CancellationToken::new());
    let latch = readiness.latch("broker");

    let (status, body) = get(probes(&readiness), "/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        body,
        r#"{"ready":false,"waitingFor":[{"name":"broker","reason":"starting"}]}"#
    );

    latch.ready();
    let (status, body) = get(probes(&readiness), "/ready").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body, r#"{"ready":true,"waitingFor":[]}"#);
}

#[tokio::test]
async fn metrics_are_rendered_when_asked_for() {
    let readiness = Readiness::new(CancellationToken::new());

    let (status, body) = get(probes(&readiness), "/metrics").await;

    assert_eq!((status, body.as_str()), (StatusCode::OK, "posthorn_up 1\n"));
}

#[tokio::test]
async fn the_log_filter_is_read_and_set_from_the_machine_itself() {
    let probes = probes(&Readiness::new(CancellationToken::new()));

    let put = put_filter("127.0.0.1:4000", "debug\n");
    assert_eq!(send(&probes, put).await.0, StatusCode::NO_CONTENT);
    assert_eq!(get(probes.clone(), "/log-filter").await.1, "debug");

    let wrong = put_filter("127.0.0.1:4000", "loud");
    refused(&probes, wrong, 400, "BAD_REQUEST", "body: no filter").await;
    let large = put_filter("127.0.0.1:4000", &"x".repeat(4_097));
    let message = "body: must be at most 4096 bytes";
    refused(&probes, large, 413, "PAYLOAD_TOO_LARGE", message).await;
}

#[tokio::test]
async fn the_log_filter_is_not_set_from_elsewhere() {
    let probes = probes(&Readiness::new(CancellationToken::new()));
    let mut through_proxy = put_filter("[::1]:4000", "debug");
    through_proxy
        .headers_mut()
        .insert("x-forwarded-for", "192.0.2.1".parse().unwrap());
    let mut unknown = put_filter("[::1]:4000", "debug");
    unknown.extensions_mut().clear();

    for request in [
        put_filter("192.0.2.1:4000", "debug"),
        through_proxy,
        unknown,
    ] {
        let message = "may be set from the machine itself only";
        refused(&probes, request, 403, "FORBIDDEN", message).await;
    }
    assert_eq!(get(probes.clone(), "/log-filter").await.1, "info");
}

fn probes(readiness: &Readiness) -> Router {
    let filter = Arc::new(Mutex::new("info".to_owned()));
    let current = Arc::clone(&filter);
    router(
        readiness.clone(),
        || "posthorn_up 1\n".to_owned(),
        move || current.lock().clone(),
        move |text| {
            if text == "loud" {
                return Err("no filter");
            }
            text.clone_into(&mut filter.lock());
            Ok(())
        },
    )
}

async fn refused(probes: &Router, request: Request<Body>, status: u16, code: &str, message: &str) {
    let (answered, body) = send(probes, request).await;

    assert_eq!(answered.as_u16(), status);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let data = serde_json::json!({"httpStatus": status, "path": "putLogFilter"});
    let envelope = serde_json::json!({"message": message, "code": code, "data": data});
    assert_eq!(body, envelope);
}

fn put_filter(peer: &str, directives: &str) -> Request<Body> {
    let peer: SocketAddr = peer.parse().unwrap();
    Request::put("/log-filter")
        .extension(ConnectInfo(peer))
        .body(Body::from(directives.to_owned()))
        .unwrap()
}

async fn get(probes: Router, path: &str) -> (StatusCode, String) {
    send(&probes, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn send(probes: &Router, request: Request<Body>) -> (StatusCode, String) {
    let answer: Response<Body> = probes.clone().call(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

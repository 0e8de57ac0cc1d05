//! Limits of bodies, and where faults in JSON are said to be.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, request::Parts};
use http_body_util::StreamBody;
use hyper::body::{Frame, SizeHint};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{Object, PATIENCE, ROOM_PATIENCE, Room, json, read};
use crate::problem::{Code, Problem};

const OPERATION: &str = "putWebhookConfigs";

#[tokio::test]
async fn a_body_in_one_piece_is_not_copied() {
    let sent = Bytes::from_static(b"{\"a\":1}");

    let got = read_plain(Body::from(sent.clone()), 7).await.unwrap();

    assert_eq!(got.as_ptr(), sent.as_ptr());
    assert_eq!(got, sent);
}

#[tokio::test]
async fn pieces_are_put_together() {
    let body = pieces(&["{", "", "\"a\"", ":1}"]);

    assert_eq!(read_plain(body, 100).await.unwrap(), "{\"a\":1}");
    assert_eq!(read_plain(Body::empty(), 100).await.unwrap(), "");
}

#[tokio::test]
async fn one_byte_too_many_is_too_large_announced_or_not() {
    let announced = read_plain(Body::from("12345"), 4).await.unwrap_err();
    let counted = read_plain(pieces(&["12", "34", "5"]), 4).await.unwrap_err();

    assert_eq!(announced.code(), Code::PayloadTooLarge);
    assert_eq!(announced.message(), "body: must be at most 4 bytes");
    assert_eq!(counted, announced);
    assert_eq!(read_plain(pieces(&["12", "34"]), 4).await.unwrap(), "1234");
}

#[tokio::test]
async fn what_is_announced_as_too_large_is_not_read() {
    let problem = read_plain(Body::new(Unread), 4).await.unwrap_err();

    assert_eq!(problem.code(), Code::PayloadTooLarge);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_bad_request() {
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"{"))),
        Err(io::ErrorKind::ConnectionReset),
    ];
    let body = Body::new(StreamBody::new(Iterate(
        frames
            .map(|frame| frame.map_err(io::Error::from))
            .into_iter(),
    )));

    let problem = read_plain(body, 100).await.unwrap_err();

    assert_eq!(
        (problem.code(), problem.message()),
        (Code::BadRequest, "body: broke off")
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let started = tokio::time::Instant::now();

    let problem = read_plain(Body::new(Hanging { announced: 0 }), 100)
        .await
        .unwrap_err();
    assert_eq!(problem.message(), "body: must arrive within 30 s");
    assert_eq!(started.elapsed().as_secs(), PATIENCE.as_secs());

    let problem = read_plain(Body::new(Hanging { announced: 101 }), 100)
        .await
        .unwrap_err();
    assert_eq!(problem.code(), Code::PayloadTooLarge);
    assert_eq!(started.elapsed().as_secs(), PATIENCE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_body_takes_room_until_its_bytes_are_dropped() {
    let mut parts = parts();
    parts.extensions.insert(Room::new(8));
    let in_room = async |body: Body| read(&parts, body, 100, OPERATION).await;

    let first = in_room(Body::from("12345")).await.unwrap();
    let part = first.slice(1..2);
    drop(first);
    let started = tokio::time::Instant::now();
    let refused = in_room(pieces(&["12", "34"])).await.unwrap_err();
    let waited = started.elapsed();
    drop(part);
    let whole = in_room(pieces(&["12", "34", "5678"])).await.unwrap();

    assert_eq!(refused.code(), Code::ServiceUnavailable);
    assert_eq!(waited.as_secs(), ROOM_PATIENCE.as_secs());
    assert_eq!(whole, "12345678");
    let never = in_room(Body::from("123456789")).await.unwrap_err();
    assert_eq!(never.code(), Code::ServiceUnavailable);
}

#[tokio::test(start_paused = true)]
async fn who_has_taken_its_share_leaves_room_for_others() {
    let (room, share) = (Room::new(8), Arc::new(Semaphore::new(4)));
    let read_of = async |share: Option<&Arc<Semaphore>>, text: &'static str| {
        let (mut parts, room) = (parts(), room.of_a_stranger());
        share
            .into_iter()
            .for_each(|share| room.limit(Arc::clone(share)));
        parts.extensions.insert(room);
        read(&parts, Body::from(text), 100, OPERATION).await
    };

    let first = read_of(Some(&share), "123").await.unwrap();
    let second = read_of(Some(&share), "45").await.unwrap_err();
    let other = read_of(None, "45678").await.unwrap();
    drop((first, other));
    let again = read_of(Some(&share), "1234").await.unwrap();

    assert_eq!(second.code(), Code::ServiceUnavailable);
    assert_eq!(again, "1234");
}

#[tokio::test]
async fn only_json_is_taken() {
    for media_type in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/cloudevents+json",
    ] {
        assert_eq!(
            with_header("content-type", media_type).await.unwrap(),
            "{}",
            "{media_type}"
        );
    }
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "",
    ] {
        let problem = with_header("content-type", media_type).await.unwrap_err();
        assert_eq!(problem.code(), Code::UnsupportedMediaType, "{media_type}");
    }
    assert!(with_header("content-encoding", "identity").await.is_ok());
    let problem = with_header("content-encoding", "gzip").await.unwrap_err();
    assert_eq!(problem.message(), "content-encoding: must be left out");
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item<'a> {
    url: &'a str,
}

#[test]
fn json_may_borrow() {
    let items: Vec<Item<'_>> = json(br#" [{"url":"https://a"}] "#, OPERATION).unwrap();

    assert_eq!(items[0].url, "https://a");
}

#[test]
fn a_fault_in_json_names_its_place() {
    check("", "body: must not be empty");
    check(
        "[{\"url\":\"a\"},{\"url\":7}]",
        "[1].url: invalid type: integer `7`",
    );
    check(
        "[{\"uri\":\"a\"}]",
        "[0].uri: unknown field `uri`, expected `url`",
    );
    check("[{}]", "[0].url: is required");
    check("{", "body: invalid type: map");
    check("[{", "[0]: EOF while parsing an object");
    check("[7]", "[0]: invalid type: integer `7`");
    check("[", "body: EOF while parsing a list");
    check("[] x", "body: trailing characters");
}

#[test]
fn what_was_sent_is_not_repeated() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Role {
        Viewer,
    }
    #[derive(Debug, Deserialize)]
    struct Wanted {
        #[serde(rename = "limit")]
        _limit: u32,
        #[serde(rename = "role")]
        _role: Role,
    }
    let message = |text: &str| {
        let problem = json::<Object<Wanted>>(text.as_bytes(), OPERATION).unwrap_err();
        problem.message().to_owned()
    };

    let number = message(r#"{"limit":"se\"cret\", expected x"}"#);
    assert!(
        number.starts_with("limit: invalid type: string, expected u32 at line 1"),
        "{number}"
    );
    let role = message(r#"{"limit":1,"role":"a`, expected b"}"#);
    assert!(
        role.starts_with("role: unknown variant, expected `viewer`"),
        "{role}"
    );
    let name = format!("{{\"{}\":1,\"limit\":\"\"}}", "x".repeat(5_000));
    assert!(message(&name).chars().count() <= 300);
    assert_eq!(message("{}"), "limit: is required");
    for other in ["[1,\"viewer\"]", "\"secret\"", "7", "null"] {
        assert_eq!(message(other), "body: must be an object");
    }
}

fn check(text: &str, message: &str) {
    let problem = json::<Vec<Item<'_>>>(text.as_bytes(), OPERATION).unwrap_err();
    assert!(
        problem.message().starts_with(message),
        "{}",
        problem.message()
    );
}

async fn read_plain(body: Body, max_bytes: usize) -> Result<Bytes, Problem> {
    read(&parts(), body, max_bytes, OPERATION).await
}

async fn with_header(name: &'static str, value: &str) -> Result<Bytes, Problem> {
    let mut parts = parts();
    parts.headers.insert(name, value.parse().unwrap());
    read(&parts, Body::from("{}"), 10, OPERATION).await
}

fn parts() -> Parts {
    Request::new(()).into_parts().0
}

/// A body of several pieces whose length nobody announced.
fn pieces(texts: &[&'static str]) -> Body {
    let frames: Vec<_> = texts
        .iter()
        .map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from_static(text.as_bytes()))))
        .collect();
    Body::new(StreamBody::new(Iterate(frames.into_iter())))
}

/// A stream over an iterator.
struct Iterate<I>(I);

impl<I: Iterator + Unpin> futures::Stream for Iterate<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}

/// A body that never comes to an end.
struct Hanging {
    announced: u64,
}

impl hyper::body::Body for Hanging {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

/// A large body that must not be asked for.
struct Unread;

impl hyper::body::Body for Unread {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("asked for");
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(1_000)
    }
}

//! Reads bodies of requests, with their limits, and JSON out of them.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::time::timeout;

use crate::problem::Problem;

#[cfg(test)]
mod tests;

/// How long a whole body may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of a body that is too large is read and thrown away, so that a caller who sends
/// everything before it reads sees the answer, and no broken connection.
const DISCARD_MAX_BYTES: usize = 8 * 1024 * 1024;
/// How long throwing away may take.
const DISCARD_PATIENCE: Duration = Duration::from_secs(2);

/// Reads a body of JSON of at most `max_bytes`.
///
/// A body that comes in one piece is not copied.
///
/// # Errors
/// 415 for another media type than JSON (none is taken for JSON) or an encoded body; 413 for one
/// that is too large; 400 for one that breaks off or takes longer than 30 s.
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    max_bytes: usize,
    operation: &'static str,
) -> Result<Bytes, Problem> {
    require_json(headers, operation)?;
    let too_large = || {
        Problem::payload_too_large(
            operation,
            format!("body: must be at most {max_bytes} bytes"),
        )
    };
    let expects = headers.contains_key(header::EXPECT);
    let mut body = body;
    if exceeds(body.size_hint().lower(), max_bytes) {
        // Who waits for `100 Continue` hasn't sent anything yet, and needs not.
        if !expects {
            discard(&mut body).await;
        }
        return Err(too_large());
    }
    match timeout(PATIENCE, collect(&mut body, max_bytes)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(Broken::TooLarge)) => {
            discard(&mut body).await;
            Err(too_large())
        }
        Ok(Err(Broken::Off)) => Err(Problem::bad_request(operation, "body: broke off")),
        Err(_elapsed) => Err(Problem::bad_request(
            operation,
            format!("body: must arrive within {} s", PATIENCE.as_secs()),
        )),
    }
}

/// Why a body could not be read.
enum Broken {
    TooLarge,
    Off,
}

fn exceeds(announced_bytes: u64, max_bytes: usize) -> bool {
    usize::try_from(announced_bytes).map_or(true, |bytes| bytes > max_bytes)
}

async fn collect(body: &mut Body, max_bytes: usize) -> Result<Bytes, Broken> {
    let Some(first) = next(body, max_bytes).await? else {
        return Ok(Bytes::new());
    };
    let Some(second) = next(body, max_bytes - first.len()).await? else {
        return Ok(first);
    };
    let rest = usize::try_from(body.size_hint().lower())
        .unwrap_or(0)
        .min(max_bytes);
    let mut whole = BytesMut::with_capacity(first.len() + second.len() + rest);
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(piece) = next(body, max_bytes - whole.len()).await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// Returns the next piece with something in it, of at most `room` bytes.
async fn next(body: &mut Body, room: usize) -> Result<Option<Bytes>, Broken> {
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_error| Broken::Off)?.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) if data.len() > room => return Err(Broken::TooLarge),
            Ok(data) => return Ok(Some(data)),
            Err(_trailers) => {}
        }
    }
    Ok(None)
}

async fn discard(body: &mut Body) {
    let all = async {
        let mut room = DISCARD_MAX_BYTES;
        while let Ok(Some(piece)) = next(body, room).await {
            room -= piece.len();
        }
    };
    // Whether it came to its end makes no difference: the answer is the same.
    timeout(DISCARD_PATIENCE, all).await.unwrap_or_default();
}

/// Requires a body of JSON that is not encoded otherwise.
fn require_json(headers: &HeaderMap, operation: &'static str) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    if text(header::CONTENT_TYPE).is_some_and(|media_type| !is_json(media_type)) {
        return Err(Problem::unsupported_media_type(
            operation,
            "content-type: must be application/json",
        ));
    }
    if text(header::CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"))
    {
        return Err(Problem::unsupported_media_type(
            operation,
            "content-encoding: must be left out",
        ));
    }
    Ok(())
}

/// Returns whether a media type is JSON: `application/json` or `application/<anything>+json`.
fn is_json(media_type: &str) -> bool {
    let essence = media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence
        .strip_prefix("application/")
        .is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// Reads JSON into a type, which may borrow from the bytes.
///
/// # Errors
/// 400, naming the place, such as `[2].url: invalid type: …`.
pub fn json<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    operation: &'static str,
) -> Result<T, Problem> {
    if bytes.trim_ascii().is_empty() {
        return Err(Problem::bad_request(operation, "body: must not be empty"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let place = error.path().to_string();
        let place = if place == "." {
            "body".to_owned()
        } else {
            place
        };
        Problem::bad_request(operation, format!("{place}: {}", error.inner()))
    })?;
    deserializer
        .end()
        .map_err(|error| Problem::bad_request(operation, format!("body: {error}")))?;
    Ok(value)
}

//! Reads bodies of requests, with their limits, and JSON out of them.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
pub use domain::draft::{Object, word};
use http::{HeaderMap, HeaderName, header, request::Parts};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::problem::Problem;

mod share;

pub(crate) use self::share::Shares;

#[cfg(test)]
mod tests;

/// How long a whole body may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a piece of a body waits for room.
const ROOM_PATIENCE: Duration = Duration::from_secs(1);

/// The memory for bodies that all requests of a server share; cheap to clone.
///
/// A body takes room as its pieces come, and gives it back when the last of its bytes is dropped. The
/// server hands its room to the requests, in their extensions; when it is known who is asking, a request
/// takes from the share of its organisation, too.
#[derive(Debug, Clone)]
pub struct Room {
    all: Arc<Semaphore>,
    share: Arc<OnceLock<Arc<Semaphore>>>,
}

impl Room {
    /// Makes room for as many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(bytes)),
            share: Arc::default(),
        }
    }

    /// Returns the same room for a request of which nobody knows yet who sent it.
    #[must_use]
    pub(crate) fn of_a_stranger(&self) -> Self {
        Self {
            all: Arc::clone(&self.all),
            share: Arc::default(),
        }
    }

    /// Makes the request take from a share as well.
    pub(crate) fn limit(&self, share: Arc<Semaphore>) {
        self.share.get_or_init(|| share);
    }

    /// Takes room for as many bytes if it is free.
    pub(crate) fn take_now(&self, bytes: usize) -> Option<Taken> {
        let bytes = u32::try_from(bytes).ok()?;
        let all = Arc::clone(&self.all).try_acquire_many_owned(bytes).ok()?;
        Some(Taken { all, share: None })
    }

    async fn take(&self, bytes: usize) -> Option<Taken> {
        let bytes = u32::try_from(bytes).ok()?;
        let share = match self.share.get() {
            Some(share) => Some(taken(share, bytes).await?),
            None => None,
        };
        let all = taken(&self.all, bytes).await?;
        Some(Taken { all, share })
    }
}

async fn taken(room: &Arc<Semaphore>, bytes: u32) -> Option<OwnedSemaphorePermit> {
    if let Ok(taken) = Arc::clone(room).try_acquire_many_owned(bytes) {
        return Some(taken);
    }
    let free = Arc::clone(room).acquire_many_owned(bytes);
    timeout(ROOM_PATIENCE, free).await.ok()?.ok()
}

/// Room that is taken until this is dropped.
pub(crate) struct Taken {
    all: OwnedSemaphorePermit,
    share: Option<OwnedSemaphorePermit>,
}

impl Taken {
    fn add(&mut self, more: Self) {
        self.all.merge(more.all);
        match (&mut self.share, more.share) {
            (Some(share), Some(more)) => share.merge(more),
            (share, more) => *share = share.take().or(more),
        }
    }

    /// Returns bytes that keep their room until the last of them is dropped.
    pub(crate) fn keep(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Kept {
            bytes,
            _taken: self,
        })
    }
}

/// Reads a body of JSON of at most `max_bytes`.
///
/// A body that comes in one piece is not copied. What is not read of a body that is refused is left
/// to the server.
///
/// # Errors
/// 415 for another media type than JSON (none is taken for JSON) or an encoded body; 413 for one
/// that is too large; 400 for one that breaks off or takes longer than 30 s; 503 if the server has
/// no room for it.
pub async fn read(
    parts: &Parts,
    body: Body,
    max_bytes: usize,
    operation: &'static str,
) -> Result<Bytes, Problem> {
    require_json(&parts.headers, operation)?;
    read_any(parts, body, max_bytes, operation).await
}

/// As [`read`], of any media type.
///
/// # Errors
/// As [`read`], but for the media type.
pub async fn read_any(
    parts: &Parts,
    body: Body,
    max_bytes: usize,
    operation: &'static str,
) -> Result<Bytes, Problem> {
    require_unencoded(&parts.headers, operation)?;
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let reading = Reading {
        body,
        allowed: max_bytes,
        room: parts.extensions.get().cloned(),
        taken: None,
    };
    let read = async {
        if announced > max_bytes {
            return Err(Broken::TooLarge);
        }
        timeout(PATIENCE, reading.whole())
            .await
            .unwrap_or(Err(Broken::Late))
    };
    read.await.map_err(|broken| match broken {
        Broken::TooLarge => Problem::payload_too_large(
            operation,
            format!("body: must be at most {max_bytes} bytes"),
        ),
        Broken::Off => Problem::bad_request(operation, "body: broke off"),
        Broken::Late => Problem::bad_request(
            operation,
            format!("body: must arrive within {} s", PATIENCE.as_secs()),
        ),
        Broken::NoRoom => Problem::unavailable(
            operation,
            "too many bodies are being read, repeat the request",
        ),
    })
}

/// Why a body could not be read.
enum Broken {
    TooLarge,
    Off,
    Late,
    NoRoom,
}

/// A body that is being read.
struct Reading {
    body: Body,
    /// How many bytes may still come.
    allowed: usize,
    room: Option<Room>,
    taken: Option<Taken>,
}

impl Reading {
    async fn whole(mut self) -> Result<Bytes, Broken> {
        let Some(first) = self.next().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.next().await? else {
            return Ok(self.keep(first));
        };
        // What was announced is not set aside: who announces much and sends little gets little.
        let mut whole = BytesMut::with_capacity(first.len() + second.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        drop((first, second));
        while let Some(piece) = self.next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(self.keep(whole.freeze()))
    }

    /// Returns the next piece with something in it, once there is room for it.
    async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        while let Some(frame) = self.body.frame().await {
            match frame.map_err(|_error| Broken::Off)?.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    self.allowed = self
                        .allowed
                        .checked_sub(data.len())
                        .ok_or(Broken::TooLarge)?;
                    self.take_room(data.len()).await?;
                    return Ok(Some(data));
                }
                Err(_trailers) => {}
            }
        }
        Ok(None)
    }

    async fn take_room(&mut self, bytes: usize) -> Result<(), Broken> {
        let Some(room) = &self.room else {
            return Ok(());
        };
        let more = room.take(bytes).await.ok_or(Broken::NoRoom)?;
        match &mut self.taken {
            Some(taken) => taken.add(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }

    /// Returns bytes that keep their room.
    fn keep(self, bytes: Bytes) -> Bytes {
        match self.taken {
            Some(taken) => taken.keep(bytes),
            None => bytes,
        }
    }
}

/// Bytes with the room that they take.
struct Kept {
    bytes: Bytes,
    _taken: Taken,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Requires a body of JSON.
fn require_json(headers: &HeaderMap, operation: &'static str) -> Result<(), Problem> {
    if text(headers, &header::CONTENT_TYPE).is_some_and(|media_type| !is_json(media_type)) {
        return Err(Problem::unsupported_media_type(
            operation,
            "content-type: must be application/json",
        ));
    }
    Ok(())
}

/// Requires a body that is not encoded.
fn require_unencoded(headers: &HeaderMap, operation: &'static str) -> Result<(), Problem> {
    if text(headers, &header::CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"))
    {
        return Err(Problem::unsupported_media_type(
            operation,
            "content-encoding: must be left out",
        ));
    }
    Ok(())
}

/// Returns a header as text; the empty one if it is not text, or given twice.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    let only = first.to_str().ok().filter(|_| values.next().is_none());
    Some(only.unwrap_or_default())
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

/// Reads JSON into a type, which may borrow from the bytes. What is to be an object is read as an
/// [`Object`].
///
/// # Errors
/// 400, naming the place, such as `[2].url: invalid type: …`. It repeats no string that was sent.
pub fn json<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    operation: &'static str,
) -> Result<T, Problem> {
    if bytes.trim_ascii().is_empty() {
        return Err(Problem::bad_request(operation, "body: must not be empty"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| Problem::unreadable(operation, "body", &error))?;
    deserializer
        .end()
        .map_err(|error| Problem::bad_request(operation, format!("body: {error}")))?;
    Ok(value)
}

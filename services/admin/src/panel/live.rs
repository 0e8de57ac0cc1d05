//! New log rows as server-sent events: whenever the first page of a filter changes, its rows are sent again.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use domain::name::OrganisationId;
use futures::stream;
use http::{HeaderName, HeaderValue, StatusCode, header};
use parking_lot::Mutex;

use super::{answer::GUARDS, failure::Failure, form::Pairs, logs, visit::Visit};

/// How many streams an organisation has at once, and all together.
const STREAMS_OF_ORGANISATION: usize = 20;
const STREAMS_MAX: usize = 500;
/// How often the log is looked at for a stream.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After how many looks without news a sign of life is sent, by which a lost browser is noticed.
const QUIET_LOOKS: u32 = 15;
/// How long a stream lasts; the browser then opens another.
const LIFETIME: Duration = Duration::from_secs(600);

/// Counts the streams that are open.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<HashMap<OrganisationId, usize>>);

/// A place for one stream, until it is dropped.
struct Place {
    streams: Arc<Streams>,
    organisation: OrganisationId,
}

/// A stream between two of its pieces.
struct Following {
    visit: Visit,
    filter: Pairs,
    /// Of what the browser shows, the newest record and how many there are; once it was sent.
    shown: Option<(Option<String>, u64)>,
    ends_at: Instant,
    _place: Place,
}

/// Follows the log under the filter of the address.
pub(super) async fn stream(visit: Visit) -> Result<Response, Failure> {
    let filter = Pairs::parse(visit.query().as_bytes());
    let place = Streams::take(&visit.panel().streams, visit.organisation())?;
    // What can't be read is told as a status, not within the stream.
    logs::records(&visit, &filter, ("1", "")).await?;
    let following = Following {
        visit,
        filter,
        shown: None,
        ends_at: Instant::now() + LIFETIME,
        _place: place,
    };
    let pieces = stream::unfold(following, |mut following| async {
        let piece = following.next().await?;
        Some((Ok::<_, Infallible>(piece), following))
    });
    let typed = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        // Proxies that gather answers would keep news from the page.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((GUARDS, typed, Body::from_stream(pieces)).into_response())
}

impl Following {
    /// Waits for the next piece; `None` at the end: the drain, the token's end, or the stream's.
    async fn next(&mut self) -> Option<Bytes> {
        let draining = self.visit.panel().draining.clone();
        for _ in 0..QUIET_LOOKS {
            if self.shown.is_some() {
                tokio::select! {
                    () = draining.cancelled() => return None,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
            if Instant::now() >= self.ends_at {
                return None;
            }
            let news = tokio::select! {
                () = draining.cancelled() => return None,
                news = self.look() => news.ok()?,
            };
            if news.is_some() {
                return news;
            }
        }
        Some(Bytes::from_static(b":\n\n"))
    }

    /// Returns the rows if there are others than were sent. Looking at one record is enough to see that: a page of
    /// them can hold many megabytes of bodies.
    async fn look(&mut self) -> Result<Option<Bytes>, Failure> {
        let newest = logs::records(&self.visit, &self.filter, ("1", "")).await?;
        let id = newest.edges.first().map(|record| record.id.clone());
        let found = Some((id, newest.total_count));
        if self.shown == found {
            return Ok(None);
        }
        let records = logs::records(&self.visit, &self.filter, (logs::PAGE, "")).await?;
        let rows = logs::rows(&self.visit, &logs::filter_of(&self.filter), &records)?;
        self.shown = found;
        Ok(Some(event(&rows)))
    }
}

/// Writes a text as one event: each of its lines is a line of data.
fn event(text: &str) -> Bytes {
    let lines = text.lines().map(|line| format!("data: {line}\n"));
    let event: String = lines.chain(["\n".to_owned()]).collect();
    event.into()
}

impl Streams {
    fn take(streams: &Arc<Self>, organisation: &OrganisationId) -> Result<Place, Failure> {
        let mut open = streams.0.lock();
        let all: usize = open.values().sum();
        let own = open.get(organisation).copied().unwrap_or(0);
        if own >= STREAMS_OF_ORGANISATION || all >= STREAMS_MAX {
            let message = "Too many pages follow the log. Reload this one to see what is new.";
            return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, message));
        }
        open.insert(organisation.clone(), own.saturating_add(1));
        Ok(Place {
            streams: Arc::clone(streams),
            organisation: organisation.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock();
        let left = open.get(&self.organisation).copied().unwrap_or(0);
        match left.checked_sub(1) {
            Some(left) if left > 0 => open.insert(self.organisation.clone(), left),
            Some(_) | None => open.remove(&self.organisation),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{STREAMS_OF_ORGANISATION, Streams, event};

    #[test]
    fn every_line_of_an_event_is_data() {
        assert_eq!(event("a\n<b>\n"), "data: a\ndata: <b>\n\n");
    }

    #[test]
    fn an_organisation_has_so_many_streams_and_no_more() {
        let streams = Arc::new(Streams::default());
        let take = |organisation: &str| Streams::take(&streams, &organisation.parse().unwrap());

        let mut places: Vec<_> = (0..STREAMS_OF_ORGANISATION)
            .map(|_| take("acme").unwrap())
            .collect();

        assert!(take("acme").is_err());
        let other = take("globex").unwrap();
        places.pop();
        assert!(take("acme").is_ok());
        drop((places, other));
        assert!(streams.0.lock().is_empty());
    }
}

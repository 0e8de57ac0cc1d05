//! The forms of messages on the broker: additive changes only, pinned by snapshots.
//!
//! Every queue message and bucket value carries `schema: n`; a reader takes n and n − 1, and leaves
//! newer ones to a newer reader.

pub mod attempts;
pub mod event;
pub mod job;
pub(crate) mod value;

use async_nats::HeaderMap;
use domain::{
    time::Timestamp,
    trace::{TRACESTATE_MAX_BYTES, TraceParent},
};

/// The version of all forms.
pub const SCHEMA: u32 = 1;

/// The header that holds a job, as JSON.
pub const JOB_HEADER: &str = "Posthorn-Job";
/// The header of a waiting job whose trace is recorded: since when it waits, in milliseconds.
pub const WAITS_SINCE_HEADER: &str = "Posthorn-Waits-Since";
/// The header of a rejected message or dead letter that says why.
pub const REASON_HEADER: &str = "Posthorn-Reason";
/// The header of a rejected message that says where it came in.
pub const SUBJECT_HEADER: &str = "Posthorn-Subject";
/// The header of a rejected message whose payload was cut.
pub const CUT_HEADER: &str = "Posthorn-Cut";
/// The header of a dead letter with the last attempt's error.
pub const ERROR_HEADER: &str = "Posthorn-Error";

/// Why a message can't be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is of a later version: a newer reader will take it.
    #[error("has schema {0}, newer than {SCHEMA}")]
    Newer(u32),
    /// It is damaged, or none of ours.
    #[error("is not readable: {0}")]
    Malformed(String),
}

/// Returns a header as text.
#[must_use]
pub fn header<'a>(headers: Option<&'a HeaderMap>, name: &str) -> Option<&'a str> {
    headers?.get(name).map(|value| value.as_str())
}

/// The trace context that travels with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceHeaders {
    /// The value of `traceparent`.
    pub parent: Option<String>,
    /// The value of `tracestate`, at most 512 bytes.
    pub state: Option<String>,
    /// Since when a job waits whose trace is recorded.
    pub waits_since: Option<Timestamp>,
}

impl TraceHeaders {
    /// Reads the trace context from a message.
    #[must_use]
    pub fn read(headers: Option<&HeaderMap>) -> Self {
        let since = header(headers, WAITS_SINCE_HEADER).and_then(|text| text.parse().ok());
        Self {
            waits_since: since.map(Timestamp::from_millis),
            ..Self::new(
                header(headers, "traceparent"),
                header(headers, "tracestate"),
            )
        }
    }

    /// Makes a trace context. What is no `traceparent` is dropped, and with it its `tracestate`; so is a
    /// `tracestate` that is too long.
    #[must_use]
    pub fn new(parent: Option<&str>, state: Option<&str>) -> Self {
        let fits = |state: &&str| state.len() <= TRACESTATE_MAX_BYTES && is_header_text(state);
        let parent = parent
            .filter(|text| is_header_text(text) && TraceParent::parse(text).is_some())
            .map(str::to_owned);
        Self {
            state: state
                .filter(|state| parent.is_some() && fits(state))
                .map(str::to_owned),
            parent,
            waits_since: None,
        }
    }

    /// Returns the context of the same trace at another span.
    #[must_use]
    pub fn at(&self, span: TraceParent) -> Self {
        Self {
            parent: Some(span.to_string()),
            state: self.state.clone(),
            waits_since: None,
        }
    }

    /// Writes the trace context into a message's headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        if let Some(parent) = &self.parent {
            headers.insert("traceparent", parent.as_str());
        }
        if let Some(state) = &self.state {
            headers.insert("tracestate", state.as_str());
        }
        if let Some(since) = self.waits_since {
            headers.insert(WAITS_SINCE_HEADER, since.millis().to_string().as_str());
        }
    }
}

/// Returns whether the text may stand in a header as it is.
fn is_header_text(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// Makes a text fit for a header: one line of printable ASCII.
#[must_use]
pub fn header_text(text: &str) -> String {
    text.chars()
        .take(500)
        .map(|c| if (' '..='~').contains(&c) { c } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use domain::{time::Timestamp, trace::TraceParent};

    use super::TraceHeaders;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_travels_in_headers() {
        let trace = TraceHeaders {
            waits_since: Some(Timestamp::from_millis(1_700)),
            ..TraceHeaders::new(Some(PARENT), Some("a=b"))
        };
        let mut headers = HeaderMap::new();
        trace.write(&mut headers);

        assert_eq!(TraceHeaders::read(Some(&headers)), trace);
    }

    #[test]
    fn what_is_no_context_takes_its_state_with_it() {
        for parent in [None, Some("00-1-2-01"), Some("é")] {
            let trace = TraceHeaders::new(parent, Some("a=b"));
            assert_eq!(trace, TraceHeaders::default(), "{parent:?}");
        }
    }

    #[test]
    fn another_span_of_the_trace_waits_for_nothing() {
        let trace = TraceHeaders {
            waits_since: Some(Timestamp::from_millis(1_700)),
            ..TraceHeaders::new(Some(PARENT), Some("a=b"))
        };
        let span = TraceParent::parse(PARENT).unwrap().child([1; 8]);

        let expected = "00-4bf92f3577b34da6a3ce929d0e0e4736-0101010101010101-01";
        assert_eq!(
            trace.at(span),
            TraceHeaders::new(Some(expected), Some("a=b"))
        );
    }
}

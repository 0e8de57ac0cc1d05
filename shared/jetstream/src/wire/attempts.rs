//! The wire form of a batch of records: attempts, and what else became of jobs.

mod content;

use domain::{attempt::AttemptRecord, job_state::StateRecord, trace::TraceParent};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

pub use self::content::without_content;
use super::{DecodeError, SCHEMA};

/// A record as it stands in a batch.
#[derive(Debug)]
pub struct Entry {
    list: List,
    json: Vec<u8>,
    /// Where its trace goes on, as it stands in a batch.
    span: Option<Vec<u8>>,
}

/// Which list of a batch a record stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Attempts,
    States,
}

/// A batch, its records put in one by one while they come in.
#[derive(Debug, Default)]
pub struct Encoder {
    attempts: Vec<u8>,
    states: Vec<u8>,
    spans: Vec<u8>,
}

/// The span that a record belongs below, if its trace is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// The id of the record.
    pub record: String,
    /// The `traceparent` of the attempt's span.
    pub parent: String,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    attempts: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    states: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    spans: Vec<&'a RawValue>,
}

/// What a batch holds.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Its records of attempts.
    pub records: Vec<AttemptRecord>,
    /// Its records of states.
    pub states: Vec<StateRecord>,
    /// Which of them belong to a trace that is recorded.
    pub spans: Vec<Traced>,
    /// What in it is no record that this version can read, with the reason.
    pub unreadable: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Version {
    schema: u32,
}

impl Entry {
    /// Writes the record of an attempt.
    #[must_use]
    pub fn attempt(record: &AttemptRecord) -> Self {
        Self {
            list: List::Attempts,
            json: json(record),
            span: None,
        }
    }

    /// Writes the record of a state.
    #[must_use]
    pub fn state(record: &StateRecord) -> Self {
        Self {
            list: List::States,
            json: json(record),
            span: None,
        }
    }

    /// Says which span the record of that id belongs below.
    #[must_use]
    pub fn within(self, record: &str, span: TraceParent) -> Self {
        let traced = Traced {
            record: record.to_owned(),
            parent: span.to_string(),
        };
        Self {
            span: Some(json(&traced)),
            ..self
        }
    }

    /// Returns how many bytes the record takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.json.len() + self.span.as_ref().map_or(0, Vec::len)
    }
}

impl Encoder {
    /// Adds a record.
    pub fn push(&mut self, entry: &Entry) {
        let list = match entry.list {
            List::Attempts => &mut self.attempts,
            List::States => &mut self.states,
        };
        if list.is_empty() {
            list.extend_from_slice(entry.list.head().as_bytes());
        } else {
            list.push(b',');
        }
        list.extend_from_slice(&entry.json);
        if let Some(span) = &entry.span {
            let head: &[u8] = if self.spans.is_empty() {
                b"],\"spans\":["
            } else {
                b","
            };
            self.spans.extend_from_slice(head);
            self.spans.extend_from_slice(span);
        }
    }

    /// Returns the finished batch.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut batch = self.attempts;
        if batch.is_empty() {
            batch.extend_from_slice(List::Attempts.head().as_bytes());
        }
        batch.extend_from_slice(&self.states);
        batch.extend_from_slice(&self.spans);
        batch.extend_from_slice(b"]}");
        batch
    }
}

impl List {
    /// Returns what stands in a batch before the first record of the list.
    fn head(self) -> String {
        match self {
            Self::Attempts => format!("{{\"schema\":{SCHEMA},\"attempts\":["),
            Self::States => "],\"states\":[".to_owned(),
        }
    }
}

fn json<T: Serialize>(record: &T) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "records have string keys and no fallible field"
    )]
    serde_json::to_vec(record).expect("a record is always writable as JSON")
}

/// Reads a batch, record by record: one that can't be read takes none of the others with it.
///
/// # Errors
/// [`DecodeError`] tells a newer form from a damaged one.
pub fn decode(payload: &[u8]) -> Result<Decoded, DecodeError> {
    let malformed = |error: serde_json::Error| DecodeError::Malformed(error.to_string());
    let Version { schema } = serde_json::from_slice(payload).map_err(malformed)?;
    if schema > SCHEMA {
        return Err(DecodeError::Newer(schema));
    }
    let Batch {
        attempts,
        states,
        spans,
    } = serde_json::from_slice(payload).map_err(malformed)?;
    let mut unreadable = Vec::new();
    Ok(Decoded {
        records: readable(&attempts, &mut unreadable),
        states: readable(&states, &mut unreadable),
        // A span that is not readable is no record that is lost.
        spans: readable(&spans, &mut Vec::new()),
        unreadable,
    })
}

/// Returns the records that can be read, and puts the others aside.
fn readable<T: DeserializeOwned>(
    texts: &[&RawValue],
    unreadable: &mut Vec<(String, String)>,
) -> Vec<T> {
    let mut records = Vec::with_capacity(texts.len());
    for text in texts {
        match serde_json::from_str(text.get()) {
            Ok(record) => records.push(record),
            Err(error) => unreadable.push((text.get().to_owned(), error.to_string())),
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use domain::trace::TraceParent;

    use super::{Encoder, Entry, decode};
    use crate::wire::DecodeError;

    /// The bytes that versions in the field write: additive changes only.
    const GOLDEN: &str = "{\"id\":\"019a\",\"webhookConfigId\":\"ep_1\",\"organisationId\":\"acme\",\
        \"jobId\":\"evt-1:ep_1\",\"eventId\":\"evt-1\",\"eventCategory\":\"c\",\
        \"eventSubCategory\":\"a.b\",\"bodyHash\":\"e3b0c44298fc1c149afbf4c8996fb924\",\
        \"url\":\"https://a.example/\",\"httpMethod\":\"POST\",\
        \"requestHeaders\":[[\"webhook-id\",\"evt-1\"]],\"responseStatus\":500,\
        \"responseHeaders\":[[\"server\",\"x\"]],\"responseBody\":\"no\",\
        \"responseBodyEncoding\":\"text\",\"attempt\":2,\"trigger\":\"retry\",\"success\":false,\
        \"errorMessage\":\"HTTP 500: Internal Server Error\",\"errorKind\":\"status\",\
        \"durationMs\":12,\"nextAttemptAt\":\"2026-03-14T10:21:50.102Z\",\
        \"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"createdAt\":\"2026-03-14T10:21:45.102Z\"}";

    const STATE: &str = "{\"id\":\"019b\",\"organisationId\":\"acme\",\"webhookConfigId\":\"ep_1\",\
        \"jobId\":\"evt-1:ep_1\",\"eventId\":\"evt-1\",\"eventSubCategory\":\"a.b\",\
        \"bodyHash\":\"e3b0c44298fc1c149afbf4c8996fb924\",\"attempt\":4,\"trigger\":\"retry\",\
        \"state\":\"dead\",\"reason\":\"exhausted\",\"createdAt\":\"2026-03-14T10:21:50.102Z\"}";

    #[test]
    fn the_form_is_pinned() {
        let batch = format!("{{\"schema\":1,\"attempts\":[{GOLDEN},{GOLDEN}]}}");
        let records = decode(batch.as_bytes()).unwrap().records;
        let mut encoder = Encoder::default();
        (records.iter()).for_each(|one| encoder.push(&Entry::attempt(one)));

        assert_eq!(String::from_utf8(encoder.finish()).unwrap(), batch);
    }

    #[test]
    fn the_form_with_states_is_pinned() {
        let batch =
            format!("{{\"schema\":1,\"attempts\":[{GOLDEN}],\"states\":[{STATE},{STATE}]}}");
        let decoded = decode(batch.as_bytes()).unwrap();
        let mut encoder = Encoder::default();
        (decoded.states.iter()).for_each(|one| encoder.push(&Entry::state(one)));
        (decoded.records.iter()).for_each(|one| encoder.push(&Entry::attempt(one)));

        assert_eq!(String::from_utf8(encoder.finish()).unwrap(), batch);
    }

    #[test]
    fn the_form_with_spans_is_pinned() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let batch = format!(
            "{{\"schema\":1,\"attempts\":[{GOLDEN},{GOLDEN}],\"states\":[{STATE}],\
             \"spans\":[{{\"record\":\"019a\",\"parent\":\"{parent}\"}}]}}"
        );
        let decoded = decode(batch.as_bytes()).unwrap();
        let mut encoder = Encoder::default();
        let span = TraceParent::parse(parent).unwrap();
        encoder.push(&Entry::attempt(&decoded.records[0]).within("019a", span));
        encoder.push(&Entry::attempt(&decoded.records[1]));
        encoder.push(&Entry::state(&decoded.states[0]));

        assert_eq!(String::from_utf8(encoder.finish()).unwrap(), batch);
        assert_eq!(decoded.spans[0].parent, parent);
    }

    #[test]
    fn states_may_come_without_attempts() {
        let batch = format!("{{\"schema\":1,\"attempts\":[],\"states\":[{STATE}]}}");
        let decoded = decode(batch.as_bytes()).unwrap();
        let mut encoder = Encoder::default();
        (decoded.states.iter()).for_each(|one| encoder.push(&Entry::state(one)));

        assert_eq!((decoded.records.len(), decoded.states.len()), (0, 1));
        assert_eq!(String::from_utf8(encoder.finish()).unwrap(), batch);
    }

    #[test]
    fn unknown_fields_are_passed_over_and_newer_forms_left_alone() {
        let unknown = format!(
            "{{\"schema\":1,\"others\":[],\"states\":[{}],\"attempts\":[{}]}}",
            STATE.replacen('{', "{\"x\":1,", 1),
            GOLDEN.replacen('{', "{\"x\":1,", 1)
        );

        let decoded = decode(unknown.as_bytes()).unwrap();
        assert_eq!((decoded.records.len(), decoded.states.len()), (1, 1));
        assert!(matches!(
            decode(b"{\"schema\":2}"),
            Err(DecodeError::Newer(2))
        ));
        assert!(matches!(
            decode(b"{\"schema\":1}"),
            Err(DecodeError::Malformed(_))
        ));
        assert!(matches!(decode(b""), Err(DecodeError::Malformed(_))));
    }

    #[test]
    fn a_record_that_is_not_readable_takes_no_other_with_it() {
        let odd = GOLDEN.replace("\"status\"", "\"weather\"");
        let strange = STATE.replace("\"dead\"", "\"asleep\"");
        let batch = format!(
            "{{\"schema\":1,\"attempts\":[{GOLDEN},{odd},{GOLDEN}],\"states\":[{strange},{STATE}]}}"
        );

        let decoded = decode(batch.as_bytes()).unwrap();

        assert_eq!((decoded.records.len(), decoded.states.len()), (2, 1));
        let unreadable: Vec<_> = (decoded.unreadable.iter()).map(|(text, _)| text).collect();
        assert_eq!(unreadable, [&odd, &strange]);
    }
}

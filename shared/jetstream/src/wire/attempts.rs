//! The wire form of a batch of attempt records.

use domain::attempt::AttemptRecord;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{DecodeError, SCHEMA};

/// A batch, its records written one by one while they come in.
#[derive(Debug, Default)]
pub struct Encoder(Vec<u8>);

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    attempts: Vec<&'a RawValue>,
}

/// What a batch holds.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Its records.
    pub records: Vec<AttemptRecord>,
    /// What in it is no record that this version can read, with the reason.
    pub unreadable: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Version {
    schema: u32,
}

impl Encoder {
    /// Adds a record that was written by [`record`].
    pub fn push(&mut self, record: &[u8]) {
        if self.0.is_empty() {
            self.0
                .extend_from_slice(format!("{{\"schema\":{SCHEMA},\"attempts\":[").as_bytes());
        } else {
            self.0.push(b',');
        }
        self.0.extend_from_slice(record);
    }

    /// Returns the finished batch.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"]}");
        self.0
    }
}

/// Writes one record.
#[must_use]
pub fn record(record: &AttemptRecord) -> Vec<u8> {
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
    let Batch { attempts } = serde_json::from_slice(payload).map_err(malformed)?;
    let mut decoded = Decoded::default();
    for text in attempts {
        match serde_json::from_str(text.get()) {
            Ok(record) => decoded.records.push(record),
            Err(error) => decoded
                .unreadable
                .push((text.get().to_owned(), error.to_string())),
        }
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::{Encoder, decode, record};
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

    #[test]
    fn the_form_is_pinned() {
        let batch = format!("{{\"schema\":1,\"attempts\":[{GOLDEN},{GOLDEN}]}}");
        let records = decode(batch.as_bytes()).unwrap().records;
        let mut encoder = Encoder::default();
        records.iter().for_each(|one| encoder.push(&record(one)));

        assert_eq!(String::from_utf8(encoder.finish()).unwrap(), batch);
    }

    #[test]
    fn unknown_fields_are_passed_over_and_newer_forms_left_alone() {
        let unknown = format!(
            "{{\"schema\":1,\"states\":[],\"attempts\":[{}]}}",
            GOLDEN.replacen('{', "{\"x\":1,", 1)
        );

        assert_eq!(decode(unknown.as_bytes()).unwrap().records.len(), 1);
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
        let batch = format!("{{\"schema\":1,\"attempts\":[{GOLDEN},{odd},{GOLDEN}]}}");

        let decoded = decode(batch.as_bytes()).unwrap();

        assert_eq!(decoded.records.len(), 2);
        assert_eq!(decoded.unreadable.len(), 1);
        assert_eq!(decoded.unreadable[0].0, odd);
    }
}

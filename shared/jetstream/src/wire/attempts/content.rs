//! Taking what events and answers said out of a batch that is not in the store yet.
//!
//! Everything else stays as it was written, fields of later versions included.

use domain::{
    name::{EventId, OrganisationId},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::Value;

use crate::wire::SCHEMA;

/// The fields of a record that hold content.
const CONTENT: [&str; 3] = ["responseBody", "responseBodyEncoding", "responseHeaders"];
/// The headers that were sent, without which no record is readable.
const REQUEST_HEADERS: &str = "requestHeaders";

/// What tells whose record it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    organisation_id: OrganisationId,
    event_id: EventId,
    created_at: Timestamp,
}

/// Returns the batch without the content of the attempts that are meant, each by its organisation, event and
/// beginning; `None` if they hold none, or only another version can read the batch.
#[must_use]
pub fn without_content(
    payload: &[u8],
    means: impl Fn(&OrganisationId, &EventId, Timestamp) -> bool,
) -> Option<Vec<u8>> {
    let mut batch: Value = serde_json::from_slice(payload).ok()?;
    if batch.get("schema")?.as_u64()? > u64::from(SCHEMA) {
        return None;
    }
    let mut is_changed = false;
    for record in batch.get_mut("attempts")?.as_array_mut()? {
        let is_meant = Key::deserialize(&*record)
            .is_ok_and(|key| means(&key.organisation_id, &key.event_id, key.created_at));
        is_changed |= is_meant && strip(record);
    }
    is_changed.then(|| batch.to_string().into_bytes())
}

/// Takes the content out of a record; returns whether it had any.
fn strip(record: &mut Value) -> bool {
    let Some(fields) = record.as_object_mut() else {
        return false;
    };
    let mut had_content = false;
    for name in CONTENT {
        had_content |= fields.remove(name).is_some();
    }
    if let Some(Value::Array(headers)) = fields.get_mut(REQUEST_HEADERS) {
        had_content |= !headers.is_empty();
        headers.clear();
    }
    had_content
}

#[cfg(test)]
mod tests {
    use domain::{erasure, time::Timestamp};

    use super::without_content;
    use crate::wire::attempts::{Encoder, Entry, decode};

    const RECORD: &str = "{\"id\":\"019a\",\"webhookConfigId\":\"ep_1\",\"organisationId\":\"acme\",\
        \"jobId\":\"evt-1:ep_1\",\"eventId\":\"evt-1\",\"eventSubCategory\":\"a.b\",\
        \"bodyHash\":\"e3b0c44298fc1c149afbf4c8996fb924\",\"url\":\"https://a.example/\",\
        \"httpMethod\":\"POST\",\"requestHeaders\":[[\"ce-subject\",\"Ada\"]],\"responseStatus\":500,\
        \"responseHeaders\":[[\"x-echo\",\"Ada\"]],\"responseBody\":\"Ada\",\
        \"responseBodyEncoding\":\"text\",\"attempt\":1,\"trigger\":\"auto\",\"success\":false,\
        \"durationMs\":12,\"traceId\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\
        \"createdAt\":\"2026-03-14T10:21:45.102Z\"}";

    #[test]
    fn records_that_are_meant_lose_their_content_and_nothing_else() {
        let other = RECORD.replace("evt-1", "evt-2");
        let later = RECORD.replace("2026-03", "2026-04");
        let foreign = RECORD.replace("acme", "other");
        let odd = "{\"eventId\":7}";
        let batch = format!(
            "{{\"schema\":1,\"attempts\":[{RECORD},{other},{later},{foreign},{odd}],\"x\":[1]}}"
        );

        let stripped = without_content(batch.as_bytes(), means).unwrap();

        let text = String::from_utf8(stripped.clone()).unwrap();
        assert!(text.contains("\"x\":[1]") && text.contains(odd), "{text}");
        let mut expected = decode(batch.as_bytes()).unwrap().records;
        expected[0] = erasure::without_content(&expected[0]);
        assert_eq!(decode(&stripped).unwrap().records, expected);
        assert_eq!(without_content(&stripped, means), None, "nothing is left");
    }

    #[test]
    fn a_batch_without_content_is_left_alone() {
        let other = format!(
            "{{\"schema\":1,\"attempts\":[{}]}}",
            RECORD.replace("acme", "other")
        );
        let newer = format!("{{\"schema\":2,\"attempts\":[{RECORD}]}}");
        let mut stripped = Encoder::default();
        let record = &decode(format!("{{\"schema\":1,\"attempts\":[{RECORD}]}}").as_bytes())
            .unwrap()
            .records[0];
        stripped.push(&Entry::attempt(&erasure::without_content(record)));

        for batch in [other.as_bytes(), newer.as_bytes(), &stripped.finish(), b"{"] {
            assert_eq!(without_content(batch, means), None);
        }
    }

    fn means(
        organisation: &domain::name::OrganisationId,
        event: &domain::name::EventId,
        at: Timestamp,
    ) -> bool {
        organisation.as_str() == "acme"
            && event.as_str() == "evt-1"
            && at <= Timestamp::parse("2026-03-31T00:00:00Z").unwrap()
    }
}

//! Whether a message that is no event is meant: nothing says which event it was to be but what it holds.

use domain::erasure::Erasure;
use serde_json::Value;

#[cfg(test)]
mod fuzz;

/// Returns whether a message names the event as its own id, or as that of the event of a record. One that
/// does not stand under the organisation's subject must name the organisation too.
pub(super) fn is_meant(erasure: &Erasure, is_own: bool, payload: &[u8]) -> bool {
    let text = String::from_utf8_lossy(payload);
    let (event, organisation) = (erasure.event_id.as_str(), erasure.organisation_id.as_str());
    if !text.contains(event) {
        return false;
    }
    match serde_json::from_str::<Value>(&text) {
        Ok(value) => {
            let is = |field: &str, id: &str| value.get(field).and_then(Value::as_str) == Some(id);
            (is("id", event) || is("eventId", event))
                && (is_own || is("organisationId", organisation))
        }
        // Cut or damaged: what its fields are can't be told any more.
        Err(_) => is_own && (holds(&text, "id", event) || holds(&text, "eventId", event)),
    }
}

/// Returns whether a field of that name and value is anywhere in what was JSON.
fn holds(text: &str, field: &str, value: &str) -> bool {
    let (field, value) = (format!("\"{field}\""), format!("\"{value}\""));
    text.match_indices(&field).any(|(at, found)| {
        let behind = text.get(at + found.len()..).unwrap_or_default();
        let behind = behind.trim_start().strip_prefix(':').unwrap_or_default();
        behind.trim_start().starts_with(&value)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::{
        erasure::{Erasure, Target},
        time::Timestamp,
    };

    use super::is_meant;

    #[test]
    fn a_message_is_meant_that_names_the_event_and_is_the_organisations() {
        let check = |payload: &str, own: bool, unclear: bool| {
            let erasure = erasure();
            assert_eq!(
                is_meant(&erasure, true, payload.as_bytes()),
                own,
                "{payload}"
            );
            assert_eq!(
                is_meant(&erasure, false, payload.as_bytes()),
                unclear,
                "{payload}"
            );
        };

        check(r#"{"id":"evt-1"}"#, true, false);
        check(r#"{"id":"evt-1","organisationId":"acme"}"#, true, true);
        check(r#"{"eventId":"evt-1","organisationId":"acme"}"#, true, true);
        check(r#"{"id":"evt-1","organisationId":"other"}"#, true, false);
        check(r#"{"id":"evt-10"}"#, false, false);
        check(r#"{"id":"evt-2","causedBy":"evt-1"}"#, false, false);
        check(r#"{"payload":{"n":1},"id" : "evt-1","payl"#, true, false);
        check(r#"{"causedBy":"evt-1","id":"evt-2","payl"#, false, false);
        check("evt-1", false, false);
    }

    pub(super) fn erasure() -> Erasure {
        let target = Target {
            organisation: "acme".parse().unwrap(),
            event: "evt-1".parse().unwrap(),
            until: Timestamp::EPOCH,
        };
        let id = "er_1".parse().unwrap();
        Erasure::new(id, target, &BTreeMap::new(), Timestamp::EPOCH)
    }
}

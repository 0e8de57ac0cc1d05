use bytes::Bytes;
use domain::{
    event::Event,
    name::{EventName, OrganisationId},
    time::Timestamp,
};
use jetstream::{
    HeaderMap,
    bucket::{Change, View as _},
};
use serde_json::{Value, json};

use super::{Catalogue, Met};
use crate::{Refusal, is_checked, mark_checked};

#[test]
fn events_of_any_name_pass_until_a_schema_says_otherwise() {
    let catalogue = Catalogue::default();
    assert_eq!(admit(&catalogue, "acme", "a.b", Met::Sent), Ok(None));
    catalogue.replace(vec![put("acme.a.b", 10, &demanding())]);

    let refused = admit(&catalogue, "acme", "a.b", Met::Sent);

    assert_eq!(refused, Err("payload: must be a string".to_owned()));
    assert_eq!(admit(&catalogue, "acme", "a.c", Met::Sent), Ok(None));
    assert_eq!(admit(&catalogue, "umbra", "a.b", Met::Sent), Ok(None));
    catalogue.apply(vec![gone("acme.a.b", 20)]);
    assert_eq!(admit(&catalogue, "acme", "a.b", Met::Sent), Ok(None));
    assert!(catalogue.of(&organisation("acme")).is_empty());
}

#[test]
fn the_latest_schema_is_asked() {
    let catalogue = Catalogue::default();
    catalogue.apply(vec![put("acme.a", 10, &demanding())]);
    assert!(admit(&catalogue, "acme", "a", Met::Sent).is_err());

    catalogue.apply(vec![put(
        "acme.a",
        20,
        &json!({"payloadSchema": {"type": "object"}}),
    )]);

    assert!(admit(&catalogue, "acme", "a", Met::Sent).is_ok());
}

#[test]
fn what_was_accepted_is_not_refused_by_a_schema_that_came_later() {
    let catalogue = Catalogue::default();
    catalogue.apply(vec![put("acme.a", 10, &demanding())]);
    let stored = |at, is_checked| Met::Stored {
        at: Timestamp::from_millis(at),
        is_checked,
    };
    for (met, passes) in [
        (stored(9, false), true),
        (stored(10, false), false),
        (stored(11, false), false),
        (stored(11, true), true),
        (Met::Sent, false),
    ] {
        assert_eq!(
            admit(&catalogue, "acme", "a", met).is_ok(),
            passes,
            "{met:?}"
        );
    }
}

#[test]
fn a_missing_category_is_that_of_the_name() {
    let catalogue = Catalogue::default();
    let of = |name| admit(&catalogue, "acme", name, Met::Sent).unwrap();
    assert_eq!(of("challenge-completion").as_deref(), Some("challenge"));
    assert_eq!(of("custom"), None);

    catalogue.apply(vec![
        put("acme.challenge-completion", 1, &json!({})),
        put("acme.custom", 2, &json!({"category": "own"})),
    ]);

    assert_eq!(of("challenge-completion"), None);
    assert_eq!(of("custom").as_deref(), Some("own"));
    let mut given = event(
        "acme",
        "{\"eventSubCategory\":\"custom\",\"eventCategory\":\"its\"}",
    );
    catalogue.admit(&mut given, Met::Sent).unwrap();
    assert_eq!(given.category.as_deref(), Some("its"));
}

#[test]
fn nobody_may_say_whether_an_event_fits_what_can_not_be_read() {
    let catalogue = Catalogue::default();
    let newer = json!({"schema": 2});
    let broken = json!({"payloadSchema": {"$ref": "https://a.example/"}});
    for value in [newer, broken] {
        catalogue.apply(vec![put("acme.a", 10, &value)]);
        let mut event = event("acme", "{\"eventSubCategory\":\"a\"}");
        let refused = catalogue.admit(&mut event, Met::Sent);
        assert_eq!(refused, Err(Refusal::Unreadable), "{value}");
        let checked = Met::Stored {
            at: Timestamp::from_millis(11),
            is_checked: true,
        };
        assert_eq!(catalogue.admit(&mut event, checked), Ok(()));
    }
}

#[test]
fn the_mark_is_read_as_it_is_written() {
    let mut headers = HeaderMap::new();
    assert!(!is_checked(None));
    assert!(!is_checked(Some(&headers)));
    mark_checked(&mut headers);
    assert!(is_checked(Some(&headers)));
}

fn demanding() -> Value {
    json!({"payloadSchema": {"type": "string"}})
}

/// Sends an event whose payload is an object, and returns the category that it gets.
fn admit(
    catalogue: &Catalogue,
    organisation: &str,
    name: &str,
    met: Met,
) -> Result<Option<String>, String> {
    let body = json!({"eventSubCategory": name, "payload": {}}).to_string();
    let mut event = event(organisation, &body);
    let admitted = catalogue.admit(&mut event, met);
    admitted
        .map(|()| event.category)
        .map_err(|refusal| refusal.to_string())
}

fn event(owner: &str, body: &str) -> Event {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let now = Timestamp::from_millis(5);
    Event::read(&organisation(owner), &body, now, 1_000_000).unwrap()
}

fn organisation(text: &str) -> OrganisationId {
    text.parse().unwrap()
}

fn put(key: &str, at: i64, fields: &Value) -> Change {
    let (_, name) = key.split_once('.').unwrap();
    let name: EventName = name.parse().unwrap();
    let time = "2026-03-14T10:21:45.102Z";
    let mut value = json!({"schema": 1, "name": name, "createdAt": time, "updatedAt": time});
    let fields = fields.as_object().unwrap().clone();
    value.as_object_mut().unwrap().extend(fields);
    Change {
        value: Some(Bytes::from(value.to_string())),
        ..gone(key, at)
    }
}

fn gone(key: &str, at: i64) -> Change {
    Change {
        key: key.to_owned(),
        value: None,
        revision: u64::try_from(at).unwrap(),
        stored_at: Timestamp::from_millis(at),
    }
}

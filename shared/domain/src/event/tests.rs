use bytes::Bytes;
use proptest::prelude::*;

use super::{BodyHash, EVENT_MAX_BYTES, Event, Fault, items, sent_max_bytes, stored_max_bytes};
use crate::{name::OrganisationId, time::Timestamp};

#[test]
fn a_complete_event_keeps_every_byte() {
    let body = "{ \"id\" : \"evt-1\",\n \"eventSubCategory\":\"challenge-completion\", \"n\": 1.0e400, \
                \"u\":\"\\u00e9\", \"createdAt\": \"2026-03-14T10:21:45.102Z\" } ";

    let event = read(body).unwrap();

    assert_eq!(event.body, body.as_bytes());
    assert_eq!(event.id.as_str(), "evt-1");
    assert_eq!(event.name.as_str(), "challenge-completion");
}

#[test]
fn what_is_missing_is_put_behind_the_brace() {
    let event = read(" {\"eventSubCategory\":\"a\",\"x\":1}").unwrap();

    assert_eq!(
        std::str::from_utf8(&event.body).unwrap(),
        format!(
            " {{\"id\":\"{}\",\"createdAt\":\"2026-03-14T10:21:45.102Z\",\"eventSubCategory\":\"a\",\"x\":1}}",
            event.id
        )
    );
}

#[test]
fn only_the_missing_field_is_added() {
    let event = read("{\"eventSubCategory\":\"a\",\"id\":\"e1\"}").unwrap();

    assert_eq!(
        event.body,
        "{\"createdAt\":\"2026-03-14T10:21:45.102Z\",\"eventSubCategory\":\"a\",\"id\":\"e1\"}"
    );
}

#[test]
fn a_derived_id_depends_on_organisation_name_and_bytes_only() {
    let body = Bytes::from_static(b"{\"eventSubCategory\":\"a\"}");
    let id = |organisation: &str, at| {
        Event::read(
            &organisation.parse().unwrap(),
            &body,
            Timestamp::from_millis(at),
            1_000,
        )
        .unwrap()
        .id
    };

    assert_eq!(id("acme", 1), id("acme", 2));
    assert_ne!(id("acme", 1), id("other", 1));
    assert_ne!(
        read("{\"eventSubCategory\":\"a\"}").unwrap().id,
        read("{\"eventSubCategory\": \"a\"}").unwrap().id
    );
}

#[test]
fn faults_name_their_field() {
    check("{}", "eventSubCategory: is required");
    check(
        "{\"eventSubCategory\":1}",
        "eventSubCategory: must be a string",
    );
    check(
        "{\"eventSubCategory\":null}",
        "eventSubCategory: must be a string",
    );
    check(
        "{\"eventSubCategory\":\"a..b\"}",
        "eventSubCategory: must be 1 to 64 characters",
    );
    check(
        "{\"eventSubCategory\":\"a\",\"id\":null}",
        "id: must be a string",
    );
    check(
        "{\"eventSubCategory\":\"a\",\"id\":\"a.b\"}",
        "id: must be 1 to 128 characters",
    );
    check(
        "{\"eventSubCategory\":\"a\",\"createdAt\":\"soon\"}",
        "createdAt: must be an RFC 3339 time",
    );
    check(
        "{\"eventSubCategory\":\"a\",\"eventSourceId\":7}",
        "eventSourceId: must be a string",
    );
    check(
        "{\"eventSubCategory\":\"a\",\"eventCategory\":\"\\u0000\"}",
        "eventCategory: must not hold control",
    );
    check(
        "{\"eventSubCategory\":\"a\",\"organisationId\":\"other\"}",
        "organisationId: is not the organisation",
    );
    check(
        "{\"eventSubCategory\":\"a\",\"id\":\"1\",\"id\":\"2\"}",
        "must be JSON: duplicate field `id`",
    );
    check("[]", "must be a JSON object");
    check("null", "must be a JSON object");
    check("", "must be a JSON object");
    check("{\"eventSubCategory\":\"a\"", "must be JSON: EOF");
    check(
        "{\"eventSubCategory\":\"a\"}{}",
        "must be JSON: trailing characters",
    );
    check("{\"eventSubCategory\":\"a\",\"x\":01}", "must be JSON");
}

#[test]
fn escapes_are_read_like_what_they_stand_for() {
    let event =
        read("{\"event\\u0053ubCategory\":\"a\\u002db\",\"eventSourceId\":\"\\u00e9\"}").unwrap();

    assert_eq!(event.name.as_str(), "a-b");
    assert_eq!(event.source_id.as_deref(), Some("é"));
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    let body = Bytes::from_static(b"{\"eventSubCategory\":\"a\",\"x\":\"\xff\"}");

    let fault = Event::read(&organisation(), &body, Timestamp::from_millis(0), 1_000).unwrap_err();

    assert_eq!(fault, Fault::NotAnObject("must be UTF-8 text".to_owned()));
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let body = Bytes::from_static(b"{\"eventSubCategory\":\"a\"}");

    let fault = Event::read(&organisation(), &body, Timestamp::from_millis(0), 23).unwrap_err();

    assert_eq!(
        fault,
        Fault::TooLarge {
            limit: 23,
            size: 24
        }
    );
}

#[test]
fn an_event_is_nested_at_most_128_deep() {
    let nested = |n: usize| {
        format!(
            "{{\"eventSubCategory\":\"a\",\"s\":\"[[\\\"{{\",\"x\":{}{}}}",
            "[".repeat(n),
            "]".repeat(n)
        )
    };

    assert!(read(&nested(127)).is_ok());
    assert_eq!(
        read(&nested(128)).unwrap_err().to_string(),
        "must be nested at most 128 deep"
    );
    assert!(read(&nested(200_000)).is_err());
}

#[test]
fn an_event_of_the_largest_size_is_read_again_after_its_completion() {
    let frame = "{\"eventSubCategory\":\"a\",\"x\":\"\"}".len();
    let body = format!(
        "{{\"eventSubCategory\":\"a\",\"x\":\"{}\"}}",
        "x".repeat(EVENT_MAX_BYTES - frame)
    );
    let body = Bytes::from(body);
    let at = Timestamp::from_millis(0);

    let event = Event::read(&organisation(), &body, at, sent_max_bytes(usize::MAX - 999)).unwrap();
    let again = Event::read(
        &organisation(),
        &event.body,
        at,
        stored_max_bytes(usize::MAX - 999),
    );

    assert!(event.body.len() > EVENT_MAX_BYTES);
    assert_eq!(again, Ok(event));
}

#[test]
fn a_batch_is_split_without_copying_its_items() {
    let body = Bytes::from_static(b" [ {\"a\": 1} ,{\"b\":2}]\n");

    let items = items(&body).unwrap();

    assert_eq!(items, ["{\"a\": 1}", "{\"b\":2}"]);
    assert!(body.as_ptr_range().contains(&items[0].as_ptr()));
}

#[test]
fn a_batch_has_from_1_to_1000_items() {
    let of = |n: usize| Bytes::from(format!("[{}]", vec!["{}"; n].join(",")));

    assert!(items(&of(0)).is_err());
    assert_eq!(items(&of(1_000)).unwrap().len(), 1_000);
    assert!(items(&of(1_001)).is_err());
    assert!(items(&of(100_000)).is_err());
}

#[test]
fn hashes_print_what_they_parse() {
    let hash = BodyHash::of(b"");

    assert_eq!(hash.to_string(), "e3b0c44298fc1c149afbf4c8996fb924");
    assert_eq!(BodyHash::parse(&hash.to_string()), Some(hash));
    assert_eq!(BodyHash::parse("+3b0c44298fc1c149afbf4c8996fb924"), None);
}

proptest! {
    #[test]
    fn reading_never_panics_and_is_deterministic(text in "\\PC{0,200}") {
        prop_assert_eq!(read(&text), read(&text));
    }

    #[test]
    fn what_was_completed_is_read_unchanged(extra in "[a-z]{1,8}", value in any::<i64>()) {
        let event = read(&format!("{{\"eventSubCategory\":\"a\",\"x-{extra}\":{value}}}")).unwrap();
        let again = Event::read(&organisation(), &event.body, Timestamp::from_millis(9), 10_000).unwrap();

        prop_assert_eq!(again, event);
    }
}

fn check(body: &str, begins: &str) {
    let fault = read(body).unwrap_err().to_string();
    assert!(fault.starts_with(begins), "{body}: {fault}");
}

fn read(body: &str) -> Result<Event, Fault> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let at = Timestamp::from_millis(1_773_483_705_102);
    Event::read(&organisation(), &body, at, 1_000_000)
}

fn organisation() -> OrganisationId {
    OrganisationId::try_new("acme").unwrap()
}

use bytes::Bytes;

use super::{Form, Headers, read_message, read_request};
use crate::{content::CLOUD_EVENT, event::Fault, time::Timestamp};

const EVENT: &str =
    "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/shop\",\"type\":\"order.paid\"}";

#[test]
fn headers_tell_the_form() {
    for (headers, form) in [
        (&[][..], Form::Own),
        (&[("content-type", "application/json")], Form::Own),
        (
            &[("ce-other", "1"), ("content-type", "text/plain")],
            Form::Own,
        ),
        (
            &[(
                "Content-Type",
                "Application/CloudEvents+JSON; charset=utf-8",
            )],
            Form::Structured,
        ),
        (
            &[("content-type", CLOUD_EVENT), ("ce-id", "1")],
            Form::Structured,
        ),
        (
            &[("content-type", "application/cloudevents")],
            Form::Structured,
        ),
        (
            &[("content-type", "application/cloudevents-batch+json")],
            Form::Batch,
        ),
        (
            &[("content-type", "application/cloudevents+avro")],
            Form::Unknown,
        ),
        (&[("CE-SpecVersion", "1.0")], Form::Binary),
        (
            &[("content-type", "image/png"), ("ce-id", "1")],
            Form::Binary,
        ),
    ] {
        assert_eq!(of(headers).form(), form, "{headers:?}");
    }
}

#[test]
fn a_message_without_headers_may_be_a_cloud_event_all_the_same() {
    let read = |body: &str| message(&[], body);

    let event = read(EVENT).unwrap();

    assert_eq!(event.name.as_str(), "order.paid");
    assert_eq!(event.body, EVENT);
    assert_eq!(
        event,
        message(&[("content-type", CLOUD_EVENT)], EVENT).unwrap()
    );
    assert!(
        read("{\"eventSubCategory\":\"a\",\"specversion\":\"1.0\"}")
            .unwrap()
            .content
            .is_own()
    );
}

#[test]
fn a_message_holds_one_event() {
    let batch = [("content-type", "application/cloudevents-batch+json")];

    let fault = message(&batch, &format!("[{EVENT}]")).unwrap_err();

    assert_eq!(fault.to_string(), "must be one event, not a batch");
}

#[test]
fn a_request_that_reads_like_a_cloud_event_is_told_how_to_send_it() {
    let refused = request(&[("content-type", "application/json")], EVENT).unwrap_err();

    assert_eq!(refused, (None, Fault::CloudEvent.to_string()));
}

#[test]
fn a_batch_is_read_item_by_item_and_names_the_wrong_one() {
    let batch = [("content-type", "application/cloudevents-batch+json")];
    let other = EVENT.replace("\"1\"", "\"2\"");

    let read = request(&batch, &format!(" [{EVENT} , {other}]\n")).unwrap();

    assert_eq!(read, [EVENT, other.as_str()]);
    for (body, at, fault) in [
        (
            format!("[{EVENT},{{}}]"),
            Some(1),
            "specversion: is required",
        ),
        (EVENT.to_owned(), None, "must be a JSON array"),
        ("[]".to_owned(), None, "must hold at least one event"),
        (
            format!("[{}]", vec![EVENT; 1_001].join(",")),
            None,
            "must hold at most 1000 events",
        ),
    ] {
        assert_eq!(request(&batch, &body), Err((at, fault.to_owned())));
    }
}

#[test]
fn an_array_is_no_structured_event() {
    let structured = [("content-type", CLOUD_EVENT)];

    let refused = request(&structured, &format!("[{EVENT}]")).unwrap_err();

    assert_eq!(refused, (None, "must be a JSON object".to_owned()));
}

#[test]
fn events_of_our_own_form_are_read_as_ever() {
    let one = "{\"id\":\"e1\",\"eventSubCategory\":\"a\",\"createdAt\":\"2026-01-01T00:00:00Z\"}";

    assert_eq!(request(&[], &format!(" {one}\n")).unwrap(), [one]);
    assert_eq!(request(&[], &format!("[{one},{one}]")).unwrap(), [one, one]);
    assert_eq!(
        request(&[], &format!("[{one},{{}}]")).unwrap_err(),
        (Some(1), "eventSubCategory: is required".to_owned())
    );
}

fn of<'a>(headers: &[(&'a str, &'a str)]) -> Headers<'a> {
    headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect()
}

fn message(headers: &[(&str, &str)], body: &str) -> Result<crate::event::Event, Fault> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let at = Timestamp::from_millis(1_000);
    read_message(&acme(), &of(headers), &body, at, 10_000)
}

/// Returns the bodies of the events that were read, or which one was refused and why.
fn request(headers: &[(&str, &str)], body: &str) -> Result<Vec<String>, (Option<usize>, String)> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let at = Timestamp::from_millis(1_000);
    let events = read_request(&acme(), &of(headers), &body, at, 1_000_000)
        .map_err(|refused| (refused.at, refused.fault.to_string()))?;
    let text = |event: crate::event::Event| String::from_utf8(event.body.to_vec()).unwrap();
    Ok(events.into_iter().map(text).collect())
}

fn acme() -> crate::name::OrganisationId {
    "acme".parse().unwrap()
}

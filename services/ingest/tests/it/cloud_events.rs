use serde_json::json;

use crate::installation::Installation;

const EVENTS: &str = "/api/v2/events";
const STRUCTURED: (&str, &str) = (
    "content-type",
    "application/cloudevents+json; charset=utf-8",
);
const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");
const EVENT: &str = "{ \"specversion\":\"1.0\", \"type\":\"order.paid\",\"source\":\"/shop\",\n \"id\":\"1\",\"data\":{\"n\":1.0} }";
const BINARY: [(&str, &str); 5] = [
    ("CE-SpecVersion", "1.0"),
    ("ce-type", "order.paid"),
    ("ce-source", "/shop"),
    ("ce-id", "1"),
    ("ce-subject", "%E2%82%AC 7"),
];

#[tokio::test]
async fn a_cloud_event_is_stored_as_it_was_sent_in_each_of_its_forms() {
    let installation = Installation::start().await;
    let send = async |headers: &[(&str, &str)], body: String| {
        let reply = installation.post("producer", EVENTS, headers, body).await;
        let accepted = reply.expect(202)["accepted"].clone();
        (
            accepted[0]["id"].as_str().unwrap().to_owned(),
            accepted[0]["deduplicated"].clone(),
        )
    };
    let second = EVENT.replace("\"1\"", "\"2\"");

    let (id, _) = send(&[STRUCTURED], EVENT.to_owned()).await;
    let (other, _) = send(&[BATCH], format!("[{second}]")).await;
    let third = [("ce-id", "3"), ("content-type", "text/plain")];
    let third = [&BINARY[..3], &BINARY[4..], &third[..]].concat();
    send(&third, "any \u{e9} data".to_owned()).await;
    // Source and id say that it is the first event, whatever the form.
    let again = send(&BINARY, "{}".to_owned()).await;

    assert_eq!(again, (id.clone(), json!(true)));
    assert_ne!(other, id);
    let stored = installation.stored().await;
    assert_eq!(stored.len(), 3);
    assert!(
        stored
            .iter()
            .all(|message| message.subject == "posthorn.events.acme.order.paid")
    );
    let [structured, batched, binary] = &stored[..] else {
        panic!("{stored:?}");
    };
    assert_eq!(structured.body, EVENT);
    assert_eq!(batched.body, second);
    for message in [structured, batched] {
        let media_type = message.header("content-type");
        assert_eq!(media_type, Some("application/cloudevents+json"));
    }
    assert_eq!(
        structured.header("nats-msg-id"),
        Some(&*format!("acme:{id}"))
    );
    assert_eq!(binary.body, "any \u{e9} data");
    for (name, value) in [
        ("content-type", "text/plain"),
        ("ce-specversion", "1.0"),
        ("ce-type", "order.paid"),
        ("ce-source", "/shop"),
        ("ce-id", "3"),
        ("ce-subject", "%E2%82%AC 7"),
    ] {
        assert_eq!(binary.header(name), Some(value), "{name}");
    }
    assert_eq!(binary.header("x-api-token"), None);
}

#[tokio::test]
async fn what_is_wrong_with_a_structured_event_is_named_and_nothing_is_stored() {
    let installation = Installation::start().await;
    let no_type = EVENT.replace("\"type\"", "\"kind\"");
    let no_name = EVENT.replace("order.paid", "order paid");
    let foreign = EVENT.replace("\"data\"", "\"organisationid\":\"other\",\"data\"");
    let second = format!("[{EVENT},{no_type}]");
    let check = async |header, body: &str, status, message| {
        check(&installation, &[header], body, (status, message)).await;
    };

    check(STRUCTURED, &no_type, 400, "type: is required").await;
    check(STRUCTURED, &no_name, 400, "type: must be 1 to 64").await;
    check(STRUCTURED, "[]", 400, "body: must be a JSON object").await;
    check(STRUCTURED, &foreign, 403, "organisationId: is not").await;
    check(BATCH, &second, 400, "[1].type: is required").await;
    check(BATCH, EVENT, 400, "body: must be a JSON array").await;

    assert_eq!(installation.stored().await.len(), 0);
}

#[tokio::test]
async fn what_is_wrong_with_a_binary_event_is_named_and_nothing_is_stored() {
    let installation = Installation::start().await;
    let with = |more: (&'static str, &'static str)| [&BINARY[..], &[more]].concat();
    let large = "x".repeat(1_048_577);
    let check = async |headers: &[(&str, &str)], body: &str, status, message| {
        check(&installation, headers, body, (status, message)).await;
    };

    check(&BINARY[1..], "", 400, "specversion: is required").await;
    check(&with(("ce-note", "100%")), "", 400, "note: must have two").await;
    check(&with(("ce-id", "2")), "", 400, "id: must be given once").await;
    check(&with(("ce-a-b", "2")), "", 400, "a-b: is no attribute").await;
    check(&BINARY, &large, 413, "body: must be at most 1048576").await;

    assert_eq!(installation.stored().await.len(), 0);
}

#[tokio::test]
async fn other_media_types_are_refused() {
    let installation = Installation::start().await;
    let coded = [&BINARY[..], &[("content-encoding", "gzip")]].concat();
    let avro = ("content-type", "application/cloudevents+avro");
    let text = ("content-type", "text/plain");
    let json = ("content-type", "application/json");
    let check = async |headers: &[(&str, &str)], status, message| {
        check(&installation, headers, EVENT, (status, message)).await;
    };

    check(&[avro], 415, "content-type: must be application/clou").await;
    check(&[text], 415, "content-type: must be application/json").await;
    check(&coded, 415, "content-encoding: must be left out").await;
    check(&[json], 400, "eventSubCategory: is required; a CloudE").await;

    assert_eq!(installation.stored().await.len(), 0);
}

/// Checks that a request is refused, and with which message.
async fn check(
    installation: &Installation,
    headers: &[(&str, &str)],
    body: &str,
    (status, message): (u16, &str),
) {
    let code = match status {
        400 => "BAD_REQUEST",
        403 => "FORBIDDEN",
        413 => "PAYLOAD_TOO_LARGE",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        other => panic!("{other}"),
    };
    let body = body.to_owned();
    let reply = installation.post("producer", EVENTS, headers, body).await;

    let found = reply.refused(status, code, "postEvents");
    assert!(found.starts_with(message), "{headers:?}: {found}");
}

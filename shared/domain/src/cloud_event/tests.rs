use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{binary, structured};
use crate::{
    event::{Event, Fault},
    incoming::Headers,
};

const ODD: &str = "{ \"data\" : {\"z\":1.10e+2,\t\"a\":\"\\u00e9\"},\r\n \"specversion\":\"1.0\", \
    \"type\":\"order.paid\",\"subject\":\"ord\\u00e9r-1\", \"id\":\"A 234\", \"source\":\"https://a.example/x?y=1\", \
    \"time\":\"2018-04-05T17:31:00.123456789+02:00\",\"comexample\":null, \"sequence\":-7,\"flag\":true, \
    \"dataschema\":\"urn:x\",\"datacontenttype\":\"application/vnd.x+json\", \"eventcategory\":\"shop\" } ";

#[test]
fn a_structured_event_keeps_every_byte() {
    let event = read(ODD).unwrap();

    assert_eq!(event.body, ODD);
    assert_eq!(event.name.as_str(), "order.paid");
    assert_eq!(event.source_id.as_deref(), Some("ordér-1"));
    assert_eq!(event.category.as_deref(), Some("shop"));
    assert_eq!(
        event.content.headers(),
        [(
            "content-type".to_owned(),
            "application/cloudevents+json".to_owned()
        )]
    );
}

#[test]
fn source_and_id_make_an_event_whatever_its_form() {
    let of = |id: &str, source: &str| {
        let headers = [
            ("ce-id", id),
            ("ce-source", source),
            ("ce-type", "a"),
            ("ce-specversion", "1.0"),
        ];
        read_binary(&headers, b"").unwrap().id
    };
    let other = "other".parse().unwrap();

    let id = read(ODD).unwrap().id;

    assert!(
        id.as_str().starts_with("ce_") && id.as_str().len() == 35,
        "{id}"
    );
    assert_eq!(id, of("A%20234", "https://a.example/x?y=1"));
    assert_ne!(of("1", "/a"), of("2", "/a"));
    assert_ne!(of("1", "/a"), of("1", "/b"));
    assert_ne!(of("1", "/a1"), of("11", "/a"));
    assert_ne!(id, structured(&other, &Bytes::from(ODD), 1_000).unwrap().id);
}

#[test]
fn a_binary_event_keeps_its_data_and_headers() {
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-type", "order.paid"),
        ("ce-source", "/shop"),
        ("ce-id", "1"),
        ("ce-subject", "%E2%82%AC%20\u{20ac}"),
        ("ce-comexample", "\"quoted value\""),
        ("Content-Type", "image/png"),
    ];

    let event = read_binary(&headers, b"\x89PNG\xff").unwrap();

    assert_eq!(event.body, b"\x89PNG\xff".as_slice());
    assert_eq!(event.source_id.as_deref(), Some("\u{20ac} \u{20ac}"));
    let kept: Vec<(&str, &str)> = (event.content.headers().iter())
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        kept,
        [
            ("ce-comexample", "\"quoted value\""),
            ("ce-id", "1"),
            ("ce-source", "/shop"),
            ("ce-specversion", "1.0"),
            ("ce-subject", "%E2%82%AC%20%E2%82%AC"),
            ("ce-type", "order.paid"),
            ("content-type", "image/png"),
        ]
    );
}

#[test]
fn the_hash_of_a_body_covers_the_headers_that_travel_with_it() {
    let with = |subject: &str| {
        let mut headers = REQUIRED.to_vec();
        headers.push(("ce-subject", subject));
        read_binary(&headers, b"{}").unwrap().body_hash()
    };

    assert_eq!(with("a"), with("a"));
    assert_ne!(with("a"), with("b"));
}

#[test]
fn data_may_have_no_media_type_or_name_it_as_an_attribute() {
    let media_type = |more: &[(&'static str, &'static str)]| {
        let headers: Vec<_> = REQUIRED.iter().chain(more).copied().collect();
        read_binary(&headers, b"x").map(|event| {
            let headers = event.content.headers();
            let found = headers.iter().find(|(name, _)| name == "content-type");
            assert!(headers.iter().all(|(name, _)| name != "ce-datacontenttype"));
            found.map(|(_, value)| value.clone())
        })
    };

    assert_eq!(media_type(&[]).unwrap(), None);
    for headers in [
        &[("content-type", "text/plain")][..],
        &[("ce-datacontenttype", "text/plain")],
        &[
            ("ce-datacontenttype", "text/plain"),
            ("content-type", "text/plain"),
        ],
    ] {
        assert_eq!(media_type(headers).unwrap().as_deref(), Some("text/plain"));
    }
    let both = [
        ("ce-datacontenttype", "text/plain"),
        ("content-type", "text/html"),
    ];
    assert_eq!(
        media_type(&both).unwrap_err().to_string(),
        "datacontenttype: must be what content-type says"
    );
}

#[test]
fn faults_of_structured_events_name_their_attribute() {
    let long = "x".repeat(2_049);
    for (change, fault) in [
        (json!({"specversion": null}), "specversion: is required"),
        (json!({"specversion": "0.3"}), "specversion: must be 1.0"),
        (json!({"id": ""}), "id: must not be empty"),
        (json!({"id": long}), "id: must be at most 2048 bytes"),
        (json!({"id": {}}), "id: must be a string, a whole number"),
        (json!({"source": null}), "source: is required"),
        (json!({"type": "a b"}), "type: must be 1 to 64 characters"),
        (
            json!({"type": "x".repeat(65)}),
            "type: must be 1 to 64 characters",
        ),
        (json!({"subject": ""}), "subject: must not be empty"),
        (
            json!({"subject": "x".repeat(257)}),
            "subject: must be at most 256 bytes",
        ),
        (json!({"time": "noon"}), "time: must be an RFC 3339 time"),
        (
            json!({"datacontenttype": "json"}),
            "datacontenttype: must be a media type",
        ),
        (json!({"dataschema": ""}), "dataschema: must not be empty"),
        (
            json!({"organisationid": "other"}),
            "organisationId: is not the organisation",
        ),
        (
            json!({"weight": 1.5}),
            "weight: must be a string, a whole number",
        ),
        (
            json!({"sequence": 2_147_483_648_i64}),
            "sequence: must be a string, a whole number",
        ),
        (
            json!({"tags": ["a"]}),
            "tags: must be a string, a whole number",
        ),
        (json!({"comExample": "x"}), "comExample: is no attribute"),
        (json!({"com_example": "x"}), "com_example: is no attribute"),
        (json!({"": "x"}), ": is no attribute"),
        (
            json!({"abcdefghijklmnopqrstu": "x"}),
            "abcdefghijklmnopqrstu: is no attribute",
        ),
        (json!({"note": "a\u{85}b"}), "note: must not hold control"),
    ] {
        check(&change, fault);
    }
}

#[test]
fn data_is_given_once_as_json_or_as_base64() {
    for (change, fault) in [
        (
            json!({"data": 1, "data_base64": "AA=="}),
            "data_base64: must not stand beside data",
        ),
        (json!({"data_base64": "A"}), "data_base64: must be base64"),
        (json!({"data_base64": 1}), "data_base64: must be a string"),
    ] {
        check(&change, fault);
    }
}

#[test]
fn what_is_no_single_object_is_refused() {
    let base = "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/a\",\"type\":\"a\"";
    for (body, fault) in [
        ("", "must be a JSON object"),
        ("[]", "must be a JSON object"),
        (&format!("{{{base}"), "must be JSON: EOF"),
        (
            &format!("{{{base}}} x"),
            "must be JSON: trailing characters",
        ),
        (
            &format!("{{{base},\"id\":\"2\"}}"),
            "id: must be given once",
        ),
        (
            &format!("{{{base},\"\\u0069d\":\"2\"}}"),
            "id: must be given once",
        ),
        (
            &format!("{{{base},\"data\":1,\"data\":1}}"),
            "data: must be given once",
        ),
        (
            &format!("{{{base},\"data\":{}{}}}", "[".repeat(128), "]".repeat(128)),
            "must be nested at most 128 deep",
        ),
        (
            &format!(
                "{{{base}{}}}",
                (0..1_000)
                    .map(|n| format!(",\"a{n}\":1"))
                    .collect::<String>()
            ),
            "a60: is one attribute more than 64",
        ),
    ] {
        let found = read(body).unwrap_err().to_string();

        assert!(found.starts_with(fault), "{body}: {found}");
    }
    let data = "{\"data\":null,\"data_base64\":\"AA==\",";
    assert!(read(&format!("{data}{base}}}")).is_ok());
}

#[test]
fn faults_of_binary_events_name_their_attribute() {
    let long = "x".repeat(8_200);
    for (headers, fault) in [
        (&[("ce-id", "2")][..], "id: must be given once"),
        (&[("ce-note", "100%")], "note: must have two hex digits"),
        (&[("ce-note", "%00")], "note: must not hold control"),
        (
            &[("ce-note", "%c0%a0")],
            "note: must be percent-encoded UTF-8",
        ),
        (
            &[("ce-note", "\"open")],
            "note: must end with its quotation mark",
        ),
        (&[("ce-com-example", "x")], "com-example: is no attribute"),
        (
            &[("ce-note", &long)],
            "ce-*: must be at most 8192 bytes together",
        ),
        (
            &[("content-type", "text")],
            "datacontenttype: must be a media type",
        ),
        (
            &[("content-type", "text/\u{e9}")],
            "datacontenttype: must be a media type",
        ),
        (
            &[("ce-organisationid", "other")],
            "organisationId: is not the organisation",
        ),
    ] {
        let headers: Vec<_> = REQUIRED.iter().chain(headers).copied().collect();

        let found = read_binary(&headers, b"").map(|event| event.content);

        let found = found.unwrap_err().to_string();
        assert!(found.starts_with(fault), "{headers:?}: {found}");
    }
    for missing in 0..REQUIRED.len() {
        let mut headers = REQUIRED.to_vec();
        let (name, _) = headers.remove(missing);
        let name = name.trim_start_matches("ce-");

        let found = read_binary(&headers, b"").unwrap_err().to_string();

        assert_eq!(found, format!("{name}: is required"));
    }
}

#[test]
fn events_over_the_limit_are_refused() {
    let too_large = |limit, size| Err(Fault::TooLarge { limit, size });

    assert_eq!(
        structured(&acme(), &Bytes::from(ODD), 10),
        too_large(10, ODD.len())
    );
    assert_eq!(
        binary(&acme(), &Headers::default(), &Bytes::from("12345"), 4),
        too_large(4, 5)
    );
}

proptest! {
    #[test]
    fn reading_never_panics_and_is_deterministic(text in "\\PC{0,200}") {
        prop_assert_eq!(read(&text), read(&text));
    }

    /// Whatever a structured event says, a receiver reads the same from what it gets, and the same event in
    /// binary form has the same id, name and source id.
    #[test]
    fn both_forms_are_the_same_event(
        id in "[^\\p{Cc}]{1,20}",
        source in "[^\\p{Cc}]{1,20}",
        subject in "[^\\p{Cc}]{1,20}",
        data in "\\PC{0,40}",
    ) {
        let sent = json!({
            "specversion": "1.0", "type": "a.b", "id": id, "source": source, "subject": subject, "data": data,
        });
        let encoded = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
        let (id, source, subject) = (encoded(&id), encoded(&source), encoded(&subject));
        let headers = [
            ("ce-specversion", "1.0"), ("ce-type", "a.b"), ("ce-id", &id), ("ce-source", &source),
            ("ce-subject", &subject), ("content-type", "text/plain"),
        ];

        let whole = read(&sent.to_string()).unwrap();
        let parts = read_binary(&headers, data.as_bytes()).unwrap();

        let got: Value = serde_json::from_slice(&whole.body).unwrap();
        prop_assert_eq!(got, sent);
        prop_assert_eq!(&parts.body, data.as_bytes());
        prop_assert_eq!((&whole.id, &whole.name, &whole.source_id), (&parts.id, &parts.name, &parts.source_id));
        for (name, value) in headers {
            let kept = parts.content.headers().contains(&(name.to_owned(), value.to_owned()));
            prop_assert!(kept, "{}", name);
        }
    }
}

const REQUIRED: [(&str, &str); 4] = [
    ("ce-specversion", "1.0"),
    ("ce-type", "a"),
    ("ce-source", "/a"),
    ("ce-id", "1"),
];

/// Checks what is found wrong with an event that is right but for a change.
fn check(change: &Value, fault: &str) {
    let mut event = json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "a"});
    let members = change.as_object().unwrap().clone();
    event.as_object_mut().unwrap().extend(members);

    let found = read(&event.to_string()).unwrap_err().to_string();

    assert!(found.starts_with(fault), "{change}: {found}");
}

fn read(body: &str) -> Result<Event, Fault> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    structured(&acme(), &body, 1_000_000)
}

fn read_binary(headers: &[(&str, &str)], data: &[u8]) -> Result<Event, Fault> {
    let headers: Headers<'_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    binary(&acme(), &headers, &Bytes::copy_from_slice(data), 1_000_000)
}

fn acme() -> crate::name::OrganisationId {
    "acme".parse().unwrap()
}

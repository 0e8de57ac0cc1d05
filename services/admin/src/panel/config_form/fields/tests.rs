//! Forms as they are filled in, and what the API gets of them.

use serde_json::{Value, json};

use super::Fields;
use crate::panel::form::Form;

#[test]
fn a_form_becomes_what_the_api_takes() {
    let fields = read(
        "url=https%3A%2F%2Fa.example%2F&method=PUT&isEnabled=on&event=a.b&event=c&patterns=d.*%0D%0Ae\
         &entity.a.b=1%2C+2&entity.zzz=3&headers=X-A%3A+1%3A2%0D%0A%0D%0AX-B%3A3&scheme=jwt&preset=qstash\
         &maxRetries=5&delayKind=schedule&delay=1000%2C+2000&timeoutMs=5000&rateLimit=2.5&maxInFlight=",
    );

    assert_eq!(
        fields.draft(None).unwrap(),
        json!({
            "url": "https://a.example/", "description": null, "httpMethod": "PUT",
            "isEnabled": true, "events": ["a.b", "c", "d.*", "e"],
            "entityFilters": {"a.b": ["1", "2"]}, "headers": {"X-A": "1:2", "X-B": "3"},
            "retryPolicy": {"preset": "qstash", "delay": {"schedule": [1000, 2000]}},
            "maxRetries": 5, "timeoutMs": 5000, "rateLimit": 2.5, "maxInFlight": null,
            "signing": "jwt",
        })
    );
    assert_eq!(fields.timetable().unwrap().ticks.len(), 6);
}

#[test]
fn what_can_not_be_read_is_named() {
    for (form, fault) in [
        ("headers=X", "headers: must be one on each line"),
        ("headers=X%3A1%0AX%3A2", "headers: X is given twice"),
        ("timeoutMs=soon", "timeoutMs: must be a number"),
        ("delayKind=fixed&delay=1+2", "delay: must be a number of"),
        ("delayKind=schedule&delay=x", "delay: must be milliseconds"),
        (
            "delayKind=exponential&delay=1",
            "delay: must be base, factor",
        ),
    ] {
        let told = read(form).draft(None).unwrap_err();
        assert!(told.starts_with(fault), "{told}");
    }
}

#[test]
fn every_way_to_delay_is_drawn() {
    for (form, attempts) in [
        ("preset=standard-webhooks", Some(10)),
        ("preset=nudj&delayKind=fixed&delay=1000", Some(4)),
        (
            "preset=custom&delayKind=exponential&delay=1000,2,60000&maxRetries=2",
            Some(3),
        ),
        (
            "preset=custom&delayKind=expression&delay=pow(2,+retried)",
            Some(4),
        ),
        ("preset=custom", None),
        ("preset=custom&delayKind=expression&delay=pow(", None),
        ("preset=nudj&maxRetries=many", None),
    ] {
        let drawn = read(form).timetable();
        assert_eq!(drawn.map(|drawn| drawn.ticks.len()), attempts, "{form}");
    }
}

fn read(form: &str) -> Fields {
    Fields::of_form(&Form::parse(form.as_bytes()))
}

#[test]
fn an_empty_form_is_no_config() {
    let draft = Fields::default().draft(None).unwrap();

    assert_eq!(draft["events"], json!([]));
    assert_eq!(draft["maxRetries"], Value::Null);
}

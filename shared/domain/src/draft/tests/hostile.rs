//! Drafts that say one thing and look like another.

use serde_json::json;

use super::{context, create, refused, with};
use crate::{
    destination::Policy,
    draft::{ConfigDraft, Object},
};

#[test]
fn odd_spellings_of_urls_are_refused() {
    for (url, problem) in [
        ("https:\\\\a.example\\x", "must not hold a backslash"),
        (
            "https://a.example\\@b.example/",
            "must not hold a backslash",
        ),
        ("https:a.example/", "must be an absolute URL"),
        ("https:/a.example/", "must be an absolute URL"),
        ("https:///a.example/", "must be an absolute URL"),
        ("https://a.example:0/", "must not have port 0"),
        ("https://a.exam\u{200b}ple/", "must not hold spaces"),
        ("https://a.example/\u{202e}x", "must not hold spaces"),
        ("https://a.example/\u{feff}", "must not hold spaces"),
    ] {
        let fault = create(with(json!({"url": url}))).unwrap_err();

        assert_eq!(fault, format!("url: {problem}"), "{url}");
    }
    create(with(json!({"url": "HTTPS://b\u{fc}cher.example:8443/x"}))).unwrap();
}

#[test]
fn control_characters_are_refused_in_notes() {
    refused(&[
        (
            json!({"description": "a\u{0}b"}),
            "description: must hold no control characters but line feeds and tabs",
        ),
        (
            json!({"metadata": {"k": "a\nb"}}),
            "metadata.k: must hold no control characters",
        ),
        (
            json!({"metadata": {"k\u{1b}": "a"}}),
            "metadata.k: must hold no control characters",
        ),
    ]);
    create(with(json!({"description": "a\n\tb"}))).unwrap();
}

#[test]
fn doublets_in_objects_are_seen_though_json_allows_them() {
    for (field, fault) in [
        (
            "\"headers\":{\"A\":\"1\",\"A\":\"2\"}",
            "headers.A: must not be given twice",
        ),
        (
            "\"metadata\":{\"k\":\"1\",\"k\":\"1\"}",
            "metadata.k: must not be given twice",
        ),
        (
            "\"entityFilters\":{\"a\":[\"1\"],\"a\":[\"2\"]}",
            "entityFilters.a: must not be given twice",
        ),
    ] {
        let text = format!("{{\"url\":\"https://a.example\",\"events\":[\"*\"],{field}}}");
        let draft: ConfigDraft = serde_json::from_str(&text).unwrap();

        let refused = draft.apply(None, &context(&Policy::default()));

        assert_eq!(refused.unwrap_err().to_string(), fault);
    }
}

#[test]
fn arrays_and_objects_are_not_taken_for_what_they_are_not() {
    for draft in [
        json!({"retryPolicy": []}),
        json!({"retryPolicy": ["qstash"]}),
        json!({"retryPolicy": {"preset": {"qstash": null}}}),
        json!({"retryPolicy": {"retryOn": [["5xx"]]}}),
        json!({"retryPolicy": {"delay": {"exponential": [1, 2, 3]}}}),
        json!({"metadata": [["a", "b"]]}),
        json!({"entityFilters": []}),
    ] {
        let read = serde_json::from_value::<ConfigDraft>(draft.clone());
        assert!(read.is_err(), "{draft}");
    }
    let whole = "[null,null,\"https://a.example/2\"]";
    assert!(serde_json::from_str::<Object<ConfigDraft>>(whole).is_err());
    let policy = json!({
        "preset": "custom", "delay": {"exponential": {"base": 1, "factor": 2.0, "cap": 3}},
        "jitter": 0.5, "retryOn": {"statuses": ["5xx", 429], "errorKinds": ["dns"]},
        "honourRetryAfter": false,
    });
    let endpoint = create(with(json!({"retryPolicy": policy})))
        .unwrap()
        .endpoint;
    assert_eq!(
        serde_json::to_value(&endpoint.retry_policy).unwrap(),
        policy
    );
}

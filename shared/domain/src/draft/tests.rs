//! What drafts may say, and what becomes of what they leave out.

use proptest::prelude::*;
use serde_json::{Value, json};
use utoipa::PartialSchema;

use super::{Change, ConfigDraft, Context, SecretChange, url_key};
use crate::{
    destination::Policy,
    endpoint::{Endpoint, EventPattern, HeaderValue, Method, Sealed, Secret},
    signing::Scheme,
    time::Timestamp,
};

mod access;
mod hostile;
mod signing;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn the_seeds_first_config_is_taken() {
    let endpoint = create(json!({
        "events": ["challenge-completion", "reward.*"],
        "url": "https://a.example/hook",
        "httpMethod": "PUT",
        "isEnabled": false,
        "maxRetries": 5,
        "headers": {"Authorization": "Bearer abc", "X-Webhook-Source": "acme"},
        "entityFilters": {"reward.earned": ["r-1", "r-2"]},
    }))
    .unwrap()
    .endpoint;

    assert_eq!(endpoint.url, "https://a.example/hook");
    assert_eq!(
        endpoint.events,
        [pattern("challenge-completion"), pattern("reward.*")]
    );
    assert_eq!(endpoint.http_method, Method::Put);
    assert!(!endpoint.is_enabled);
    assert_eq!(endpoint.max_retries, Some(5));
    assert_eq!(endpoint.headers[0].name, "Authorization");
    assert_eq!(
        endpoint.headers[0].value,
        HeaderValue::Value("Bearer abc".to_owned())
    );
    assert_eq!(endpoint.entity_filters.len(), 1);
    assert_eq!(endpoint.created_at, now());
}

#[test]
fn a_new_config_has_the_defaults_and_a_generated_secret() {
    let change = create(json!({"url": "https://a.example/", "events": []})).unwrap();

    assert!(change.endpoint.is_enabled);
    assert_eq!(change.endpoint.http_method, Method::Post);
    assert_eq!(change.endpoint.max_retries(), 3);
    assert_eq!(change.endpoint.timeout_ms, 10_000);
    assert_eq!(change.secret, SecretChange::Generate);
}

#[test]
fn the_bounds_that_are_described_are_those_that_are_checked() {
    let schema = serde_json::to_value(<ConfigDraft as PartialSchema>::schema()).unwrap();
    let bound = |field: &str, name: &str| schema["properties"][field][name].as_i64().unwrap();
    for field in ["maxRetries", "timeoutMs", "maxInFlight"] {
        let (least, most) = (bound(field, "minimum"), bound(field, "maximum"));
        for (value, is_taken) in [
            (least, true),
            (most, true),
            (least - 1, false),
            (most + 1, false),
        ] {
            let saved = update(json!({field: value}));
            assert_eq!(saved.is_ok(), is_taken, "{field}: {value}");
        }
    }
    let longest = usize::try_from(bound("description", "maxLength")).unwrap();
    assert!(update(json!({"description": "é".repeat(longest)})).is_ok());
    assert!(update(json!({"description": "é".repeat(longest + 1)})).is_err());
}

#[test]
fn secrets_are_given_generated_or_kept() {
    let on_create = |more: Value| create(with(more)).map(|change| change.secret);
    let on_update = |draft: Value| update(draft).map(|change| change.secret);

    assert_eq!(
        on_create(json!({"secret": SECRET})),
        Ok(SecretChange::Set(SECRET.to_owned()))
    );
    assert_eq!(
        on_create(json!({"signing": "none"})),
        Ok(SecretChange::Keep)
    );
    assert_eq!(
        on_create(json!({"secret": null})),
        Ok(SecretChange::Generate)
    );
    assert!(on_create(json!({"secret": "***"})).is_err());
    for kept in [
        json!({}),
        json!({"secret": "***"}),
        json!({"secret": "whsec_***"}),
    ] {
        assert_eq!(on_update(kept), Ok(SecretChange::Keep));
    }
    assert_eq!(
        on_update(json!({"secret": SECRET})),
        Ok(SecretChange::Set(SECRET.to_owned()))
    );
}

#[test]
fn an_endpoint_that_begins_to_sign_gets_a_secret() {
    let mut endpoint = existing();
    endpoint.secrets.clear();
    endpoint.signing = Scheme::None;
    let policy = Policy::default();
    let context = context(&policy);
    let apply = |draft| read(draft).apply(Some(&endpoint), &context).unwrap();

    assert_eq!(apply(json!({})).secret, SecretChange::Keep);
    assert_eq!(
        apply(json!({"signing": {"scheme": "standard"}})).secret,
        SecretChange::Generate
    );
}

#[test]
fn what_is_left_out_stays_and_null_clears() {
    let before = existing();

    assert_eq!(update(json!({})).unwrap().endpoint, before);
    let after = update(json!({
        "entityFilters": null, "headers": null, "retryPolicy": null, "maxRetries": null,
        "timeoutMs": null, "rateLimit": null, "maxInFlight": null, "description": null,
        "metadata": null,
    }))
    .unwrap()
    .endpoint;

    assert!(after.entity_filters.is_empty());
    assert!(after.headers.is_empty());
    assert_eq!(after.max_retries, None);
    assert_eq!(after.timeout_ms, 10_000);
    assert_eq!(after.rate_limit, None);
    assert_eq!(after.max_in_flight, None);
    assert_eq!(after.description, None);
    assert!(after.metadata.is_empty());
    assert_eq!(after.url, before.url);
    assert_eq!(after.events, before.events);
}

#[test]
fn a_masked_header_sent_back_keeps_its_value() {
    for shown in ["Bearer ***", "***"] {
        let after = update(json!({"headers": {"X-New": "***", "authorization": shown}})).unwrap();
        let [new, authorization] = after.endpoint.headers.as_slice() else {
            panic!("two headers are expected");
        };

        assert_eq!(authorization.name, "authorization");
        assert_eq!(authorization.value, sealed());
        assert_eq!(new.value, HeaderValue::Value("***".to_owned()));
    }
}

#[test]
fn read_only_fields_are_ignored_and_a_foreign_organisation_is_told() {
    let draft = json!({
        "organisationId": "umbra", "createdAt": "x", "updatedAt": 1, "revision": [],
        "publicKey": null, "isPaused": true, "active": false,
    });

    let after = update(draft.clone()).unwrap().endpoint;

    assert!(!after.is_enabled);
    assert!(!after.is_paused);
    assert_eq!(after.created_at, existing().created_at);
    assert!(read(draft).is_foreign_to(&"acme".parse().unwrap()));
    assert!(!read(json!({"organisationId": "acme"})).is_foreign_to(&"acme".parse().unwrap()));
}

#[test]
fn faults_name_the_field() {
    refused(&[
        (json!({"url": null}), "url: is required"),
        (json!({"url": "http://a.example/"}), "url: must be https"),
        (
            json!({"url": "https://a.example/\n"}),
            "url: must not hold spaces",
        ),
        (
            json!({"url": "https://127.0.0.1/"}),
            "url: must not point to 127.0.0.1, an address that is not public",
        ),
        (json!({"events": null}), "events: is required"),
        (
            json!({"events": ["a", "b", "c d"]}),
            "events[2]: must be an event name, a prefix such as reward.*, or *",
        ),
        (
            json!({"events": ["a", "a"]}),
            "events[1]: must not be listed twice",
        ),
        (
            json!({"events": vec!["a"; 101]}),
            "events: must hold at most 100 entries",
        ),
        (
            json!({"events": ["a"], "entityFilters": {"b": ["x"]}}),
            "entityFilters.b: must be an event that events takes",
        ),
        (
            json!({"entityFilters": {"a": []}}),
            "entityFilters.a: must hold at least one id",
        ),
        (
            json!({"entityFilters": {"a": ["x", ""]}}),
            "entityFilters.a[1]: must be 1 to 128 printable characters",
        ),
    ]);
}

#[test]
fn faults_of_the_request_name_the_field() {
    refused(&[
        (
            json!({"httpMethod": "DELETE"}),
            "httpMethod: must be POST, PUT or GET",
        ),
        (
            json!({"maxRetries": 101}),
            "maxRetries: must be from 0 to 100",
        ),
        (
            json!({"maxRetries": -1}),
            "maxRetries: must be from 0 to 100",
        ),
        (
            json!({"headers": {"Host": "x"}}),
            "headers.Host: may not be set",
        ),
        (
            json!({"headers": {"a b": "x"}}),
            "headers.a b: must be a header name",
        ),
        (
            json!({"headers": {"A": "x\r\ny"}}),
            "headers.A: must hold visible characters only",
        ),
        (
            json!({"headers": {"A": "x".repeat(4_097)}}),
            "headers.A: must be at most 4096 bytes",
        ),
        (
            json!({"headers": {"A": "1", "a": "2"}}),
            "headers.a: must not be given twice",
        ),
        (
            json!({"headers": {"X-Api-Key": "***"}}),
            "headers.X-Api-Key: is masked, and there is none to keep",
        ),
        (
            json!({"secret": "hunter2"}),
            "secret: must be whsec_ and the base64 of 24 to 64 bytes",
        ),
        (
            json!({"signing": "v1"}),
            "signing: must be standard, hmac-hex, jwt or none",
        ),
        (
            json!({"signing": {"scheme": "standard", "header": "x-a"}}),
            "signing.header: is no option of this scheme",
        ),
    ]);
}

#[test]
fn faults_of_limits_and_notes_name_the_field() {
    refused(&[
        (
            json!({"retryPolicy": {"jitter": 2}}),
            "retryPolicy.jitter: must be a number from 0 to 1",
        ),
        (
            json!({"retryPolicy": {"delay": {"schedule": []}}}),
            "retryPolicy.delay.schedule: must be a list of 1 to 100 entries",
        ),
        (
            json!({"retryPolicy": {"retryOn": {"errorKinds": ["cancelled"]}}}),
            "retryPolicy.retryOn.errorKinds: must be without cancelled, which is always retried",
        ),
        (
            // The reader of requests puts the field before it.
            json!({"retryPolicy": {"delay": {"expression": "1 + foo"}}}),
            "must be an expression; at 5: unknown name \"foo\"",
        ),
        (
            json!({"timeoutMs": 999}),
            "timeoutMs: must be from 1000 to 60000",
        ),
        (
            json!({"rateLimit": 0}),
            "rateLimit: must be above 0 and at most 10000",
        ),
        (
            json!({"maxInFlight": 0}),
            "maxInFlight: must be from 1 to 1000",
        ),
        (
            json!({"description": "x".repeat(1_001)}),
            "description: must be at most 1000 characters",
        ),
        (
            json!({"metadata": {"": "x"}}),
            "metadata: keys must be 1 to 64 characters",
        ),
        (
            json!({"metadata": {"k": "x".repeat(501)}}),
            "metadata.k: must be at most 500 characters",
        ),
    ]);
}

#[test]
fn unknown_fields_and_wrong_types_are_refused() {
    for draft in [
        json!({"colour": "red"}),
        json!({"retryPolicy": {"maxRetries": 3}}),
        json!({"retryPolicy": {"preset": "other"}}),
        json!({"events": "a"}),
        json!({"headers": [["a", "b"]]}),
        json!({"maxRetries": "3"}),
        json!({"id": "a b"}),
        json!({"active": true, "isEnabled": true}),
    ] {
        assert!(
            serde_json::from_value::<ConfigDraft>(draft.clone()).is_err(),
            "{draft}"
        );
    }
}

#[test]
fn a_secret_of_the_wrong_type_is_not_repeated() {
    for draft in [
        json!({"secret": 12345678}),
        json!({"headers": {"Authorization": 12345678}}),
    ] {
        let error = serde_json::from_value::<ConfigDraft>(draft).unwrap_err();

        assert_eq!(error.to_string(), "must be a string");
    }
}

#[test]
fn spellings_of_one_url_have_one_key() {
    assert_eq!(
        url_key("https://A.example:443"),
        url_key("https://a.example/")
    );
    assert_ne!(
        url_key("https://a.example/x"),
        url_key("https://a.example/")
    );
    assert_eq!(url_key("no url").len(), 64);
}

#[test]
fn nothing_secret_is_printed() {
    let draft = read(with(
        json!({"secret": SECRET, "headers": {"Authorization": "Bearer hidden"}}),
    ));
    let change = draft.apply(None, &context(&Policy::default())).unwrap();

    let printed = format!("{draft:?} {change:?} {:?}", change.secret);

    assert!(!printed.contains("MfKQ9r8"), "{printed}");
    assert!(!printed.contains("hidden"), "{printed}");
}

proptest! {
    #[test]
    fn no_draft_makes_it_panic(fields in proptest::collection::vec((field(), value()), 0..6)) {
        let object: serde_json::Map<String, Value> = fields.into_iter().collect();
        let policy = Policy::default();
        if let Ok(draft) = serde_json::from_value::<ConfigDraft>(Value::Object(object)) {
            let created = draft.apply(None, &context(&policy));
            let updated = draft.apply(Some(&existing()), &context(&policy));
            // What is accepted once is accepted again, and changes nothing more.
            if let Ok(change) = updated {
                let again = draft.apply(Some(&change.endpoint), &context(&policy)).unwrap();
                prop_assert_eq!(again.endpoint, change.endpoint);
            }
            if let Ok(change) = created {
                prop_assert!(!change.endpoint.url.is_empty());
            }
        }
    }
}

fn field() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "url",
        "events",
        "entityFilters",
        "httpMethod",
        "isEnabled",
        "maxRetries",
        "headers",
        "secret",
        "signing",
        "retryPolicy",
        "timeoutMs",
        "rateLimit",
        "maxInFlight",
        "description",
        "metadata",
        "organisationId",
        "revision",
    ])
    .prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "\\PC{0,20}",
        ".{0,5}",
        Just("https://a.example/x".to_owned()),
        Just(SECRET.to_owned()),
        Just("Bearer ***".to_owned()),
        "[a-z.*-]{1,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..200_i64).prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 16, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((text.clone(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn refused(table: &[(Value, &str)]) {
    for (more, message) in table {
        assert_eq!(create(with(more.clone())).unwrap_err(), *message);
    }
}

fn create(draft: Value) -> Result<Change, String> {
    let draft: ConfigDraft = serde_json::from_value(draft).map_err(|error| error.to_string())?;
    draft
        .apply(None, &context(&Policy::default()))
        .map_err(|fault| fault.to_string())
}

fn update(draft: Value) -> Result<Change, String> {
    let draft: ConfigDraft = serde_json::from_value(draft).map_err(|error| error.to_string())?;
    draft
        .apply(Some(&existing()), &context(&Policy::default()))
        .map_err(|fault| fault.to_string())
}

fn read(draft: Value) -> ConfigDraft {
    serde_json::from_value(draft).unwrap()
}

/// A config that is right but for what `more` says.
fn with(more: Value) -> Value {
    let mut config = json!({"url": "https://a.example/", "events": ["*"]});
    for (field, value) in more.as_object().unwrap() {
        config[field] = value.clone();
    }
    config
}

fn existing() -> Endpoint {
    let mut endpoint = create(json!({
        "url": "https://a.example/", "events": ["a.b"], "entityFilters": {"a.b": ["1"]},
        "maxRetries": 7, "headers": {"Authorization": "Bearer abc"}, "timeoutMs": 2_000,
        "rateLimit": 0.5, "maxInFlight": 3, "description": "d", "metadata": {"k": "v"},
    }))
    .unwrap()
    .endpoint;
    endpoint
        .seal_headers(|_value| Ok::<_, ()>(Sealed("k:c".to_owned())))
        .unwrap();
    endpoint.secrets = vec![Secret {
        sealed: Sealed("k:s".to_owned()),
        expires_at: None,
        key_pair: None,
    }];
    endpoint
}

fn sealed() -> HeaderValue {
    HeaderValue::Sealed {
        text: Sealed("k:c".to_owned()),
        shown: "Bearer ***".to_owned(),
    }
}

fn context(policy: &Policy) -> Context<'_> {
    Context {
        id: "ep_1".parse().unwrap(),
        organisation: "acme".parse().unwrap(),
        now: now(),
        destination: policy,
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_773_483_705_102)
}

fn pattern(text: &str) -> EventPattern {
    EventPattern::parse(text).unwrap()
}

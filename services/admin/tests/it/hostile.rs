//! Requests that mean no good, or not what they seem to mean.

use std::{fmt::Write as _, sync::Arc};

use domain::{
    destination::Policy,
    endpoint::Endpoint,
    name::OrganisationId,
    time::Timestamp,
    token::{Role, Token},
};
use http::Method;
use jetstream::{endpoint_bucket::EndpointBucket, token_bucket::TokenBucket};
use serde_json::{Value, json};
use test_support::{NatsServer, eventually};

use crate::installation::{BOUND, CONFIGS, Caller, Installation, OPERATOR_TOKEN, TOKENS, config};

#[tokio::test]
async fn arrays_are_not_taken_for_objects() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let made = acme
        .put(CONFIGS, &json!([config("https://a.example/1")]))
        .await
        .expect(200);
    let path = format!("{CONFIGS}/{}", made[0]["id"].as_str().unwrap());

    let by_place = json!([null, null, "https://a.example/2"]);
    let patched = acme.patch(&path, &by_place).await;
    let put = acme.put(CONFIGS, &json!([by_place])).await;
    let wrapped = acme
        .put(CONFIGS, &json!({"configs": [by_place, by_place]}))
        .await;
    let policy = acme.patch(&path, &json!({"retryPolicy": []})).await;
    let token = acme.post(TOKENS, &json!([null, "admin", "x", null])).await;
    let role = json!({"role": {"admin": null}, "name": "x"});
    let role = acme.post(TOKENS, &role).await;

    let refused = patched.refused(400, "BAD_REQUEST", "patchWebhookConfig");
    assert_eq!(refused, "body: must be an object");
    let refused = put.refused(400, "BAD_REQUEST", "putWebhookConfigs");
    assert_eq!(refused, "[0]: must be an object");
    let refused = wrapped.refused(400, "BAD_REQUEST", "putWebhookConfigs");
    assert_eq!(refused, "configs[0]: must be an object");
    let refused = policy.refused(400, "BAD_REQUEST", "patchWebhookConfig");
    assert_eq!(refused, "retryPolicy: must be an object");
    let refused = token.refused(400, "BAD_REQUEST", "createToken");
    assert_eq!(refused, "body: must be an object");
    let refused = role.refused(400, "BAD_REQUEST", "createToken");
    assert!(refused.starts_with("role: invalid type: map"), "{refused}");
    assert_eq!(
        acme.get(&path).await.expect(200)["url"],
        "https://a.example/1"
    );
}

#[tokio::test]
async fn a_fault_in_a_retry_policy_is_told_with_its_place() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let put = async |policy: Value| {
        let mut asked = config("https://a.example/1");
        asked["retryPolicy"] = policy;
        acme.put(CONFIGS, &json!([asked])).await
    };

    for (policy, fault) in [
        (
            json!({"delay": {"expression": "1 + foo"}}),
            "delay.expression: must be an expression; at 5: unknown name \"foo\"",
        ),
        (
            json!({"delay": {"expression": "1".repeat(257)}}),
            "delay.expression: must be at most 256 bytes",
        ),
        (
            json!({"delay": {"fixed": 86_400_001}}),
            "delay.fixed: must be from 0 to 86400000 milliseconds",
        ),
        (
            json!({"retryOn": {"statuses": ["5xx", 200]}}),
            "retryOn.statuses[1]: must be a status: 101, 300 to 999, or a class: 1xx, 3xx, 4xx and so on to 9xx",
        ),
    ] {
        let refused = put(policy).await;
        assert_eq!(
            refused.refused(400, "BAD_REQUEST", "putWebhookConfigs"),
            format!("[0].retryPolicy.{fault}")
        );
    }
    let policy = json!({"preset": "custom", "delay": {"expression": " 1000*(1 + retried)"}});
    let saved = put(policy.clone()).await.expect(200);
    assert_eq!(saved[0]["retryPolicy"], policy);
}

#[tokio::test]
async fn a_list_is_counted_before_it_is_understood() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    // The 101st is never looked at, so it need be no config.
    let items = format!("{}7", "{},".repeat(100));

    for (body, place) in [
        (format!("[{items}]"), "body"),
        (format!("{{\"configs\":[{items}]}}"), "configs"),
    ] {
        let reply = acme.send(Method::PUT, CONFIGS, &[], body).await;
        assert_eq!(
            reply.refused(400, "BAD_REQUEST", "putWebhookConfigs"),
            format!("{place}: must hold at most 100 webhook configs")
        );
    }
}

#[tokio::test]
async fn a_put_of_one_config_may_be_tied_to_a_revision() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let url = "https://a.example/";
    let put = async |tag: &str, body: Value| {
        let headers = [("if-match", tag)];
        acme.send(Method::PUT, CONFIGS, &headers, body.to_string())
            .await
    };

    let made = acme.put(CONFIGS, &json!([config(url)])).await.expect(200);
    let first = format!("\"{}\"", made[0]["revision"]);
    let second = put(&first, json!([{"url": url, "maxRetries": 1}]))
        .await
        .expect(200);
    let late_by_url = put(&first, json!([{"url": url, "maxRetries": 2}])).await;
    let id = made[0]["id"].clone();
    let late_by_id = put(&first, json!([{"id": id, "maxRetries": 2}])).await;
    let of_nothing = put(&first, json!([config("https://b.example/")])).await;
    let two = json!([{"id": id, "maxRetries": 2}, config("https://b.example/")]);
    let two = put(&first, two).await;
    let none = put(&first, json!({"configs": []})).await;

    assert_eq!(second[0]["maxRetries"], 1);
    for late in [late_by_url, late_by_id, of_nothing] {
        assert_eq!(
            late.refused(409, "CONFLICT", "putWebhookConfigs"),
            "If-Match: the webhook config has been changed since"
        );
    }
    for many in [two, none] {
        assert_eq!(
            many.refused(400, "BAD_REQUEST", "putWebhookConfigs"),
            "If-Match: needs a body with one webhook config"
        );
    }
    let now = acme.get(CONFIGS).await.expect(200);
    assert_eq!(now.as_array().unwrap().len(), 1);
    assert_eq!(now[0]["maxRetries"], 1);
}

#[tokio::test]
async fn an_organisation_without_tokens_does_not_exist() {
    let installation = Installation::start().await;
    let operator = installation.operator();
    let path = format!("{CONFIGS}?organisationId=acme");
    let body = json!([config("https://a.example/")]);

    let read = operator.get(&path).await;
    let written = operator.put(&path, &body).await;
    installation.caller("acme", "producer").await;
    let made = operator.put(&path, &body).await.expect(200);
    let types = "/api/v2/admin/webhooks/event-types";
    let described = json!([{"name": "quiz"}]);
    let described = operator
        .put(&format!("{types}?organisationId=acme"), &described)
        .await;
    described.expect(200);
    let token = operator
        .get(&format!("{TOKENS}?organisationId=acme"))
        .await
        .expect(200);
    let token = token[0]["id"].as_str().unwrap();
    operator
        .delete(&format!("{TOKENS}/{token}"))
        .await
        .expect(204);

    let message = read.refused(404, "NOT_FOUND", "listWebhookConfigs");
    assert_eq!(message, "organisationId: there is no such organisation");
    written.refused(404, "NOT_FOUND", "putWebhookConfigs");
    // What it left can still be seen off.
    let one = made[0]["id"].as_str().unwrap();
    operator
        .delete(&format!("{CONFIGS}/{one}?organisationId=acme"))
        .await
        .expect(204);
    operator
        .delete(&format!("{types}/quiz?organisationId=acme"))
        .await
        .expect(204);
    operator.get(&path).await.expect(404);
}

#[tokio::test]
async fn a_config_that_no_message_could_hold_is_refused_before_any_is_written() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    // Every quotation mark is two bytes as it is kept.
    let ids: Vec<String> = (0..1_000)
        .map(|n| format!("{n:04}{}", "\"".repeat(124)))
        .collect();
    let filters: Value = (0..4)
        .map(|n| (format!("e{n}"), json!(ids)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let large = json!({"url": "https://b.example/", "events": ["*"], "entityFilters": filters});
    let body = json!([config("https://a.example/"), large]).to_string();
    assert!(body.len() < 1024 * 1024 + 100_000);

    let reply = acme.send(Method::PUT, CONFIGS, &[], body).await;

    let message = reply.refused(400, "BAD_REQUEST", "putWebhookConfigs");
    assert_eq!(message, "[1]: must be at most 768 KiB altogether");
    assert_eq!(acme.get(CONFIGS).await.expect(200), json!([]));
}

#[tokio::test]
async fn an_organisation_has_at_most_so_many_configs() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let made = acme
        .put(CONFIGS, &json!([config("https://a.example/")]))
        .await
        .expect(200);
    let id = made[0]["id"].as_str().unwrap();
    write_copies(&installation, id, 9_998).await;
    all_held(&acme, "9999").await;

    let two = json!([config("https://b.example/"), config("https://c.example/")]);
    let refused = acme.put(CONFIGS, &two).await;
    let last = acme
        .put(CONFIGS, &json!([config("https://b.example/")]))
        .await;
    let update = acme
        .put(CONFIGS, &json!([{"id": id, "maxRetries": 1}]))
        .await;

    assert_eq!(
        refused.refused(400, "BAD_REQUEST", "putWebhookConfigs"),
        "[1]: the organisation would have more than 10000 webhook configs"
    );
    last.expect(200);
    update.expect(200);
}

#[tokio::test]
async fn the_configs_of_an_organisation_take_at_most_so_much_room() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let ids: Vec<_> = (0..1_000).map(|n| format!("{n:0128}")).collect();
    let filters = json!({"a": ids, "b": ids, "c": ids, "d": ids});
    let large = |n: usize| json!([{"url": format!("https://a.example/{n}"), "events": ["*"], "entityFilters": filters}]);
    let small = acme
        .put(CONFIGS, &json!([config("https://b.example/")]))
        .await;
    let small = format!("{CONFIGS}/{}", small.expect(200)[0]["id"].as_str().unwrap());

    let mut made = Vec::new();
    let refused = loop {
        let reply = acme.put(CONFIGS, &large(made.len())).await;
        if reply.status != 200 {
            break reply;
        }
        made.push(reply.expect(200)[0]["id"].as_str().unwrap().to_owned());
        assert!(made.len() < 100, "there is no end");
    };
    let grown = json!({"events": ["*"], "entityFilters": filters});
    let grown = acme.patch(&small, &grown).await;
    let touched = acme
        .patch(&format!("{CONFIGS}/{}", made[0]), &json!({"maxRetries": 1}))
        .await;
    let another = acme
        .put(CONFIGS, &json!([config("https://c.example/")]))
        .await;
    acme.delete(&format!("{CONFIGS}/{}", made[0]))
        .await
        .expect(204);
    let instead = acme.put(CONFIGS, &large(100)).await;
    let other = installation.caller("umbra", "admin").await;

    let message = "the organisation's large webhook configs would take more than 32 MiB";
    let refused = refused.refused(400, "BAD_REQUEST", "putWebhookConfigs");
    assert_eq!(refused, format!("[0]: {message}"));
    let grown = grown.refused(400, "BAD_REQUEST", "patchWebhookConfig");
    assert_eq!(grown, format!("body: {message}"));
    for allowed in [touched, another, instead] {
        allowed.expect(200);
    }
    other.put(CONFIGS, &large(0)).await.expect(200);
}

#[tokio::test]
async fn the_configs_of_an_organisation_list_at_most_so_many_events() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let events = |n: usize| (0..n).map(|n| format!("e{n}")).collect::<Vec<_>>();
    let of = |url: &str, n: usize| json!([{"url": url, "events": events(n)}]);
    let made = acme
        .put(CONFIGS, &of("https://a.example/", 100))
        .await
        .expect(200);
    let id = made[0]["id"].as_str().unwrap();
    write_copies(&installation, id, 999).await;
    all_held(&acme, "1000").await;

    let refused = acme.put(CONFIGS, &of("https://b.example/", 11)).await;
    let few = acme.put(CONFIGS, &of("https://c.example/", 10)).await;
    let few = format!("{CONFIGS}/{}", few.expect(200)[0]["id"].as_str().unwrap());
    let grown = acme.patch(&few, &json!({"events": events(11)})).await;
    let shrunk = acme
        .patch(&format!("{CONFIGS}/{id}"), &json!({"events": events(80)}))
        .await;
    shrunk.expect(200);
    let now = acme.patch(&few, &json!({"events": events(11)})).await;

    let message =
        "the organisation's webhook configs of more than ten events would list more than 100000";
    let refused = refused.refused(400, "BAD_REQUEST", "putWebhookConfigs");
    assert_eq!(refused, format!("[0]: {message}"));
    let grown = grown.refused(400, "BAD_REQUEST", "patchWebhookConfig");
    assert_eq!(grown, format!("body: {message}"));
    now.expect(200);
}

#[tokio::test]
async fn an_organisation_has_at_most_so_many_tokens() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let bucket = TokenBucket::open(&installation.broker).await.unwrap();
    for n in 0..999 {
        let token = Token {
            id: format!("tok_{n}"),
            organisation_id: Some("acme".parse().unwrap()),
            role: Role::Viewer,
            name: "n".to_owned(),
            created_at: Timestamp::from_millis(0),
            expires_at: None,
        };
        let mut key = String::new();
        write!(key, "{n:064x}").unwrap();
        bucket.put(&key, &token).await.unwrap();
    }
    eventually("all are held", BOUND, async || {
        let listed = acme.get(TOKENS).await.expect(200).as_array().unwrap().len();
        (listed == 1_000).then_some(()).ok_or(listed)
    })
    .await;

    let refused = acme
        .post(TOKENS, &json!({"role": "viewer", "name": "n"}))
        .await;

    assert_eq!(
        refused.refused(400, "BAD_REQUEST", "createToken"),
        "body: the organisation has 1000 tokens, the most there may be"
    );
    installation.caller("umbra", "viewer").await;
    let control = json!({"role": "viewer", "name": "a\u{1b}[0m"});
    let refused = acme.post(TOKENS, &control).await;
    assert_eq!(
        refused.refused(400, "BAD_REQUEST", "createToken"),
        "name: must hold no control characters"
    );
}

#[tokio::test]
async fn a_name_of_an_address_that_is_closed_is_refused_at_save() {
    let server = Arc::new(NatsServer::start());
    let closed = Policy::default();
    let installation = Installation::start_with(server, OPERATOR_TOKEN, closed).await;
    let acme = installation.caller("acme", "admin").await;
    let message = "url: must not point to localhost, which has no address that is public";

    let body = json!([config("https://a.invalid/"), config("https://localhost/")]);
    let put = acme.put(CONFIGS, &body).await;
    // A name that does not resolve can be saved.
    let made = acme
        .put(CONFIGS, &json!([config("https://a.invalid/")]))
        .await
        .expect(200);
    let path = format!("{CONFIGS}/{}", made[0]["id"].as_str().unwrap());
    let patch = acme
        .patch(&path, &json!({"url": "https://localhost/x"}))
        .await;

    let refused = put.refused(400, "BAD_REQUEST", "putWebhookConfigs");
    assert_eq!(refused, format!("[1].{message}"));
    let refused = patch.refused(400, "BAD_REQUEST", "patchWebhookConfig");
    assert_eq!(refused, message);
}

/// Writes as many copies of a config of acme's past the API.
async fn write_copies(installation: &Installation, id: &str, copies: usize) {
    let organisation: OrganisationId = "acme".parse().unwrap();
    let bucket = EndpointBucket::open(&installation.broker).await.unwrap();
    let id = id.parse().unwrap();
    let model = bucket.get(&organisation, &id).await.unwrap().unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..50 {
        let (bucket, model) = (bucket.clone(), model.endpoint.clone());
        writers.spawn(async move {
            for n in (0..copies).filter(|n| n % 50 == writer) {
                let endpoint = Endpoint {
                    id: format!("ep_{n}").parse().unwrap(),
                    url: format!("https://a.example/{n}"),
                    ..model.clone()
                };
                bucket.create(&endpoint).await.unwrap();
            }
        });
    }
    writers.join_all().await;
}

/// Waits until so many configs are held.
async fn all_held(acme: &Caller, count: &str) {
    eventually("all are held", BOUND, async || {
        let listed = acme.get(&format!("{CONFIGS}?limit=1")).await;
        let total = listed.headers["x-total-count"].to_str().unwrap().to_owned();
        (total == count).then_some(()).ok_or(total)
    })
    .await;
}

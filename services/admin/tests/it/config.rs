//! The operations on configs.

use http::Method;
use serde_json::{Value, json};

use crate::installation::{CONFIGS, Installation, config};

#[tokio::test]
async fn a_config_is_made_listed_read_changed_and_deleted() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;

    let made = acme
        .put(CONFIGS, &json!([config("https://a.example/hook")]))
        .await
        .expect(200);
    let path = format!("{CONFIGS}/{}", made[0]["id"].as_str().unwrap());
    let read = acme.get(&path).await;
    let changed = acme
        .patch(&path, &json!({"description": "Hooks", "maxRetries": 7}))
        .await;
    let listed = acme.get(CONFIGS).await;
    let deleted = acme.delete(&path).await;

    assert_eq!(read.etag(), format!("\"{}\"", made[0]["revision"]));
    assert_eq!(without_secret(&made[0]), read.expect(200));
    let changed = changed.expect(200);
    assert_eq!(changed["description"], "Hooks");
    assert_eq!(changed["maxRetries"], 7);
    assert_eq!(changed["events"], json!(["reward.earned"]));
    assert!(changed["revision"].as_u64() > made[0]["revision"].as_u64());
    assert_eq!(listed.expect(200), json!([changed]));
    assert_eq!(listed.headers["x-total-count"], "1");
    deleted.expect(204);
    acme.get(&path)
        .await
        .refused(404, "NOT_FOUND", "getWebhookConfig");
    acme.delete(&path)
        .await
        .refused(404, "NOT_FOUND", "deleteWebhookConfig");
    assert_eq!(acme.get(CONFIGS).await.expect(200), json!([]));
}

#[tokio::test]
async fn the_form_of_a_config_is_pinned() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let given = json!({
        "url": "https://a.example/hook?x=y", "events": ["reward.*", "challenge-completion"],
        "httpMethod": "PUT", "isEnabled": false, "maxRetries": 5,
        "headers": {"X-Webhook-Source": "acme", "Authorization": "Bearer hidden-value"},
        "entityFilters": {"reward.earned": ["r-1"]}, "signing": "standard",
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "retryPolicy": {"preset": "custom", "delay": {"fixed": 100}}, "timeoutMs": 2000,
        "rateLimit": 2.5, "maxInFlight": 4, "description": "d", "metadata": {"k": "v"},
    });

    let mut made = acme
        .put(CONFIGS, &json!({"configs": [given]}))
        .await
        .expect(200);

    let made = made["configs"][0].take();
    assert!(made["id"].as_str().unwrap().starts_with("ep_"));
    assert_eq!(made["createdAt"], made["updatedAt"]);
    let expected = json!({
        "id": made["id"], "organisationId": "acme", "url": "https://a.example/hook?x=y",
        "events": ["reward.*", "challenge-completion"], "httpMethod": "PUT", "isEnabled": false,
        "isPaused": false, "maxRetries": 5,
        "headers": {"X-Webhook-Source": "acme", "Authorization": "Bearer ***"},
        "entityFilters": {"reward.earned": ["r-1"]}, "signing": "standard",
        "clientCertificate": null, "caCertificate": null, "oauth2": null,
        "retryPolicy": {"preset": "custom", "delay": {"fixed": 100}}, "timeoutMs": 2000,
        "rateLimit": 2.5, "maxInFlight": 4, "description": "d", "metadata": {"k": "v"},
        "createdAt": made["createdAt"], "updatedAt": made["updatedAt"],
        "revision": made["revision"],
    });
    assert_eq!(made, expected);
    // What was read can be sent back, and changes nothing.
    let again = acme.put(CONFIGS, &json!([made])).await.expect(200);
    assert_eq!(again, json!([expected]));
}

#[tokio::test]
async fn lists_are_paged_and_searched() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let mut wanted = vec![json!({
        "url": "https://x.example/1", "events": [], "description": "Rewards of May",
    })];
    wanted.extend((2..=5).map(|n| config(&format!("https://y.example/{n}"))));
    let made = acme.put(CONFIGS, &json!(wanted)).await.expect(200);

    let urls = async |query: &str| {
        let reply = acme.get(&format!("{CONFIGS}?{query}")).await;
        let total = reply.headers["x-total-count"].to_str().unwrap().to_owned();
        let found = reply.expect(200).as_array().unwrap().clone();
        (
            total,
            found
                .iter()
                .map(|one| one["url"].clone())
                .collect::<Vec<_>>(),
        )
    };

    assert_eq!(urls("").await.1.len(), 5);
    let (total, page) = urls("limit=2&skip=1").await;
    let all: Vec<Value> = urls("").await.1;
    assert_eq!((total.as_str(), page), ("5", all[1..3].to_vec()));
    assert_eq!(urls("search=OF+may").await.1, [made[0]["url"].clone()]);
    assert_eq!(urls("search=y.EXAMPLE").await.0, "4");
    for query in ["limit=0", "limit=101", "limit=x", "skip=-1", "colour=red"] {
        let reply = acme.get(&format!("{CONFIGS}?{query}")).await;
        let message = reply.refused(400, "BAD_REQUEST", "listWebhookConfigs");
        assert!(
            message.contains(query.split('=').next().unwrap()),
            "{message}"
        );
    }
}

#[tokio::test]
async fn faults_name_item_and_field_and_nothing_is_written() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let right = config("https://a.example/");
    let put = async |body: Value| {
        acme.put(CONFIGS, &body)
            .await
            .refused(400, "BAD_REQUEST", "putWebhookConfigs")
    };

    let ftp = put(json!([right, right.clone(), config("ftp://a.example/")])).await;
    let second = json!({"url": "https://b.example/", "events": ["a", "b c"]});
    let twice = put(json!([right, config("https://A.example:443")])).await;

    assert_eq!(ftp, "[1].url: is the same as in [0]");
    assert_eq!(
        put(json!([right, config("ftp://a.example/")])).await,
        "[1].url: must be http or https"
    );
    assert_eq!(
        put(json!([right, second])).await,
        "[1].events[1]: must be an event name, a prefix such as reward.*, or *"
    );
    assert_eq!(twice, "[1].url: is the same as in [0]");
    assert_eq!(
        put(json!({"configs": [{"events": []}]})).await,
        "configs[0].url: is required"
    );
    let unknown = put(json!([{"url": "https://a.example/", "events": [], "colour": 1}])).await;
    assert!(
        unknown.starts_with("[0]") && unknown.contains("colour"),
        "{unknown}"
    );
    let many: Vec<Value> = (0..101)
        .map(|n| config(&format!("https://{n}.example")))
        .collect();
    assert_eq!(
        put(json!(many)).await,
        "body: must hold at most 100 webhook configs"
    );
    assert_eq!(acme.get(CONFIGS).await.expect(200), json!([]));
}

#[tokio::test]
async fn bodies_that_are_too_large_or_no_json_are_refused() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;

    let large = vec![b' '; 1024 * 1024 + 1];
    let large = acme.send(Method::PUT, CONFIGS, &[], large).await;
    let text = acme
        .send(
            Method::PUT,
            CONFIGS,
            &[("content-type", "text/plain")],
            "[]",
        )
        .await;
    let broken = acme.send(Method::PUT, CONFIGS, &[], "[{").await;

    large.refused(413, "PAYLOAD_TOO_LARGE", "putWebhookConfigs");
    text.refused(415, "UNSUPPORTED_MEDIA_TYPE", "putWebhookConfigs");
    broken.refused(400, "BAD_REQUEST", "putWebhookConfigs");
    let wrong_method = acme.post(CONFIGS, &json!({})).await;
    wrong_method.refused(405, "METHOD_NOT_ALLOWED", CONFIGS);
}

#[tokio::test]
async fn a_change_may_be_tied_to_a_revision() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let made = acme
        .put(CONFIGS, &json!([config("https://a.example/")]))
        .await
        .expect(200);
    let path = format!("{CONFIGS}/{}", made[0]["id"].as_str().unwrap());
    let first = acme.get(&path).await.etag().to_owned();
    let patch = async |tag: &str, body: Value| {
        acme.send(Method::PATCH, &path, &[("if-match", tag)], body.to_string())
            .await
    };

    let second = patch(&first, json!({"maxRetries": 1})).await;
    let late = patch(&first, json!({"maxRetries": 2})).await;
    let rubbish = patch("7", json!({"maxRetries": 2})).await;
    let late_delete = acme
        .send(Method::DELETE, &path, &[("if-match", first.as_str())], "")
        .await;

    assert_ne!(second.etag(), first);
    late.refused(409, "CONFLICT", "patchWebhookConfig");
    rubbish.refused(400, "BAD_REQUEST", "patchWebhookConfig");
    late_delete.refused(409, "CONFLICT", "deleteWebhookConfig");
    assert_eq!(acme.get(&path).await.expect(200)["maxRetries"], 1);
    let now = [("if-match", second.etag())];
    acme.send(Method::DELETE, &path, &now, "").await.expect(204);
}

#[tokio::test]
async fn organisations_do_not_see_each_other() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let umbra = installation.caller("umbra", "admin").await;
    let body = json!([config("https://a.example/")]);
    let made = acme.put(CONFIGS, &body).await.expect(200);
    let id = made[0]["id"].as_str().unwrap();
    let path = format!("{CONFIGS}/{id}");

    assert_eq!(umbra.get(CONFIGS).await.expect(200), json!([]));
    umbra
        .get(&path)
        .await
        .refused(404, "NOT_FOUND", "getWebhookConfig");
    umbra
        .patch(&path, &json!({}))
        .await
        .refused(404, "NOT_FOUND", "patchWebhookConfig");
    umbra
        .delete(&path)
        .await
        .refused(404, "NOT_FOUND", "deleteWebhookConfig");
    let by_id = umbra
        .put(CONFIGS, &json!([{"id": id, "maxRetries": 1}]))
        .await;
    let message = by_id.refused(404, "NOT_FOUND", "putWebhookConfigs");
    assert_eq!(message, "[0].id: there is no such webhook config");
    let foreign = json!([{"organisationId": "acme", "url": "https://a.example/", "events": []}]);
    umbra
        .put(CONFIGS, &foreign)
        .await
        .refused(403, "FORBIDDEN", "putWebhookConfigs");
    let named = umbra.get(&format!("{CONFIGS}?organisationId=acme")).await;
    named.refused(403, "FORBIDDEN", "listWebhookConfigs");
    // The same URL in two organisations is two configs.
    let own = umbra.put(CONFIGS, &body).await.expect(200);
    assert_ne!(own[0]["id"], made[0]["id"]);
    acme.get("/api/v2/admin/webhooks/configs/no%20id")
        .await
        .expect(404);
}

#[tokio::test]
async fn roles_open_what_they_should() {
    let installation = Installation::start().await;
    let viewer = installation.caller("acme", "viewer").await;
    let producer = installation.caller("acme", "producer").await;
    let operator = installation.operator();
    let body = json!([config("https://a.example/")]);

    let stranger = installation.stranger().get(CONFIGS).await;
    stranger.refused(401, "UNAUTHORIZED", "listWebhookConfigs");
    let guess = installation.with_token("pht_guess").get(CONFIGS).await;
    guess.refused(401, "UNAUTHORIZED", "listWebhookConfigs");
    viewer.get(CONFIGS).await.expect(200);
    viewer
        .put(CONFIGS, &body)
        .await
        .refused(403, "FORBIDDEN", "putWebhookConfigs");
    producer
        .get(CONFIGS)
        .await
        .refused(403, "FORBIDDEN", "listWebhookConfigs");
    operator
        .get(CONFIGS)
        .await
        .refused(400, "BAD_REQUEST", "listWebhookConfigs");
    let path = format!("{CONFIGS}?organisationId=acme");
    let made = operator.put(&path, &body).await.expect(200);
    assert_eq!(made[0]["organisationId"], "acme");
    assert_eq!(
        viewer.get(CONFIGS).await.expect(200)[0]["id"],
        made[0]["id"]
    );
}

#[tokio::test]
async fn requests_are_counted_by_operation_and_class() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;

    acme.get(CONFIGS).await.expect(200);
    acme.get(&format!("{CONFIGS}?colour=red")).await.expect(400);

    let text = installation.metrics.render();
    for class in ["2xx", "4xx"] {
        let labels = format!("operation=\"listWebhookConfigs\",status=\"{class}\"");
        assert!(
            text.contains(&format!("posthorn_admin_requests_total{{{labels}}} 1")),
            "{text}"
        );
    }
}

fn without_secret(config: &Value) -> Value {
    let mut config = config.clone();
    assert!(config.as_object_mut().unwrap().remove("secret").is_some());
    config
}

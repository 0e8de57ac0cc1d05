//! Tokens: who makes which, and how they stop to work.

use http::Method;
use serde_json::{Value, json};
use test_support::eventually;

use crate::installation::{BOUND, CONFIGS, Installation, OPERATOR_TOKEN, TOKENS};

#[tokio::test]
async fn a_token_is_told_once_works_at_once_and_is_revoked_at_once() {
    let installation = Installation::start().await;
    let operator = installation.operator();
    let wanted = json!({
        "organisationId": "acme", "role": "viewer", "name": "Dashboard",
        "expiresAt": "2999-01-01T00:00:00.000Z",
    });

    let made = operator.post(TOKENS, &wanted).await.expect(201);
    let text = made["token"].as_str().unwrap();
    let viewer = installation.with_token(text);
    viewer.get(CONFIGS).await.expect(200);
    let listed = operator
        .get(&format!("{TOKENS}?organisationId=acme"))
        .await
        .expect(200);
    let path = format!("{TOKENS}/{}", made["id"].as_str().unwrap());
    operator.delete(&path).await.expect(204);

    viewer
        .get(CONFIGS)
        .await
        .refused(401, "UNAUTHORIZED", "listWebhookConfigs");
    operator
        .delete(&path)
        .await
        .refused(404, "NOT_FOUND", "deleteToken");
    assert!(text.starts_with("pht_") && text.len() == 47, "{text}");
    let mut expected = wanted;
    expected["id"] = made["id"].clone();
    expected["createdAt"] = made["createdAt"].clone();
    assert_eq!(listed, json!([expected]));
}

#[tokio::test]
async fn an_admin_manages_its_own_organisation_only() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let umbra = installation.caller("umbra", "admin").await;
    let theirs = umbra.get(TOKENS).await.expect(200)[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let own = acme
        .post(TOKENS, &json!({"role": "producer", "name": "p"}))
        .await
        .expect(201);
    let foreign = json!({"organisationId": "umbra", "role": "viewer", "name": "v"});
    acme.post(TOKENS, &foreign)
        .await
        .refused(403, "FORBIDDEN", "createToken");
    let operator = json!({"role": "operator", "name": "o"});
    acme.post(TOKENS, &operator)
        .await
        .refused(403, "FORBIDDEN", "createToken");
    acme.delete(&format!("{TOKENS}/{theirs}"))
        .await
        .refused(404, "NOT_FOUND", "deleteToken");

    assert_eq!(own["organisationId"], "acme");
    let listed = acme.get(TOKENS).await.expect(200);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .all(|token| token["organisationId"] == "acme")
    );
    for role in ["viewer", "producer"] {
        let other = installation.caller("acme", role).await;
        other
            .get(TOKENS)
            .await
            .refused(403, "FORBIDDEN", "listTokens");
        other
            .post(TOKENS, &json!({}))
            .await
            .refused(403, "FORBIDDEN", "createToken");
    }
}

#[tokio::test]
async fn an_operator_makes_operators_and_names_organisations() {
    let installation = Installation::start().await;
    let operator = installation.operator();
    installation.caller("acme", "admin").await;

    let second = operator
        .post(TOKENS, &json!({"role": "operator", "name": "o"}))
        .await;
    let second = second.expect(201);
    let all = operator.get(TOKENS).await.expect(200);

    assert_eq!(second["organisationId"], Value::Null);
    assert_eq!(all.as_array().unwrap().len(), 3);
    for (body, message) in [
        (
            json!({"role": "admin", "name": "a"}),
            "organisationId: is required",
        ),
        (
            json!({"role": "operator", "name": "o", "organisationId": "acme"}),
            "organisationId: an operator has none",
        ),
        (
            json!({"role": "admin", "name": " ", "organisationId": "acme"}),
            "name: must be 1 to 200 characters",
        ),
        (
            json!({
                "role": "admin", "name": "a", "organisationId": "acme",
                "expiresAt": "2020-01-01T00:00:00Z",
            }),
            "expiresAt: must be in the future",
        ),
    ] {
        let refused = operator.post(TOKENS, &body).await;
        assert_eq!(refused.refused(400, "BAD_REQUEST", "createToken"), message);
    }
    let unknown = json!({"organisationId": "acme", "role": "king", "name": "k"});
    let refused = operator.post(TOKENS, &unknown).await;
    assert!(
        refused
            .refused(400, "BAD_REQUEST", "createToken")
            .starts_with("role:")
    );
}

#[tokio::test]
async fn the_operators_token_follows_the_configuration() {
    let first = Installation::start().await;
    let operator = first.operator();
    let refused = operator.delete(&format!("{TOKENS}/operator")).await;
    refused.refused(409, "CONFLICT", "deleteToken");
    let made_at = operator.get(TOKENS).await.expect(200)[0]["createdAt"].clone();
    let same = Installation::start_on(first.stop().await, OPERATOR_TOKEN).await;
    let again = same.operator().get(TOKENS).await.expect(200);
    assert_eq!(again[0]["createdAt"], made_at);

    let other = Installation::start_on(same.stop().await, "another-operator-token").await;

    other
        .operator()
        .get(TOKENS)
        .await
        .refused(401, "UNAUTHORIZED", "listTokens");
    let listed = other
        .with_token("another-operator-token")
        .get(TOKENS)
        .await
        .expect(200);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], "operator");
}

#[tokio::test]
async fn a_token_waits_for_ingest() {
    let installation = Installation::start().await;
    let laggard = installation.laggard("ingest").await;
    let wanted = json!({"organisationId": "acme", "role": "producer", "name": "p"});

    let early = installation.operator().post(TOKENS, &wanted).await;
    eventually(
        "a token that nobody knows is taken back",
        BOUND,
        async || {
            let tokens = installation.operator().get(TOKENS).await.expect(200);
            let is_alone = tokens.as_array().unwrap().len() == 1;
            is_alone.then_some(()).ok_or(tokens)
        },
    )
    .await;
    laggard.catch_up();
    let late = installation.operator().post(TOKENS, &wanted).await;

    let message = early.refused(503, "SERVICE_UNAVAILABLE", "createToken");
    assert_eq!(message, "saved, not yet in force everywhere");
    late.expect(201);
}

#[tokio::test]
async fn a_token_is_taken_in_four_spellings_and_nobody_is_told_from_a_stranger() {
    let installation = Installation::start().await;
    let nobody = installation.stranger();
    let get = async |name: &str, value: &str| {
        nobody.send(Method::GET, TOKENS, &[(name, value)], "").await
    };

    for header in ["x-api-token", "authorization", "X-API-Token"] {
        for scheme in ["", "Bearer ", "bearer "] {
            let spelling = format!("{scheme}{OPERATOR_TOKEN}");
            get(header, &spelling).await.expect(200);
        }
    }
    let without = nobody.get(TOKENS).await;
    let unknown = get("authorization", "Bearer pht_unknown").await;
    let other_scheme = get("authorization", &format!("Basic {OPERATOR_TOKEN}")).await;

    let message = without.refused(401, "UNAUTHORIZED", "listTokens");
    assert_eq!(message, "You must be logged in to access this endpoint.");
    assert_eq!(without.headers["www-authenticate"], "Bearer");
    let message = unknown.refused(401, "UNAUTHORIZED", "listTokens");
    assert_eq!(message, "Unauthorized");
    other_scheme.refused(401, "UNAUTHORIZED", "listTokens");
}

//! Secrets: sealed at rest, told once, never shown again.

use jetstream::endpoint_bucket::EndpointBucket;
use serde_json::{Value, json};

use crate::installation::{CONFIGS, Installation, OPERATOR_TOKEN, TOKENS, config};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const AUTHORIZATION: &str = "Bearer hidden-value-4711";

#[tokio::test]
async fn nothing_secret_is_in_the_broker_or_in_answers() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let given = json!([{
        "url": "https://a.example/", "events": ["*"], "secret": SECRET,
        "headers": {"Authorization": AUTHORIZATION, "X-Plain": "plain-value"},
    }]);

    let made = acme.put(CONFIGS, &given).await;
    let generated = acme
        .put(CONFIGS, &json!([config("https://b.example/")]))
        .await
        .expect(200);
    let generated = generated[0]["secret"].as_str().unwrap();
    let token = json!({"organisationId": "acme", "role": "viewer", "name": "v"});
    let token = installation
        .operator()
        .post(TOKENS, &token)
        .await
        .expect(201);
    let token = token["token"].as_str().unwrap();
    let wrong = json!([{"url": "https://c.example/", "events": [], "secret": "hunter2-hunter2"}]);
    let refused = acme.put(CONFIGS, &wrong).await;

    let client = installation.server.client().await;
    let mut places = Vec::new();
    for stream in ["KV_posthorn_endpoints", "KV_posthorn_tokens"] {
        let messages = client.messages(stream).await;
        assert!(!messages.is_empty(), "{stream} holds something");
        places.extend(messages.into_iter().map(|message| message.body));
    }
    let plain = places.iter().any(|bytes| contains(bytes, "plain-value"));
    assert!(plain, "the config itself has been read");
    for path in [CONFIGS, TOKENS] {
        places.push(acme.get(path).await.body);
    }
    places.extend([made.body, refused.body]);
    for secret in [
        SECRET,
        &SECRET[6..],
        "hidden-value-4711",
        generated,
        token,
        OPERATOR_TOKEN,
        "hunter2",
    ] {
        for bytes in &places {
            assert!(
                !contains(bytes, secret),
                "{secret} in {}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}

#[tokio::test]
async fn a_masked_value_sent_back_stays_and_a_new_one_is_sealed() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let given = json!([{
        "url": "https://a.example/", "events": ["*"], "secret": SECRET,
        "headers": {"Authorization": AUTHORIZATION},
    }]);
    let made = acme.put(CONFIGS, &given).await.expect(200);
    let path = format!("{CONFIGS}/{}", made[0]["id"].as_str().unwrap());
    let sealed = async || stored(&installation, made[0]["id"].as_str().unwrap()).await;

    let before = sealed().await;
    let masked = json!({"secret": "***", "headers": {"Authorization": "Bearer ***", "X-A": "b"}});
    acme.patch(&path, &masked).await.expect(200);
    let after_masked = sealed().await;
    acme.patch(
        &path,
        &json!({"headers": {"Authorization": "Bearer another"}}),
    )
    .await
    .expect(200);
    let after_new = sealed().await;

    assert_eq!(before["secrets"], after_masked["secrets"]);
    assert_eq!(before["headers"][0], after_masked["headers"][0]);
    assert_eq!(after_masked["headers"][1]["name"], "X-A");
    assert_eq!(before["secrets"], after_new["secrets"]);
    assert_ne!(before["headers"][0], after_new["headers"][0]);
    assert_eq!(after_new["headers"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_endpoint_that_does_not_sign_has_no_secret() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let given = json!([{"url": "https://a.example/", "events": [], "signing": "none"}]);

    let made = acme.put(CONFIGS, &given).await.expect(200);
    let path = format!("{CONFIGS}/{}", made[0]["id"].as_str().unwrap());
    let signing = acme
        .patch(&path, &json!({"signing": "standard"}))
        .await
        .expect(200);

    assert!(made[0].get("secret").is_none());
    assert!(signing["secret"].as_str().unwrap().starts_with("whsec_"));
    assert!(acme.get(&path).await.expect(200).get("secret").is_none());
}

/// Reads an endpoint as it stands in the bucket.
async fn stored(installation: &Installation, id: &str) -> Value {
    let bucket = EndpointBucket::open(&installation.broker).await.unwrap();
    let entry = bucket
        .bucket()
        .get(&format!("acme.{id}"))
        .await
        .unwrap()
        .unwrap();
    serde_json::from_slice(&entry.value).unwrap()
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes
        .windows(part.len())
        .any(|window| window == part.as_bytes())
}

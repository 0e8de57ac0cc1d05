//! Schemes and their secrets: what a change does to them, and rotations.

use domain::time::Timestamp;
use http::Method;
use jetstream::endpoint_bucket::EndpointBucket;
use serde_json::{Value, json};

use crate::installation::{CONFIGS, Caller, Installation};

const OPERATION: &str = "rotateWebhookConfigSecret";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const LEGACY: &str = "a-secret-of-before";
const DAY_MS: i64 = 86_400_000;

#[tokio::test]
async fn a_rotation_tells_the_new_secret_once_and_keeps_the_old_one_for_a_day() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let (_, path) = made(&acme, json!({"secret": SECRET})).await;
    let before = stored(&installation, &path).await;

    let reply = acme.send(Method::POST, &rotate(&path), &[], "").await;
    let rotated = reply.expect(200);

    let after = stored(&installation, &path).await;
    let shown = acme.get(&path).await;
    let secret = rotated["secret"].as_str().unwrap();
    assert!(
        secret.starts_with("whsec_") && secret != SECRET,
        "{rotated}"
    );
    assert!(rotated.get("publicKey").is_none());
    assert_eq!(reply.etag(), format!("\"{}\"", rotated["revision"]));
    assert_eq!(shown.etag(), reply.etag());
    assert_eq!(after["secrets"].as_array().unwrap().len(), 2);
    assert_eq!(
        after["secrets"][1]["sealed"],
        before["secrets"][0]["sealed"]
    );
    assert_eq!(
        after["secrets"][1]["expiresAt"],
        rotated["oldSecretExpiresAt"]
    );
    let lasts = millis(&rotated["oldSecretExpiresAt"]) - millis(&after["updatedAt"]);
    assert_eq!(lasts, DAY_MS);
    for text in [after.to_string(), shown.expect(200).to_string()] {
        assert!(!text.contains(secret) && !text.contains(SECRET), "{text}");
    }
}

#[tokio::test]
async fn a_rotation_to_a_given_secret_may_be_repeated_and_its_overlap_ended() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let (_, path) = made(&acme, json!({"secret": SECRET})).await;
    let ask = async |body: Value| acme.post(&rotate(&path), &body).await.expect(200);

    let first = ask(json!({"secret": OTHER, "overlapMs": 60_000})).await;
    let again = ask(json!({"secret": OTHER, "overlapMs": 60_000})).await;
    let longer = ask(json!({"secret": OTHER})).await;
    let put = acme
        .patch(&path, &json!({"secret": OTHER}))
        .await
        .expect(200);
    let ended = ask(json!({"secret": OTHER, "overlapMs": 0})).await;

    assert_eq!(first["secret"], OTHER);
    assert_eq!(again, first);
    assert_eq!(longer, first);
    assert_eq!(put["revision"], first["revision"]);
    assert_eq!(ended["oldSecretExpiresAt"], Value::Null);
    let secrets = stored(&installation, &path).await["secrets"].clone();
    assert_eq!(secrets.as_array().unwrap().len(), 1);
    // Back to the first one, which does not stand there twice.
    ask(json!({"secret": SECRET})).await;
    ask(json!({"secret": OTHER})).await;
    let secrets = stored(&installation, &path).await["secrets"].clone();
    assert_eq!(secrets.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_rotation_waits_for_delivery_and_its_repetition_tells_the_same_secret() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let (_, path) = made(&acme, json!({"secret": SECRET})).await;
    let laggard = installation.laggard("delivery").await;

    let early = acme.post(&rotate(&path), &json!(null)).await;
    laggard.catch_up();
    let repeated = acme.post(&rotate(&path), &json!(null)).await.expect(200);

    let message = early.refused(503, "SERVICE_UNAVAILABLE", OPERATION);
    assert_eq!(message, "saved, not yet in force everywhere");
    assert!(repeated["secret"].as_str().unwrap().starts_with("whsec_"));
    let secrets = stored(&installation, &path).await["secrets"].clone();
    assert_eq!(secrets.as_array().unwrap().len(), 2, "rotated once");
    let next = acme.post(&rotate(&path), &json!(null)).await.expect(200);
    assert_ne!(next["secret"], repeated["secret"]);
}

#[tokio::test]
async fn a_rotation_is_refused_with_its_reason() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let viewer = installation.caller("acme", "viewer").await;
    let umbra = installation.caller("umbra", "admin").await;
    let (tag, path) = made(&acme, json!({"secret": SECRET})).await;
    let nothing = json!(null);

    let by_viewer = viewer.post(&rotate(&path), &nothing).await;
    let foreign = umbra.post(&rotate(&path), &nothing).await;
    acme.patch(&path, &json!({"description": "d"}))
        .await
        .expect(200);
    let headers = [("if-match", tag.as_str())];
    let changed = acme.send(Method::POST, &rotate(&path), &headers, "").await;
    let short = acme
        .post(&rotate(&path), &json!({"secret": "hunter2"}))
        .await;
    let long = acme
        .post(&rotate(&path), &json!({"overlapMs": 604_800_001}))
        .await;
    let unknown = acme.post(&rotate(&path), &json!({"overlap": 1})).await;
    let unsigned = json!([{"url": "https://b.example/", "events": [], "signing": "none"}]);
    let unsigned = acme.put(CONFIGS, &unsigned).await.expect(200)[0].clone();
    let unsigned = format!(
        "{CONFIGS}/{}/secret/rotate",
        unsigned["id"].as_str().unwrap()
    );
    let unsigned = acme.post(&unsigned, &nothing).await;

    by_viewer.refused(403, "FORBIDDEN", OPERATION);
    foreign.refused(404, "NOT_FOUND", OPERATION);
    changed.refused(409, "CONFLICT", OPERATION);
    let message = short.refused(400, "BAD_REQUEST", OPERATION);
    assert_eq!(
        message,
        "secret: must be whsec_ and the base64 of 24 to 64 bytes"
    );
    let message = long.refused(400, "BAD_REQUEST", OPERATION);
    assert_eq!(message, "overlapMs: must be from 0 to 604800000");
    assert!(
        unknown
            .refused(400, "BAD_REQUEST", OPERATION)
            .contains("overlap")
    );
    let message = unsigned.refused(409, "CONFLICT", OPERATION);
    assert_eq!(message, "signing: is none, so there is no secret to rotate");
}

#[tokio::test]
async fn five_secrets_are_in_use_at_most_and_an_overlap_of_nothing_ends_them() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let (_, path) = made(&acme, json!({})).await;
    for _ in 0..4 {
        acme.post(&rotate(&path), &json!(null)).await.expect(200);
    }

    let refused = acme.post(&rotate(&path), &json!(null)).await;
    let alone = acme
        .post(&rotate(&path), &json!({"overlapMs": 0}))
        .await
        .expect(200);

    assert_eq!(
        refused.refused(409, "CONFLICT", OPERATION),
        "secret: 5 are in use already: wait until one of them ends, or end them with overlapMs 0"
    );
    assert_eq!(alone["oldSecretExpiresAt"], Value::Null);
}

#[tokio::test]
async fn a_key_pair_comes_with_asymmetric_stays_and_goes_with_it() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let signing = json!({"scheme": "standard", "asymmetric": true});
    let (_, path) = made(&acme, json!({"secret": SECRET, "signing": signing})).await;
    let change = async |body: Value| acme.patch(&path, &body).await.expect(200);
    let public_key = async || acme.get(&path).await.expect(200)["publicKey"].clone();

    let first = public_key().await;
    assert!(first.as_str().unwrap().starts_with("whpk_"), "{first}");
    let text = stored(&installation, &path).await.to_string();
    assert!(!text.contains("whsk_"), "{text}");
    change(json!({"signing": signing, "publicKey": "whpk_ignored"})).await;
    change(json!({"secret": OTHER})).await;
    assert_eq!(public_key().await, first);
    let rotated = acme.post(&rotate(&path), &json!(null)).await.expect(200);
    assert_ne!(rotated["publicKey"], first);
    assert_eq!(public_key().await, rotated["publicKey"]);
    change(json!({"signing": "standard"})).await;
    assert_eq!(public_key().await, Value::Null);
    let text = stored(&installation, &path).await.to_string();
    assert!(!text.contains("keyPair"), "{text}");
    change(json!({"signing": signing})).await;
    assert!(![&Value::Null, &first, &rotated["publicKey"]].contains(&&public_key().await));
}

#[tokio::test]
async fn a_scheme_is_shown_as_it_was_chosen_and_its_secret_must_fit() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let signing = json!({"scheme": "hmac-hex", "header": "x-signature"});
    let (_, path) = made(&acme, json!({"secret": LEGACY, "signing": signing})).await;
    let change = async |body: Value| acme.patch(&path, &body).await;
    assert_eq!(acme.get(&path).await.expect(200)["signing"], signing);
    acme.post(&rotate(&path), &json!({"secret": "another-legacy-secret"}))
        .await
        .expect(200);

    let unfit = change(json!({"signing": "standard"})).await;
    let header = change(json!({"signing": "hmac-hex"})).await.expect(200);
    let kept = stored(&installation, &path).await["secrets"].clone();
    let none = change(json!({"signing": "none"})).await.expect(200);
    let back = change(json!({"signing": "hmac-hex"})).await.expect(200);
    let fit = change(json!({"signing": "jwt", "secret": OTHER}))
        .await
        .expect(200);
    let standard = change(json!({"signing": "standard"})).await.expect(200);

    let message = unfit.refused(400, "BAD_REQUEST", "patchWebhookConfig");
    assert_eq!(
        message,
        "secret: must be given: for this signing the one that is kept must be whsec_ and the base64 of \
         24 to 64 bytes"
    );
    assert_eq!(header["signing"], "hmac-hex");
    assert_eq!(
        kept.as_array().unwrap().len(),
        2,
        "another header ends no overlap"
    );
    for (config, scheme) in [
        (none, "none"),
        (back, "hmac-hex"),
        (fit, "jwt"),
        (standard, "standard"),
    ] {
        assert_eq!(config["signing"], scheme);
        assert!(config.get("secret").is_none(), "{config}");
    }
    let secrets = stored(&installation, &path).await["secrets"].clone();
    assert_eq!(
        secrets.as_array().unwrap().len(),
        1,
        "another scheme ends the overlap"
    );
}

/// Makes a config; returns its `ETag` and path.
async fn made(acme: &Caller, more: Value) -> (String, String) {
    let mut config = json!({"url": "https://a.example/", "events": ["*"]});
    for (field, value) in more.as_object().unwrap() {
        config[field] = value.clone();
    }
    let made = acme.put(CONFIGS, &json!([config])).await.expect(200);
    let path = format!("{CONFIGS}/{}", made[0]["id"].as_str().unwrap());
    (format!("\"{}\"", made[0]["revision"]), path)
}

fn rotate(path: &str) -> String {
    format!("{path}/secret/rotate")
}

/// Reads an endpoint as it stands in the bucket.
async fn stored(installation: &Installation, path: &str) -> Value {
    let id = path.rsplit('/').next().unwrap();
    let bucket = EndpointBucket::open(&installation.broker).await.unwrap();
    let entry = bucket.bucket().get(&format!("acme.{id}")).await;
    serde_json::from_slice(&entry.unwrap().unwrap().value).unwrap()
}

fn millis(value: &Value) -> i64 {
    Timestamp::parse(value.as_str().unwrap()).unwrap().millis()
}

//! Client certificates, roots and OAuth 2.0 on configs: checked, sealed, never shown.

use http::StatusCode;
use serde_json::{Value, json};
use test_support::{Authority, Certified};

use crate::installation::{CONFIGS, Caller, Installation};

const OPERATION: &str = "putWebhookConfigs";
const CLIENT_SECRET: &str = "client-secret-of-ours-4711";

#[tokio::test]
async fn what_identifies_us_is_sealed_masked_and_kept_when_it_is_sent_again() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let authority = Authority::new("ours");
    let client = authority.client("posthorn");
    let given = full(&authority, &client);

    let made = acme.put(CONFIGS, &given).await.expect(200)[0].clone();
    let again = acme.put(CONFIGS, &given).await.expect(200)[0].clone();
    let path = format!("{CONFIGS}/{}", made["id"].as_str().unwrap());
    let mut shown = acme.get(&path).await.expect(200);
    shown["description"] = json!("sent back as it was shown");
    let back = acme.patch(&path, &shown).await.expect(200);

    assert_eq!(again["revision"], made["revision"], "nothing has changed");
    for config in [&made, &back] {
        let own = &config["clientCertificate"];
        assert_eq!(own["certificate"], client.certificate);
        assert_eq!(own["privateKey"], "***");
        assert!(own["expiresAt"].as_str().unwrap().ends_with('Z'), "{own}");
        assert_eq!(config["caCertificate"], authority.pem());
        let oauth2 = json!({
            "tokenUrl": "https://login.example/token", "clientId": "posthorn",
            "clientSecret": "***", "scope": "events:write",
        });
        assert_eq!(config["oauth2"], oauth2);
    }
    let stored = installation.server.client().await;
    let stored = stored.messages("KV_posthorn_endpoints").await;
    let inner = client.key.lines().nth(1).unwrap();
    for secret in [CLIENT_SECRET, inner] {
        let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(secret);
        assert!(!stored.iter().any(|message| holds(&message.body)));
    }
    let removed = json!({"clientCertificate": null, "caCertificate": null, "oauth2": null});
    let removed = acme.patch(&path, &removed).await.expect(200);
    for field in ["clientCertificate", "caCertificate", "oauth2"] {
        assert_eq!(removed[field], Value::Null, "{field}");
    }
}

#[tokio::test]
async fn a_certificate_must_fit_its_key_and_be_one_that_tls_can_use() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let authority = Authority::new("ours");
    let (one, two) = (authority.client("one"), authority.client("two"));
    let pair = |certificate: &str, key: &str| json!({"clientCertificate": {"certificate": certificate, "privateKey": key}});
    let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    let other = "[0].clientCertificate.privateKey: must be the key of the first certificate";
    check(&acme, pair(&one.certificate, &two.key), other).await;
    check(
        &acme,
        pair(&one.certificate, damaged),
        "[0].clientCertificate.privateKey: must be an RSA, ECDSA or Ed25519 key that TLS can use",
    )
    .await;
    // A key that was kept must fit a certificate that is new.
    let fields = pair(&one.certificate, &one.key);
    assert_eq!(put(&acme, fields).await.status, StatusCode::OK);
    check(&acme, pair(&two.certificate, "***"), other).await;
}

#[tokio::test]
async fn the_url_of_a_token_server_is_checked_as_the_endpoints_own() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let oauth2 =
        |url: &str| json!({"oauth2": {"tokenUrl": url, "clientId": "a", "clientSecret": "b"}});

    check(
        &acme,
        oauth2("https://169.254.169.254/"),
        "[0].oauth2.tokenUrl: must not point to 169.254.169.254, an address that is not public",
    )
    .await;
    check(
        &acme,
        oauth2("https://[::ffff:10.0.0.1]/"),
        "[0].oauth2.tokenUrl: must not point to 10.0.0.1, an address that is not public",
    )
    .await;
}

/// A config with everything.
fn full(authority: &Authority, client: &Certified) -> Value {
    json!([{
        "url": "https://a.example/", "events": ["*"],
        "clientCertificate": {"certificate": client.certificate, "privateKey": client.key},
        "caCertificate": authority.pem(),
        "oauth2": {
            "tokenUrl": "https://login.example/token", "clientId": "posthorn",
            "clientSecret": CLIENT_SECRET, "scope": "events:write",
        },
    }])
}

async fn check(acme: &Caller, fields: Value, message: &str) {
    let refused = put(acme, fields).await;

    assert_eq!(refused.refused(400, "BAD_REQUEST", OPERATION), message);
}

async fn put(acme: &Caller, fields: Value) -> crate::installation::Reply {
    let mut config = json!({"url": "https://a.example/", "events": ["*"]});
    for (field, value) in fields.as_object().unwrap() {
        config[field] = value.clone();
    }
    acme.put(CONFIGS, &json!([config])).await
}

//! What drafts may say of client certificates, roots and OAuth 2.0.

use serde_json::{Value, json};

use super::{create, existing, refused, update, with};
use crate::{
    access::Hidden,
    endpoint::{Endpoint, Sealed},
};

/// Made by `openssl req -x509 -newkey ec -days 3650`, until November 2036.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBczCCARmgAwIBAgIUP39ONJ5w4yzqGhwiRSzLGYLLQc0wCgYIKoZIzj0EAwIw\n\
DzENMAsGA1UEAwwEc29vbjAeFw0yNjExMjExNjA3NDVaFw0zNjExMTgxNjA3NDVa\n\
MA8xDTALBgNVBAMMBHNvb24wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQPgchL\n\
XuMK03Erip4OjxEbCisqcm8Jf4lAOFrVXU+6ETfU6QzsRsJ54Wq/VFz65g5u17MC\n\
SrbuCPhbpmYPUzC7o1MwUTAdBgNVHQ4EFgQUPBOAVXVSxL51F5JL1krKbRjrokMw\n\
HwYDVR0jBBgwFoAUPBOAVXVSxL51F5JL1krKbRjrokMwDwYDVR0TAQH/BAUwAwEB\n\
/zAKBggqhkjOPQQDAgNIADBFAiEAkFK6zGmed4QZJDXLbUU6Kz9j86fYV/ZIOHxp\n\
p+B7E54CIG2dgMc5UzHNC8WJ6mlJxPP4YPPK7q6W4l4x9AvIky2V\n\
-----END CERTIFICATE-----\n\
";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n";
const TOKEN_URL: &str = "https://login.example/token";

#[test]
fn a_client_certificate_is_taken_with_its_key_and_told_until_when_it_holds() {
    let told = format!("subject=CN = soon\n{CERTIFICATE}");
    let made = create(with(certificate(&told, json!(KEY))))
        .unwrap()
        .endpoint;

    let own = made.client_certificate.unwrap();

    assert_eq!(own.certificate, CERTIFICATE);
    assert_eq!(own.expires_at.to_string(), "2036-11-18T16:07:45.000Z");
    assert_eq!(own.private_key, Hidden::Value(KEY.to_owned()));
}

#[test]
fn a_masked_or_missing_secret_keeps_the_earlier_one_and_null_removes_all() {
    let endpoint = with_everything();
    for key in [json!("***"), Value::Null] {
        let mut same = certificate(CERTIFICATE, key.clone());
        same["clientCertificate"]["expiresAt"] = json!("2000-01-01T00:00:00Z");
        same["oauth2"] = json!({"tokenUrl": TOKEN_URL, "clientId": "b", "clientSecret": key});

        let changed = updated(&endpoint, without_nulls(same));

        assert_eq!(changed.client_certificate, endpoint.client_certificate);
        let oauth2 = changed.oauth2.unwrap();
        assert_eq!(oauth2.client_id, "b");
        assert_eq!(
            oauth2.client_secret,
            Hidden::Sealed(Sealed("k:s".to_owned()))
        );
        assert_eq!(changed.ca_certificate.as_deref(), Some(CERTIFICATE));
    }
    let none = json!({"clientCertificate": null, "caCertificate": null, "oauth2": null});
    let removed = updated(&endpoint, none);
    assert_eq!(
        (
            removed.client_certificate,
            removed.ca_certificate,
            removed.oauth2
        ),
        (None, None, None)
    );
}

#[test]
fn faults_of_certificates_name_the_field_and_repeat_no_key() {
    let encrypted = KEY.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let expired = CERTIFICATE.replace("Fw0zNjExMTgxNjA3NDVa", "Fw0wMDAxMDEwMDAwMDBa");
    assert_ne!(expired, CERTIFICATE);
    let key = "clientCertificate.privateKey: must be one private key in PEM";
    refused(&[
        (certificate(CERTIFICATE, json!("s3cret")), key),
        (certificate(CERTIFICATE, json!(KEY.repeat(2))), key),
        (certificate(CERTIFICATE, json!(CERTIFICATE)), key),
        (
            certificate(CERTIFICATE, json!(encrypted)),
            "clientCertificate.privateKey: must not be encrypted",
        ),
        (
            certificate(CERTIFICATE, json!(KEY.repeat(400))),
            "clientCertificate.privateKey: must be at most 16384 bytes",
        ),
        (
            certificate(CERTIFICATE, json!("***")),
            "clientCertificate.privateKey: is masked, and there is none to keep",
        ),
        (
            json!({"clientCertificate": {"certificate": CERTIFICATE}}),
            "clientCertificate.privateKey: is required",
        ),
        (
            certificate(&format!("{CERTIFICATE}{KEY}"), json!(KEY)),
            "clientCertificate.certificate: must hold nothing but certificates",
        ),
        (
            certificate(&expired, json!(KEY)),
            "clientCertificate.certificate: has expired on 2000-01-01T00:00:00.000Z",
        ),
        (
            json!({"caCertificate": "none"}),
            "caCertificate: must hold a certificate in PEM",
        ),
    ]);
}

#[test]
fn faults_of_oauth2_name_the_field_and_repeat_no_secret() {
    let but = |field: &str, value: Value| {
        let mut oauth2 = json!({"tokenUrl": TOKEN_URL, "clientId": "a", "clientSecret": "s"});
        oauth2[field] = value;
        json!({"oauth2": oauth2})
    };
    refused(&[
        (
            but("tokenUrl", json!("http://login.example/")),
            "oauth2.tokenUrl: must be https",
        ),
        (
            but("tokenUrl", json!("https://169.254.169.254/")),
            "oauth2.tokenUrl: must not point to 169.254.169.254, an address that is not public",
        ),
        (
            but("tokenUrl", json!("https://a:b@login.example/")),
            "oauth2.tokenUrl: must not hold a user name or password",
        ),
        (
            but("clientId", json!("")),
            "oauth2.clientId: must be 1 to 256 visible ASCII characters",
        ),
        (
            but("clientSecret", json!("s3cret\n")),
            "oauth2.clientSecret: must be 1 to 1024 visible ASCII characters",
        ),
        (
            but("clientSecret", json!("***")),
            "oauth2.clientSecret: is masked, and there is none to keep",
        ),
        (
            but("scope", json!("\u{e9}")),
            "oauth2.scope: must be 1 to 1000 visible ASCII characters",
        ),
        (
            but("audience", json!("a".repeat(1_001))),
            "oauth2.audience: must be 1 to 1000 visible ASCII characters",
        ),
        (
            json!({"oauth2": {"tokenUrl": TOKEN_URL, "clientId": "a"}}),
            "oauth2.clientSecret: is required",
        ),
    ]);
}

#[test]
fn a_header_authorization_and_oauth2_do_not_stand_side_by_side() {
    let oauth2 = json!({"tokenUrl": TOKEN_URL, "clientId": "a", "clientSecret": "s"});
    let both = json!({"headers": {"authorization": "Bearer a"}, "oauth2": oauth2});
    refused(&[(
        both,
        "oauth2: must not be given beside a header authorization, which it sets",
    )]);
    let endpoint = with_everything();
    let later = draft(json!({"headers": {"Authorization": "Bearer a"}}));

    let fault = apply(&endpoint, &later).unwrap_err();

    assert_eq!(
        fault,
        "headers.Authorization: must not be given beside oauth2, which sets it"
    );
    let instead = json!({"headers": {"Authorization": "Bearer a"}, "oauth2": null});
    assert!(updated(&endpoint, instead).oauth2.is_none());
}

#[test]
fn a_secret_of_the_wrong_type_is_not_repeated_either() {
    for wrong in [
        certificate(CERTIFICATE, json!(["s3cret"])),
        json!({"oauth2": {"tokenUrl": TOKEN_URL, "clientId": "a", "clientSecret": {"s3cret": 1}}}),
    ] {
        let error = serde_json::from_value::<super::ConfigDraft>(with(wrong));

        let error = error.unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
    assert!(update(json!({"oauth2": {"tokenURL": TOKEN_URL}})).is_err_and(|e| !e.is_empty()));
}

fn certificate(pem: &str, key: Value) -> Value {
    json!({"clientCertificate": {"certificate": pem, "privateKey": key}})
}

fn without_nulls(mut draft: Value) -> Value {
    for object in draft.as_object_mut().unwrap().values_mut() {
        object
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
    }
    draft
}

/// An endpoint with a certificate, roots and OAuth 2.0, its secrets sealed and without headers.
fn with_everything() -> Endpoint {
    let mut fields = certificate(CERTIFICATE, json!(KEY));
    fields["caCertificate"] = json!(CERTIFICATE);
    fields["oauth2"] = json!({"tokenUrl": TOKEN_URL, "clientId": "a", "clientSecret": "s"});
    fields["headers"] = json!({});
    let mut endpoint = apply(&existing(), &draft(fields)).unwrap();
    let seal = |hidden: &mut Hidden| {
        hidden
            .seal(|_| Ok::<_, ()>(Sealed("k:s".to_owned())))
            .unwrap();
    };
    seal(&mut endpoint.client_certificate.as_mut().unwrap().private_key);
    seal(&mut endpoint.oauth2.as_mut().unwrap().client_secret);
    endpoint
}

fn updated(endpoint: &Endpoint, fields: Value) -> Endpoint {
    apply(endpoint, &draft(fields)).unwrap()
}

fn draft(fields: Value) -> super::ConfigDraft {
    serde_json::from_value(fields).unwrap()
}

fn apply(endpoint: &Endpoint, draft: &super::ConfigDraft) -> Result<Endpoint, String> {
    let policy = Default::default();
    draft
        .apply(Some(endpoint), &super::context(&policy))
        .map(|change| change.endpoint)
        .map_err(|fault| fault.to_string())
}

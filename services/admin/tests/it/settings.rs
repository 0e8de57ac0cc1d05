//! The settings of an organisation.

use serde_json::{Value, json};

use crate::installation::Installation;

const SETTINGS: &str = "/api/v2/admin/settings";

#[tokio::test]
async fn settings_are_kept_by_organisation_and_changed_by_field() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;
    let umbra = installation.caller("umbra", "admin").await;

    let before = acme.get(SETTINGS).await.expect(200);
    let week = json!({"bodyRetentionDays": 7});
    let saved = acme.put(SETTINGS, &week).await.expect(200);
    let untouched = acme.put(SETTINGS, &json!({})).await.expect(200);
    let theirs = umbra.get(SETTINGS).await.expect(200);
    let by_operator = installation
        .operator()
        .get(&format!("{SETTINGS}?organisationId=acme"))
        .await
        .expect(200);
    let unlimited = json!({"bodyRetentionDays": null});
    let cleared = acme.put(SETTINGS, &unlimited).await.expect(200);

    let none = json!({"organisationId": "acme", "bodyRetentionDays": null, "updatedAt": null});
    assert_eq!(before, none);
    assert_eq!(saved["bodyRetentionDays"], 7);
    assert!(saved["updatedAt"].is_string());
    assert_eq!(untouched["bodyRetentionDays"], 7);
    assert_eq!(theirs["bodyRetentionDays"], Value::Null);
    assert_eq!(by_operator["bodyRetentionDays"], 7);
    assert_eq!(cleared["bodyRetentionDays"], Value::Null);
}

#[tokio::test]
async fn wrong_settings_are_refused_by_the_name_of_the_field() {
    let installation = Installation::start().await;
    let acme = installation.caller("acme", "admin").await;

    for (wanted, named) in [
        (
            json!({"bodyRetentionDays": 3_651}),
            "bodyRetentionDays: must be a number from 0 to 3650",
        ),
        (json!({"bodyRetentionDays": -1}), "bodyRetentionDays"),
        (json!({"bodyRetentionDays": "7"}), "bodyRetentionDays"),
        (json!({"retention": 7}), "retention"),
        (json!([]), "body"),
    ] {
        let reply = acme.put(SETTINGS, &wanted).await;
        let message = reply.refused(400, "BAD_REQUEST", "putSettings");
        assert!(message.contains(named), "{wanted}: {message}");
    }
}

#[tokio::test]
async fn who_may_read_configs_may_read_settings_and_not_change_them() {
    let installation = Installation::start().await;
    let viewer = installation.caller("acme", "viewer").await;
    let producer = installation.caller("acme", "producer").await;
    let week = json!({"bodyRetentionDays": 7});

    viewer.get(SETTINGS).await.expect(200);
    viewer
        .put(SETTINGS, &week)
        .await
        .refused(403, "FORBIDDEN", "putSettings");
    producer
        .get(SETTINGS)
        .await
        .refused(403, "FORBIDDEN", "getSettings");
    let stranger = installation.stranger().get(SETTINGS).await;
    stranger.refused(401, "UNAUTHORIZED", "getSettings");
}

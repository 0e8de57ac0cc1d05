use serde_json::{Value, json};

use crate::installation::Installation;

const CUSTOM: &str = "/api/v2/admin/events/custom";
const OPERATION: &str = "postEventsCustom";

#[tokio::test]
async fn a_custom_event_becomes_an_event_of_our_form() {
    let installation = Installation::start().await;
    let body = "{\"eventName\":\"spin.won\",\"payload\": {\"z\":1.10, \"a\":\"\\u00e9\"},\"userId\":\"u-1\",\
        \"communityId\":\"c-1\",\"autoCreateUser\":true}";

    let reply = installation.post("producer", CUSTOM, &[], body).await;

    let answer = reply.expect(200);
    let id = answer["id"].as_str().unwrap();
    let expected = json!({"name": "spin.won", "userId": "u-1", "id": id, "deduplicated": false});
    assert_eq!(answer, expected);
    let stored = installation.stored().await;
    assert_eq!(stored[0].subject, "posthorn.events.acme.spin.won");
    let text = std::str::from_utf8(&stored[0].body).unwrap();
    let event: Value = serde_json::from_str(text).unwrap();
    assert!(text.contains("{\"z\":1.10, \"a\":\"\\u00e9\"}"), "{text}");
    assert_eq!(event["createdAt"].as_str().map(str::len), Some(24));
    let expected = json!({
        "id": id, "eventSubCategory": "spin.won", "organisationId": "acme", "communityId": "c-1",
        "userId": "u-1", "payload": {"z": 1.10, "a": "\u{e9}"}, "createdAt": event["createdAt"],
    });
    assert_eq!(event, expected);
}

#[tokio::test]
async fn two_requests_are_two_events_unless_an_id_says_otherwise() {
    let installation = Installation::start().await;
    let send = async |body: &Value| {
        let body = body.to_string();
        let reply = installation.post("admin", CUSTOM, &[], body).await;
        reply.expect(200)
    };
    let plain = json!({"eventName": "a", "payload": {}, "userId": "u", "communityId": null});
    let named = json!({"eventName": "a", "payload": {}, "userId": "u", "id": "spin-1"});

    assert_ne!(send(&plain).await["id"], send(&plain).await["id"]);
    assert_eq!(send(&named).await["deduplicated"], false);
    assert_eq!(send(&named).await["deduplicated"], true);

    let stored = installation.stored().await;
    assert_eq!(stored.len(), 3);
    let event: Value = serde_json::from_slice(&stored[0].body).unwrap();
    assert_eq!(event.get("communityId"), None);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let installation = Installation::start().await;
    let right = json!({"eventName": "a", "payload": {}, "userId": "u"});
    for (change, message) in [
        (json!({"eventName": null}), "eventName: "),
        (json!({"eventName": "a b"}), "eventName: must be 1 to 64"),
        (json!({"payload": null}), "payload: must be an object"),
        (json!({"payload": [1]}), "payload: must be an object"),
        (json!({"userId": ""}), "userId: must be 1 to 256 bytes"),
        (json!({"userId": 7}), "userId: "),
        (json!({"userId": "x".repeat(257)}), "userId: must be 1 to"),
        (json!({"communityId": "\n"}), "communityId: must be 1 to"),
        (json!({"autoCreateUser": "yes"}), "autoCreateUser: "),
        (json!({"id": "a b"}), "id: must be 1 to 128"),
        (json!({"eventCategory": "x"}), ""),
    ] {
        let mut body = right.clone();
        let fields = change.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);

        let body = body.to_string();
        let reply = installation.post("producer", CUSTOM, &[], body).await;

        let found = reply.refused(400, "BAD_REQUEST", OPERATION);
        assert!(found.starts_with(message), "{change}: {found}");
    }
    let deep = format!(
        "{{\"eventName\":\"a\",\"userId\":\"u\",\"payload\":{{\"x\":{}{}}}}}",
        "[".repeat(127),
        "]".repeat(127)
    );
    let reply = installation.post("producer", CUSTOM, &[], deep).await;
    let found = reply.refused(400, "BAD_REQUEST", OPERATION);
    assert!(!found.is_empty());
    let large = json!({"eventName": "a", "userId": "u", "payload": {"x": "x".repeat(1_048_576)}});
    let reply = installation
        .post("producer", CUSTOM, &[], large.to_string())
        .await;
    reply.refused(413, "PAYLOAD_TOO_LARGE", OPERATION);
    assert_eq!(installation.stored().await.len(), 0);
}

#[tokio::test]
async fn who_may_send_events_may_send_custom_ones() {
    let installation = Installation::start().await;
    let body = "{\"eventName\":\"a\",\"payload\":{},\"userId\":\"u\"}";
    let send = async |token: &str, query: &str| {
        let path = format!("{CUSTOM}{query}");
        installation.post(token, &path, &[], body).await
    };

    send("viewer", "")
        .await
        .refused(403, "FORBIDDEN", OPERATION);
    send("nobody", "")
        .await
        .refused(401, "UNAUTHORIZED", OPERATION);
    send("producer", "?organisationId=other")
        .await
        .refused(403, "FORBIDDEN", OPERATION);
    send("operator", "")
        .await
        .refused(400, "BAD_REQUEST", OPERATION);
    send("operator", "?organisationId=unknown")
        .await
        .refused(404, "NOT_FOUND", OPERATION);
    send("operator", "?organisationId=acme").await.expect(200);

    assert_eq!(installation.stored().await.len(), 1);
}

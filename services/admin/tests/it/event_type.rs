//! The catalogue of event types: seeds, what is saved over them, schemas, and filters that it refuses.

use http::Method;
use serde_json::{Value, json};

use crate::installation::{Caller, Installation};

const TYPES: &str = "/api/v2/admin/webhooks/event-types";
const PUT: &str = "putWebhookEventTypes";

#[tokio::test]
async fn every_organisation_begins_with_the_seeds() {
    let installation = Installation::start().await;
    let viewer = installation.caller("acme", "viewer").await;

    let all = viewer.get(TYPES).await;
    let one = viewer.get(&format!("{TYPES}/challenge-completion")).await;

    let total: usize = all.headers["x-total-count"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let all = all.expect(200);
    assert_eq!(all.as_array().unwrap().len(), total);
    for name in [
        "auth.email",
        "challenge-started",
        "reward.earned",
        "shopify.orders_create",
    ] {
        assert!(names(&all).contains(&name), "{name}");
    }
    assert!(names(&all).is_sorted());
    assert_eq!(one.etag(), "\"0\"");
    assert_eq!(
        one.expect(200),
        json!({
            "name": "challenge-completion", "category": "challenge",
            "description": "A user has completed it.", "entityType": "challenge", "schema": null,
            "isSeeded": true, "createdAt": null, "updatedAt": null, "revision": 0,
        })
    );
}

#[tokio::test]
async fn what_is_saved_goes_before_the_seed_until_it_is_deleted() {
    let installation = Installation::start().await;
    let admin = installation.caller("acme", "admin").await;
    let umbra = installation.caller("umbra", "admin").await;
    let path = format!("{TYPES}/reward.earned");
    let schema = json!({"type": "object", "required": ["points"]});

    let wanted =
        json!([{"name": "reward.earned", "schema": schema}, {"name": "own", "category": "c"}]);
    let saved = admin.put(TYPES, &wanted).await.expect(200);
    let again = admin.put(TYPES, &wanted).await.expect(200);
    let wrapped = admin
        .put(TYPES, &json!({"eventTypes": [{"name": "own"}]}))
        .await;

    assert_eq!(saved, again, "nothing is changed by the same request");
    assert_eq!(saved[0]["schema"], schema);
    assert_eq!(saved[0]["category"], "reward", "what is left out stays");
    assert_eq!(
        (&saved[0]["isSeeded"], &saved[1]["isSeeded"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(wrapped.expect(200), json!({"eventTypes": [saved[1]]}));
    assert_eq!(admin.get(&path).await.expect(200), saved[0]);
    assert_eq!(umbra.get(&path).await.expect(200)["schema"], Value::Null);
    let missing = umbra.get(&format!("{TYPES}/own")).await;
    missing.refused(404, "NOT_FOUND", "getWebhookEventType");

    admin.delete(&path).await.expect(204);
    assert_eq!(admin.get(&path).await.expect(200)["revision"], 0);
    let gone = admin.delete(&path).await;
    let message = gone.refused(409, "CONFLICT", "deleteWebhookEventType");
    assert_eq!(
        message,
        "name: comes with Posthorn, and nothing of it was changed"
    );
    let own = format!("{TYPES}/own");
    admin.delete(&own).await.expect(204);
    let gone = admin.delete(&own).await;
    gone.refused(404, "NOT_FOUND", "deleteWebhookEventType");
    let strange = admin.get(&format!("{TYPES}/no%20name")).await;
    strange.refused(404, "NOT_FOUND", "getWebhookEventType");
}

#[tokio::test]
async fn lists_are_paged_and_searched() {
    let installation = Installation::start().await;
    let admin = installation.caller("acme", "admin").await;
    let own = json!([{"name": "zebra", "description": "Has STRIPES"}, {"name": "zoo", "category": "stripes"}]);
    admin.put(TYPES, &own).await.expect(200);

    let found = admin.get(&format!("{TYPES}?search=stripes&limit=1")).await;
    assert_eq!(found.headers["x-total-count"], "2");
    assert_eq!(names(&found.expect(200)), ["zebra"]);
    let next = admin
        .get(&format!("{TYPES}?search=stripes&limit=1&skip=1"))
        .await;
    assert_eq!(names(&next.expect(200)), ["zoo"]);
    let refused = admin.get(&format!("{TYPES}?limit=101")).await;
    let message = refused.refused(400, "BAD_REQUEST", "listWebhookEventTypes");
    assert_eq!(message, "limit: must be a number from 1 to 100");
}

#[tokio::test]
async fn all_items_are_checked_before_any_is_saved() {
    let installation = Installation::start().await;
    let admin = installation.caller("acme", "admin").await;
    let with = |schema: Value| json!({"name": "b", "schema": schema});
    for (second, message) in [
        (json!({"name": "a"}), "[1].name: is the same as in [0]"),
        (
            json!({"name": "b c"}),
            "[1].name: must be 1 to 64 characters",
        ),
        (
            json!({"name": "b", "colour": 1}),
            "[1].colour: unknown field",
        ),
        (json!({"category": "c"}), "[1].name: is required"),
        (
            json!({"name": "b", "category": ""}),
            "[1].category: must be 1 to 64",
        ),
        (with(json!(7)), "[1].schema: must be an object"),
        (with(json!({"type": "text"})), "[1].schema.type: "),
        (
            with(json!({"properties": {"a": {"$ref": "https://a.example/"}}})),
            "[1].schema.properties.a.$ref: must point into the schema itself",
        ),
        (
            with(json!({"properties": {"a": {"pattern": "(?=a)"}}})),
            "[1].schema.properties.a.pattern: must be a regular expression",
        ),
    ] {
        let refused = admin.put(TYPES, &json!([{"name": "a"}, second])).await;
        let found = refused.refused(400, "BAD_REQUEST", PUT);
        assert!(found.starts_with(message), "{second}: {found}");
    }
    let refused = admin
        .put(TYPES, &json!({"eventTypes": [with(json!([]))]}))
        .await;
    let found = refused.refused(400, "BAD_REQUEST", PUT);
    assert_eq!(found, "eventTypes[0].schema: must be an object");
    let many: Vec<Value> = (0..101).map(|n| json!({"name": format!("n{n}")})).collect();
    let refused = admin.put(TYPES, &Value::from(many)).await;
    let found = refused.refused(400, "BAD_REQUEST", PUT);
    assert_eq!(found, "body: must hold at most 100 event types");
    let untouched = admin.get(&format!("{TYPES}/a")).await;
    untouched.refused(404, "NOT_FOUND", "getWebhookEventType");
}

#[tokio::test]
async fn the_schemas_of_an_organisation_have_room_together() {
    let installation = Installation::start().await;
    let admin = installation.caller("acme", "admin").await;
    let large = json!({"description": "x".repeat(63 * 1024)});
    let save = async |n: usize| {
        let one = json!([{"name": format!("n{n}"), "schema": large}]);
        admin.put(TYPES, &one).await
    };
    for n in 0..32 {
        save(n).await.expect(200);
    }

    let refused = save(32).await.refused(400, "BAD_REQUEST", PUT);

    let message = "[0]: the organisation's schemas would take more than 2048 KiB";
    assert!(refused.starts_with(message), "{refused}");
    save(7).await.expect(200);
}

#[tokio::test]
async fn a_change_needs_the_revision_that_it_names() {
    let installation = Installation::start().await;
    let admin = installation.caller("acme", "admin").await;
    let path = format!("{TYPES}/reward.earned");
    let put = async |tag: &str, category: &str| {
        let body = json!([{"name": "reward.earned", "category": category}]).to_string();
        admin
            .send(Method::PUT, TYPES, &[("if-match", tag)], body)
            .await
    };

    put("\"0\"", "first").await.expect(200);
    let message = put("\"0\"", "second").await.refused(409, "CONFLICT", PUT);
    assert_eq!(message, "If-Match: the event type has been changed since");
    let tag = admin.get(&path).await.etag().to_owned();
    put(&tag, "second").await.expect(200);
    let stale = admin
        .send(Method::DELETE, &path, &[("if-match", &tag)], "")
        .await;
    stale.refused(409, "CONFLICT", "deleteWebhookEventType");
    let two = json!([{"name": "a"}, {"name": "b"}]).to_string();
    let refused = admin
        .send(Method::PUT, TYPES, &[("if-match", "\"0\"")], two)
        .await;
    let message = refused.refused(400, "BAD_REQUEST", PUT);
    assert_eq!(message, "If-Match: needs a body with one event type");
}

#[tokio::test]
async fn viewers_read_and_admins_write() {
    let installation = Installation::start().await;
    let viewer = installation.caller("acme", "viewer").await;
    let producer = installation.caller("acme", "producer").await;
    let wanted = json!([{"name": "a"}]);

    viewer.get(TYPES).await.expect(200);
    viewer
        .put(TYPES, &wanted)
        .await
        .refused(403, "FORBIDDEN", PUT);
    let refused = viewer.delete(&format!("{TYPES}/a")).await;
    refused.refused(403, "FORBIDDEN", "deleteWebhookEventType");
    let refused = producer.get(TYPES).await;
    refused.refused(403, "FORBIDDEN", "listWebhookEventTypes");
    let stranger = installation.stranger().get(TYPES).await;
    stranger.refused(401, "UNAUTHORIZED", "listWebhookEventTypes");
}

#[tokio::test]
async fn it_is_answered_when_everybody_who_asks_the_catalogue_holds_it() {
    let installation = Installation::start().await;
    let admin = installation.caller("acme", "admin").await;
    for service in ["ingest", "fan-out", "log-writer"] {
        let laggard = installation.laggard(service).await;
        let wanted = json!([{"name": format!("for-{service}")}]);
        let late = admin.put(TYPES, &wanted).await;
        let message = late.refused(503, "SERVICE_UNAVAILABLE", PUT);
        assert_eq!(message, "saved, not yet in force everywhere", "{service}");

        laggard.catch_up();
        admin.put(TYPES, &wanted).await.expect(200);
    }
}

#[tokio::test]
async fn filters_are_refused_where_the_catalogue_knows_no_entity() {
    let installation = Installation::start().await;
    let admin = installation.caller("acme", "admin").await;
    let filtered = async |name: &str| save_filtered(&admin, name).await;

    for name in ["auth.email", "streak-extended"] {
        let message = filtered(name)
            .await
            .refused(400, "BAD_REQUEST", "putWebhookConfigs");
        let wanted = "must be an event whose event type has an entityType";
        assert_eq!(message, format!("[0].entityFilters.{name}: {wanted}"));
    }
    filtered("challenge-completion").await.expect(200);
    filtered("own").await.expect(200);
    // What was saved before stays as it is.
    admin
        .put(TYPES, &json!([{"name": "own"}]))
        .await
        .expect(200);
    filtered("own").await.expect(200);
    let given = json!([{"name": "auth.email", "entityType": "mailbox"}]);
    admin.put(TYPES, &given).await.expect(200);
    filtered("auth.email").await.expect(200);
}

async fn save_filtered(admin: &Caller, name: &str) -> crate::installation::Reply {
    let config = json!([{
        "url": format!("https://{}.example/", name.replace('.', "-")), "events": [name],
        "entityFilters": {name: ["x"]},
    }]);
    admin.put(crate::installation::CONFIGS, &config).await
}

fn names(list: &Value) -> Vec<&str> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item["name"].as_str().unwrap()).collect()
}

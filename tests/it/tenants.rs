//! Two organisations on one installation never see anything of each other.

use e2e::{Organisation, Stack};
use serde_json::json;
use test_support::{Answer, Receiver, script};

use crate::BOUND;

const CONFIGS: &str = "/api/v2/admin/webhooks/configs";

#[tokio::test]
async fn organisations_with_the_same_event_name_see_only_their_own() {
    let stack = Stack::start().await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let acme = tenant(&stack, "acme", &receiver).await;
    let umbra = tenant(&stack, "umbra", &receiver).await;

    // The very same id on purpose: an event is known by its organisation and its id.
    for (organisation, number) in [(&acme, 1), (&umbra, 2)] {
        let event =
            json!({"id": "same", "eventSubCategory": "reward-claim", "payload": {"n": number}});
        organisation.send(&event).await;
    }

    receiver.wait_for(2, BOUND).await;
    for (organisation, number) in [(&acme, 1), (&umbra, 2)] {
        let requests = receiver.requests_to(&format!("/{}", organisation.id));
        assert_eq!(requests.len(), 1);
        let body: serde_json::Value = serde_json::from_slice(&requests[0].body).unwrap();
        assert_eq!(body["payload"]["n"], number);
        let records = organisation.wait_logs(1, "").await;
        assert_eq!(records.len(), 1);
        assert_eq!(records[0]["organisationId"], organisation.id.as_str());
        assert_eq!(records[0]["requestBody"]["payload"]["n"], number);
    }
    assert_sees_nothing(&acme, &umbra).await;
    assert_sees_nothing(&umbra, &acme).await;
}

#[tokio::test]
async fn a_role_or_a_foreign_organisation_opens_nothing_more() {
    let stack = Stack::start().await;
    let receiver = Receiver::start(script::always(Answer::ok()));
    let acme = tenant(&stack, "acme", &receiver).await;
    let viewer = acme.admin.with_token(stack.token("acme", "viewer").await);

    let foreign =
        json!({"eventSubCategory": "reward-claim", "organisationId": "umbra", "payload": {}});
    let foreign = acme.producer.post("/api/v2/events", &foreign).await;
    let stranger = acme
        .admin
        .with_token("phk_not_a_token_of_anybody_at_all")
        .get(CONFIGS)
        .await;
    let made = json!({"organisationId": "umbra", "role": "admin", "name": "mine"});

    foreign.expect(403);
    stranger.expect(401);
    acme.admin
        .post("/api/v2/admin/tokens", &made)
        .await
        .expect(403);
    acme.producer
        .with_base(stack.url(e2e::Service::Admin))
        .get(CONFIGS)
        .await
        .expect(403);
    viewer.get(CONFIGS).await.expect(200);
    viewer.get("/api/v2/admin/webhooks/logs").await.expect(403);
    viewer.get("/api/v2/admin/tokens").await.expect(403);
    viewer.put(CONFIGS, &json!([])).await.expect(403);
    assert_eq!(receiver.count(), 0);
}

async fn tenant(stack: &Stack, id: &str, receiver: &Receiver) -> Organisation {
    let organisation = stack.organisation(id).await;
    organisation
        .register(
            &receiver.url(&format!("/{id}")),
            &["reward-claim"],
            json!({}),
        )
        .await;
    organisation
}

async fn assert_sees_nothing(own: &Organisation, other: &Organisation) {
    let config = other.configs().await[0]["id"].as_str().unwrap().to_owned();
    let record = other.logs("").await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("{CONFIGS}/{config}");

    own.admin.get(&path).await.expect(404);
    own.admin
        .patch(&path, &json!({"isEnabled": false}))
        .await
        .expect(404);
    own.admin.delete(&path).await.expect(404);
    own.log_record(&record).await.expect(404);
    assert!(
        own.logs(&format!("webhookConfigId={config}"))
            .await
            .is_empty()
    );
    assert_eq!(own.configs().await.len(), 1);
    assert_ne!(own.configs().await[0]["id"], config.as_str());
    let page = own.log_page("eventId=same").await;
    assert_eq!(page["totalCount"], 1);
    other.log_record(&record).await.expect(200);
}

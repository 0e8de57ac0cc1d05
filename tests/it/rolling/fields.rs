//! What a later version added to messages of this schema does not keep this one from reading them, and travels on untouched.

use e2e::{Organisation, Service, Stack};
use http::Method;
use serde_json::json;
use test_support::{BrokerClient, Receiver, StoredMessage, eventually, script};

use super::{nothing_is_left, requests};
use crate::BOUND;

/// A field that no version knows yet.
const FIELD: &str = "\"later\":{\"kept\":true}";

#[tokio::test]
async fn fields_of_a_later_version_travel_on_untouched() {
    let mut stack = Stack::start().await;
    let acme = stack.organisation("acme").await;
    let flaky = Receiver::start(script::failing_first(1, 500));
    let soon = json!({"retryPolicy": {"preset": "custom", "delay": {"fixed": 3_000}}});
    let saved = acme.register(&flaky.url("/"), &["order.*"], soon).await;
    let broker = stack.broker_client().await;

    an_endpoint_keeps_its_field(&acme, &broker, saved["id"].as_str().unwrap()).await;
    for service in [Service::Delivery, Service::LogWriter] {
        stack.drain(service).await;
    }
    // An event is the producer's, headers and all: what is not known in it is not looked at.
    broker
        .publish(
            "posthorn.events.acme.order.paid",
            &[("Posthorn-Later", "yes")],
            json!({"id": "evt-1", "eventSubCategory": "order.paid", "later": {"kept": true}})
                .to_string(),
        )
        .await
        .unwrap();
    extend(&broker, "posthorn_JOBS").await;
    stack.service(Service::Delivery).restart();
    flaky.wait_for(1, BOUND).await;
    let retry = only(&broker, "posthorn_RETRIES").await;
    assert!(retry.header("Posthorn-Job").unwrap().contains(FIELD));
    extend(&broker, "posthorn_ATTEMPTS").await;
    stack.service(Service::LogWriter).restart();
    stack.wait_ready().await;

    let expected = [1, 2].map(|attempt| ("evt-1".to_owned(), attempt));
    flaky.wait_for(2, BOUND).await;
    assert_eq!(requests(&flaky), expected);
    let bodies: Vec<_> = flaky
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    for body in bodies {
        assert!(String::from_utf8_lossy(&body).contains(FIELD), "{body:?}");
    }
    acme.wait_logs(2, "").await;
    assert_eq!(acme.logged("").await, expected);
    nothing_is_left(&stack).await;
    stack.stop().await;
}

/// Adds a field to the endpoint's value, has the endpoint changed by the Admin API, and finds the field there.
async fn an_endpoint_keeps_its_field(acme: &Organisation, broker: &BrokerClient, id: &str) {
    let stored = broker.messages("KV_posthorn_endpoints").await;
    let value = stored
        .iter()
        .find(|message| message.subject.ends_with(id))
        .unwrap();
    broker
        .publish(&value.subject, &[], extended(&value.body))
        .await
        .unwrap();
    let path = format!("/api/v2/admin/webhooks/configs/{id}");
    eventually("the config is changed", BOUND, async || {
        let change = json!({"description": "as before"}).to_string();
        let reply = acme.admin.send(Method::PATCH, &path, change.into()).await;
        let reply = reply.map_err(|error| error.to_string())?;
        if reply.status == http::StatusCode::OK {
            Ok(())
        } else {
            Err(reply.to_string())
        }
    })
    .await;
    let stored = broker.messages("KV_posthorn_endpoints").await;
    let now = stored
        .iter()
        .rfind(|message| message.subject == value.subject)
        .unwrap();
    let text = String::from_utf8_lossy(&now.body);
    assert!(text.contains(FIELD) && text.contains("as before"), "{text}");
}

/// Replaces the stream's only message by one with a field more.
async fn extend(broker: &BrokerClient, stream: &str) {
    let message = only(broker, stream).await;
    broker.delete(stream, message.sequence).await;
    let mut headers = message.headers.clone();
    headers.retain(|(name, _)| name != "Nats-Msg-Id");
    let body = match headers.iter_mut().find(|(name, _)| name == "Posthorn-Job") {
        Some((_, job)) => {
            *job = extended(job.as_bytes());
            message.body.clone()
        }
        None => extended(&message.body).into(),
    };
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    broker
        .publish(&message.subject, &headers, body)
        .await
        .unwrap();
}

fn extended(json: &[u8]) -> String {
    let text = std::str::from_utf8(json).unwrap();
    let extended = text.replacen("\"schema\":1,", &format!("\"schema\":1,{FIELD},"), 1);
    assert_ne!(extended, text);
    extended
}

async fn only(broker: &BrokerClient, stream: &str) -> StoredMessage {
    eventually(&format!("{stream} holds one message"), BOUND, async || {
        let mut messages = broker.messages(stream).await;
        if messages.len() == 1 {
            Ok(messages.remove(0))
        } else {
            Err(format!("{messages:?}"))
        }
    })
    .await
}

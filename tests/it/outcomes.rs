//! What becomes of an attempt at real sockets: how it is classified, whether and when it is retried, and
//! why a job ends as a dead letter. One event goes to an endpoint for each case.

mod cases;
mod raw;

use std::{collections::HashMap, time::Duration};

use e2e::{Organisation, Service, Stack};
use serde_json::{Value, json};
use test_support::{BrokerClient, Launch, ServiceProcess, eventually, free_port};

use self::cases::{Case, Places};
use crate::BOUND;

const CONFIGS: &str = "/api/v2/admin/webhooks/configs";
/// The key of every installation's secrets, 32 bytes in base64.
const SECRETS_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[tokio::test]
async fn every_answer_and_every_failure_comes_to_what_its_policy_says() {
    let mut stack = Stack::start().await;
    let _delivery = narrow_delivery(&mut stack).await;
    let acme = stack.organisation("acme").await;
    let full = raw::full().await;
    let places = Places {
        full: full.address,
        self_signed: raw::self_signed(),
        closing: raw::closing().await,
        refusing: ([127, 0, 0, 1], free_port()).into(),
    };
    let cases = cases::all(&places);
    let scripts = cases.iter().map(Case::script).collect();
    let scripted = raw::scripted(scripts).await;
    let configs: Vec<Value> = cases.iter().map(|case| case.config(scripted)).collect();
    let ids = register(&acme, configs).await;

    acme.send(&json!({"id": "evt-1", "eventSubCategory": "reward-claim", "payload": {}}))
        .await;

    let broker = stack.broker_client().await;
    let check = async || {
        let faults = faults(&cases, &ids, &acme, &broker).await;
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("\n"))
        }
    };
    eventually("every case comes to its end", BOUND, check).await;
    eventually("nothing is left to do", BOUND, async || {
        let left = [
            broker.count("posthorn_JOBS").await,
            broker.count("posthorn_RETRIES").await,
            broker.count("posthorn_ATTEMPTS").await,
        ];
        if left == [Some(0); 3] {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await;
    assert_eq!(check().await, Ok(()));
    for path in [
        "/silent-body",
        "/short-body",
        "/half-chunk",
        "/short-refusal",
    ] {
        let of_path = |record: &&Value| record["url"].as_str().unwrap().ends_with(path);
        let records = acme.logs("").await;
        let record = records.iter().find(of_path).unwrap();
        let kept = record["responseBody"].as_str().unwrap();
        assert!(
            kept.starts_with("half half "),
            "what came is kept: {record}"
        );
    }
}

/// Compares what the log and the dead letters say with what the cases must come to.
async fn faults(
    cases: &[Case],
    ids: &[String],
    acme: &Organisation,
    broker: &BrokerClient,
) -> Vec<String> {
    let mut records = acme.logs("").await;
    records.sort_by_key(|record| record["attempt"].as_u64());
    let reasons = reasons(broker).await;
    let mut faults = Vec::new();
    for (case, id) in cases.iter().zip(ids) {
        let of_case: Vec<&Value> = records
            .iter()
            .filter(|record| record["webhookConfigId"] == **id)
            .collect();
        faults.extend(case.faults(&of_case, reasons.get(id).map(String::as_str)));
    }
    faults
}

/// Puts a delivery that may call 127.0.0.1 only in the place of one that may call its whole network.
async fn narrow_delivery(stack: &mut Stack) -> ServiceProcess {
    stack.service(Service::Delivery).kill();
    let mut delivery = Launch::new(Service::Delivery.binary(), stack.directory())
        .listening()
        .env("POSTHORN_NATS_URL", stack.broker_ref().url())
        .env("POSTHORN_SECRETS_KEY", SECRETS_KEY)
        .env("POSTHORN_ALLOW_HTTP", "true")
        .env("POSTHORN_EGRESS_ALLOW", "127.0.0.1/32")
        .spawn();
    delivery.wait_ready().await;
    delivery
}

/// Saves all configs at once and returns their ids in the same order.
async fn register(acme: &Organisation, configs: Vec<Value>) -> Vec<String> {
    let body = Value::from(configs);
    let saved = eventually("the configs are in force", BOUND, async || {
        let reply = acme.admin.put(CONFIGS, &body).await;
        if reply.status == 503 {
            return Err(reply.to_string());
        }
        Ok(reply.expect(200))
    })
    .await;
    let id = |config: &Value| config["id"].as_str().unwrap().to_owned();
    saved.as_array().unwrap().iter().map(id).collect()
}

/// Returns the reasons of all dead letters by endpoint.
async fn reasons(broker: &BrokerClient) -> HashMap<String, String> {
    let letters = broker.messages("posthorn_DEAD").await;
    let of_letter = letters.iter().map(|letter| {
        let endpoint = letter.subject.rsplit('.').next().unwrap_or_default();
        let reason = letter.header("posthorn-reason").unwrap_or_default();
        (endpoint.to_owned(), reason.to_owned())
    });
    of_letter.collect()
}

/// Returns the time between two records' attempts.
fn between(first: &Value, second: &Value) -> Duration {
    let millis = |record: &Value| {
        let text = record["createdAt"].as_str().unwrap();
        let time =
            time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339);
        time.unwrap().unix_timestamp_nanos() / 1_000_000
    };
    let between = millis(second) - millis(first);
    Duration::from_millis(u64::try_from(between).unwrap_or_default())
}

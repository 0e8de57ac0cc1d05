//! `posthorn dev`: everything behind one address, with a broker of its own that it looks after.

use std::time::Duration;

use e2e::{Dev, Organisation, broker_children, process_runs};
use serde_json::{Value, json};
use test_support::{Answer, BrokerClient, Receiver, Signal, eventually, script};

use crate::BOUND;

#[tokio::test]
async fn dev_serves_everything_and_keeps_its_state_over_restarts() {
    let data = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(script::always(Answer::ok()));
    let dev = Dev::start(data.path()).await;
    let acme = dev.organisation("acme").await;
    acme.register(&receiver.url("/hook"), &["*"], json!({}))
        .await;

    acme.send(&event("over-http")).await;
    let nats = BrokerClient::connect(dev.nats_url()).await;
    let subject = "posthorn.events.acme.reward-claim";
    nats.publish(subject, &[], event("over-nats").to_string())
        .await
        .unwrap();
    receiver.wait_for(2, BOUND).await;
    acme.wait_logs(2, "").await;
    assert_eq!(dev.operator().get("/metrics").await.status, 200);
    assert_eq!(dev.operator().get("/panel/sign-in").await.status, 200);
    dev.stop(Signal::Interrupt).await;

    let dev = Dev::start(data.path()).await;
    let acme = Organisation {
        id: acme.id,
        admin: acme.admin.with_base(address(&dev)),
        producer: acme.producer.with_base(address(&dev)),
    };
    assert_eq!(acme.configs().await.len(), 1);
    assert_eq!(acme.logs("").await.len(), 2);
    acme.send(&event("after-the-restart")).await;
    receiver.wait_for(3, BOUND).await;
    dev.stop(Signal::Terminate).await;
}

#[tokio::test]
async fn dev_starts_its_broker_again_when_it_dies() {
    let data = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(script::always(Answer::ok()));
    let mut dev = Dev::start(data.path()).await;
    let acme = dev.organisation("acme").await;
    acme.register(&receiver.url("/hook"), &["*"], json!({}))
        .await;
    let parent = dev.process().pid();
    let brokers = broker_children(parent);
    assert_eq!(brokers.len(), 1);

    Signal::Kill.send_to(brokers[0]);

    eventually("another broker runs", BOUND, async || {
        let now = broker_children(parent);
        if now.len() == 1 && now != brokers {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    })
    .await;
    acme.send_until_accepted(&event("after-the-crash"), BOUND)
        .await;
    receiver.wait_for(1, BOUND).await;
    dev.stop(Signal::Terminate).await;
}

#[tokio::test]
async fn a_broker_left_by_a_killed_dev_is_replaced() {
    let data = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(script::always(Answer::ok()));
    let dev = Dev::start(data.path()).await;
    let acme = dev.organisation("acme").await;
    acme.register(&receiver.url("/hook"), &["*"], json!({}))
        .await;
    let orphans = dev.crash();
    assert_eq!(orphans.len(), 1);

    let mut dev = Dev::start(data.path()).await;

    let brokers = broker_children(dev.process().pid());
    assert_eq!(brokers.len(), 1);
    assert_ne!(brokers, orphans);
    eventually(
        "the broker that was left over is gone",
        Duration::from_secs(5),
        async || {
            if process_runs(orphans[0]) {
                Err("it runs")
            } else {
                Ok(())
            }
        },
    )
    .await;
    let acme = Organisation {
        id: acme.id,
        admin: acme.admin.with_base(address(&dev)),
        producer: acme.producer.with_base(address(&dev)),
    };
    assert_eq!(acme.configs().await.len(), 1);
    acme.send_until_accepted(&event("after-the-crash"), BOUND)
        .await;
    receiver.wait_for(1, BOUND).await;
    dev.stop(Signal::Terminate).await;
}

fn address(dev: &Dev) -> String {
    dev.description["address"].as_str().unwrap().to_owned()
}

fn event(id: &str) -> Value {
    json!({"id": id, "eventSubCategory": "reward-claim", "payload": {}})
}

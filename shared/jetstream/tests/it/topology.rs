use jetstream::{
    subject::{Bucket, Durable, Stream},
    topology::{Limits, Report, survey::survey},
};
use test_support::NatsServer;

use crate::{broker, connect, ensured};

#[tokio::test]
async fn everything_is_made_once() {
    let server = NatsServer::start();
    let broker = connect(&server).await;

    let first = ensured(&broker).await;
    let second = ensured(&broker).await;

    for name in [
        "posthorn_EVENTS",
        "posthorn_RETRIES",
        "posthorn_RETRIES/delivery-retries",
        "posthorn_tokens",
    ] {
        assert!(
            first.created.iter().any(|made| made == name),
            "{name} in {:?}",
            first.created
        );
    }
    let expected = Stream::ALL.len() + Bucket::ALL.len() + Durable::ALL.len();
    assert_eq!(first.created.len(), expected);
    assert_eq!(second, Report::default());
}

#[tokio::test]
async fn looking_at_it_makes_nothing_and_tells_the_same() {
    let server = NatsServer::start();
    let broker = connect(&server).await;
    let limits = Limits::default();

    let before = survey(&broker, &limits).await.unwrap();
    let made = ensured(&broker).await.created;
    let after = survey(&broker, &limits).await.unwrap();
    let other = Limits {
        events_max_bytes: Some(1 << 30),
        ..limits
    };
    let differs = survey(&broker, &other).await.unwrap();

    let missing: Vec<&str> = before.missing().collect();
    assert_eq!(missing, made);
    assert_eq!(after.missing().count(), 0);
    assert_eq!(after.drift, []);
    assert_eq!(differs.drift.len(), 1);
    assert_eq!(differs.drift[0].object, "posthorn_EVENTS");
}

#[tokio::test]
async fn many_processes_may_make_it_at_once() {
    let server = NatsServer::start();
    let brokers = futures::future::join_all((0..5).map(|_| connect(&server))).await;

    futures::future::join_all(brokers.iter().map(ensured)).await;

    assert_eq!(ensured(&brokers[0]).await, Report::default());
}

#[tokio::test]
async fn what_differs_is_reported_and_left_alone() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    let client = server.client().await;
    let mut stream = client
        .context()
        .get_stream("posthorn_EVENTS")
        .await
        .unwrap();
    let mut config = stream.info().await.unwrap().config.clone();
    config.max_bytes = 1_000_000;
    client.context().update_stream(&config).await.unwrap();

    let report = ensured(&broker).await;

    let drift = &report.drift[0];
    assert_eq!((report.drift.len(), report.created.len()), (1, 0));
    assert_eq!(
        (
            drift.object.as_str(),
            drift.setting,
            drift.expected.as_str(),
            drift.found.as_str()
        ),
        ("posthorn_EVENTS", "max_bytes", "-1", "1000000")
    );
    assert_eq!(stream.info().await.unwrap().config.max_bytes, 1_000_000);
}

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jetstream::{
    Broker, HeaderMap,
    consumer::{Gate, Pull, Settlement},
    publisher::{Outgoing, Publisher},
    subject::{Durable, Stream},
};
use test_support::{NatsServer, eventually};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::broker;

const BOUND: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_consumer_has_passed_what_it_acknowledged_without_a_gap() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    assert!(passed(&broker, Durable::FanOut, 0).await, "nothing to pass");
    for number in 1..=3 {
        publish(&broker, "posthorn.events.acme.a", number).await;
    }
    assert_eq!(broker.written(Stream::Events).await.unwrap().sequence, 3);
    assert!(!passed(&broker, Durable::FanOut, 1).await);

    let held_back = Arc::new(Semaphore::new(0));
    let stop = CancellationToken::new();
    let pulling = pull(&broker, Durable::FanOut, &held_back, &stop);
    eventually("the first is passed", BOUND, async || {
        let first = passed(&broker, Durable::FanOut, 1).await;
        first.then_some(()).ok_or("it is not")
    })
    .await;
    assert!(
        !passed(&broker, Durable::FanOut, 2).await,
        "the second is held"
    );
    assert!(
        !passed(&broker, Durable::FanOut, 3).await,
        "it holds the third"
    );
    held_back.add_permits(1);
    until_passed(&broker, Durable::FanOut, 3).await;
    assert!(
        !passed(&broker, Durable::EventArchive, 1).await,
        "another reader"
    );

    stop.cancel();
    pulling.await.unwrap();
}

#[tokio::test]
async fn a_work_queue_is_passed_when_its_messages_are_gone() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    for number in 1..=3 {
        publish(&broker, "posthorn.jobs.1", number).await;
    }
    let free = Arc::new(Semaphore::new(3));
    let stop = CancellationToken::new();

    assert!(!passed(&broker, Durable::Delivery, 3).await);
    let pulling = pull(&broker, Durable::Delivery, &free, &stop);

    until_passed(&broker, Durable::Delivery, 3).await;
    assert!(
        !passed(&broker, Durable::Delivery, 4).await,
        "not there yet"
    );
    stop.cancel();
    pulling.await.unwrap();
}

#[tokio::test]
async fn what_has_left_the_stream_unread_is_not_waited_for() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    publish(&broker, "posthorn.events.acme.a", 1).await;
    let written = broker.written(Stream::Events).await.unwrap();
    let client = server.client().await;

    let stream = client
        .context()
        .get_stream("posthorn_EVENTS")
        .await
        .unwrap();
    stream.purge().await.unwrap();

    assert!(passed(&broker, Durable::EventArchive, written.sequence).await);
    assert!(!passed(&broker, Durable::EventArchive, written.sequence + 1).await);
}

async fn passed(broker: &Broker, durable: Durable, sequence: u64) -> bool {
    broker.has_passed(durable, sequence).await.unwrap()
}

async fn until_passed(broker: &Broker, durable: Durable, sequence: u64) {
    eventually("everything is passed", BOUND, async || {
        let passed = passed(broker, durable, sequence).await;
        passed.then_some(()).ok_or("it is not")
    })
    .await;
}

async fn publish(broker: &Broker, subject: &str, number: u8) {
    let message = Outgoing {
        subject: subject.to_owned(),
        message_id: String::new(),
        headers: HeaderMap::new(),
        payload: Bytes::from(vec![number]),
    };
    Publisher::new(broker).publish(message).await.unwrap();
}

/// Acknowledges everything; the second message only once `second` has a permit.
fn pull(
    broker: &Broker,
    durable: Durable,
    second: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let pull = Pull {
        durable,
        places: 8,
        gate: Gate::default(),
        draining: stop.clone(),
        abort: CancellationToken::new(),
    };
    let (broker, second) = (broker.clone(), Arc::clone(second));
    tokio::spawn(async move {
        pull.run(&broker, move |delivery| {
            let second = Arc::clone(&second);
            async move {
                if delivery.payload.starts_with(&[2]) {
                    second.acquire().await.unwrap().forget();
                }
                Settlement::Ack
            }
        })
        .await
        .unwrap();
    })
}

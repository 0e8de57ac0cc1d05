use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use jetstream::{
    Broker, HeaderMap,
    consumer::{Delivery, Gate, Pull, Settlement},
    publisher::{Error, Outgoing, Publisher},
    subject::Durable,
};
use parking_lot::Mutex;
use test_support::{NatsServer, eventually};
use tokio::{
    sync::{Barrier, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::broker;

const BOUND: Duration = Duration::from_secs(20);

#[tokio::test]
async fn what_is_acknowledged_is_gone_and_what_is_not_comes_again() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    publish(&broker, 50).await;
    let seen = Arc::new(AtomicU64::new(0));

    let pulling = pull(&broker, 8, Gate::default(), {
        let seen = Arc::clone(&seen);
        move |delivery: Delivery| {
            seen.fetch_add(1, Ordering::SeqCst);
            let first = delivery.deliveries == 1 && delivery.payload.starts_with(b"7");
            async move {
                if first {
                    Settlement::NakAfter(Duration::from_millis(50))
                } else {
                    Settlement::Ack
                }
            }
        }
    });

    until_empty(&server).await;
    pulling.stop().await;
    assert_eq!(seen.load(Ordering::SeqCst), 51);
}

#[tokio::test]
async fn no_more_is_handled_at_once_than_there_are_places() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    publish(&broker, 200).await;
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));

    let pulling = pull(&broker, 5, Gate::default(), {
        let most = Arc::clone(&most);
        // Nobody goes on before all five places are taken.
        let together = Arc::new(Barrier::new(5));
        move |_| {
            let (under_way, most) = (Arc::clone(&under_way), Arc::clone(&most));
            let together = Arc::clone(&together);
            async move {
                most.fetch_max(
                    under_way.fetch_add(1, Ordering::SeqCst) + 1,
                    Ordering::SeqCst,
                );
                together.wait().await;
                under_way.fetch_sub(1, Ordering::SeqCst);
                Settlement::Ack
            }
        }
    });

    until_empty(&server).await;
    pulling.stop().await;
    assert_eq!(most.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn nothing_is_pulled_while_the_gate_is_closed() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    publish(&broker, 10).await;
    let gate = watch::Sender::new(false);
    let seen = Arc::new(AtomicU64::new(0));

    let pulling = pull(&broker, 5, Gate::default().and(gate.subscribe()), {
        let seen = Arc::clone(&seen);
        move |_| {
            seen.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Settlement::Ack)
        }
    });
    // A round trip that a pull would have won, had there been one.
    publish(&broker, 1).await;
    let closed = seen.load(Ordering::SeqCst);
    gate.send_replace(true);

    until_empty(&server).await;
    pulling.stop().await;
    assert_eq!(closed, 0);
}

#[tokio::test]
async fn a_drain_finishes_what_has_begun_and_hands_back_the_rest() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    publish(&broker, 3).await;
    let (begun, release) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());

    let pulling = pull(&broker, 3, Gate::default(), {
        let (begun, release) = (Arc::clone(&begun), release.clone());
        move |_| {
            begun.fetch_add(1, Ordering::SeqCst);
            let release = release.clone();
            async move {
                release.cancelled().await;
                Settlement::Ack
            }
        }
    });
    eventually("three are begun", BOUND, async || {
        match begun.load(Ordering::SeqCst) {
            3 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    publish(&broker, 2).await;
    pulling.draining.cancel();
    release.cancel();
    pulling.task.await.unwrap();

    // The two that were never begun are handed out at once to the next one.
    let next = pull(&broker, 3, Gate::default(), |_| {
        std::future::ready(Settlement::Ack)
    });
    until_empty(&server).await;
    next.stop().await;
}

#[tokio::test]
async fn on_abort_what_is_under_way_is_handed_back_at_once() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    publish(&broker, 2).await;
    let begun = Arc::new(AtomicU64::new(0));

    let pulling = pull(&broker, 2, Gate::default(), {
        let begun = Arc::clone(&begun);
        move |_| {
            begun.fetch_add(1, Ordering::SeqCst);
            std::future::pending()
        }
    });
    eventually("two are begun", BOUND, async || {
        match begun.load(Ordering::SeqCst) {
            2 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    pulling.draining.cancel();
    pulling.abort.cancel();
    pulling.task.await.unwrap();

    let next = pull(&broker, 2, Gate::default(), |_| {
        std::future::ready(Settlement::Ack)
    });
    until_empty(&server).await;
    next.stop().await;
}

#[tokio::test]
async fn pulling_goes_on_after_the_broker_was_killed() {
    let mut server = NatsServer::start();
    let broker = broker(&server).await;
    let pulling = pull(&broker, 4, Gate::default(), |_| {
        std::future::ready(Settlement::Ack)
    });
    publish(&broker, 5).await;
    until_empty(&server).await;

    server.kill();
    server.restart();
    let publisher = Publisher::new(&broker);
    publisher
        .publish_until_stored(|| message(99))
        .await
        .unwrap();

    // Sooner than a request is missed that was lost with its broker.
    until_empty_within(&server, Duration::from_secs(8)).await;
    pulling.stop().await;
}

#[tokio::test]
async fn a_publish_without_its_puback_is_an_error_and_is_tried_again_when_it_must() {
    let mut server = NatsServer::start();
    let broker = broker(&server).await;
    let publisher = Publisher::new(&broker);
    let flowing = publisher.flowing();
    server.kill();

    assert!(matches!(
        publisher.publish(message(1)).await,
        Err(Error::Unavailable(_))
    ));
    let stored = tokio::spawn({
        let publisher = publisher.clone();
        async move { publisher.publish_until_stored(|| message(2)).await }
    });
    eventually("the publisher says that it stalls", BOUND, async || {
        if *flowing.borrow() {
            Err("still flowing")
        } else {
            Ok(())
        }
    })
    .await;
    server.restart();

    stored.await.unwrap().unwrap();
    assert!(*flowing.borrow());
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_for_good() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    let mut large = message(1);
    large.payload = Bytes::from(vec![0; 9 * 1024 * 1024]);

    let error = Publisher::new(&broker)
        .publish_until_stored(|| large.clone())
        .await
        .unwrap_err();

    assert_eq!(error, Error::TooLarge);
}

#[tokio::test]
async fn a_message_that_is_handed_back_on_purpose_never_becomes_poison() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    publish(&broker, 1).await;
    let seen = Arc::new(Mutex::new(Vec::new()));

    let pulling = pull(&broker, 1, Gate::default(), {
        let seen = Arc::clone(&seen);
        move |delivery: Delivery| {
            seen.lock().push(delivery.is_poison);
            std::future::ready(if delivery.deliveries < 40 {
                Settlement::NakAfter(Duration::from_millis(1))
            } else {
                Settlement::Ack
            })
        }
    });

    until_empty(&server).await;
    pulling.stop().await;
    assert_eq!(*seen.lock(), [false; 40]);
}

#[tokio::test]
async fn a_message_on_which_handlers_panic_is_told_to_be_poison_and_others_are_not() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    publish(&broker, 2).await;
    let seen = Arc::new(Mutex::new(Vec::new()));

    let pulling = pull(&broker, 2, Gate::default(), {
        let seen = Arc::clone(&seen);
        move |delivery: Delivery| {
            let seen = Arc::clone(&seen);
            async move {
                if delivery.deliveries < 20 {
                    return Settlement::NakAfter(Duration::from_millis(1));
                }
                seen.lock()
                    .push((delivery.payload.clone(), delivery.is_poison));
                let is_bad = delivery.payload.starts_with(b"0");
                assert!(!is_bad || delivery.is_poison, "a handler that panics");
                Settlement::Ack
            }
        }
    });

    until_empty(&server).await;
    pulling.stop().await;
    let mut seen = seen.lock().clone();
    seen.sort();
    let bad = Bytes::from_static(b"0");
    let expected = [
        (bad.clone(), false),
        (bad.clone(), false),
        (bad.clone(), false),
        (bad.clone(), false),
        (bad, true),
        (Bytes::from_static(b"1"), false),
    ];
    assert_eq!(seen, expected);
}

/// A pull loop that runs.
struct Pulling {
    task: JoinHandle<()>,
    draining: CancellationToken,
    abort: CancellationToken,
}

impl Pulling {
    async fn stop(self) {
        self.draining.cancel();
        self.task.await.unwrap();
    }
}

fn pull<H, F>(broker: &Broker, places: usize, gate: Gate, handler: H) -> Pulling
where
    H: Fn(Delivery) -> F + Send + Sync + 'static,
    F: Future<Output = Settlement> + Send + 'static,
{
    let (draining, abort) = (CancellationToken::new(), CancellationToken::new());
    let pull = Pull {
        durable: Durable::Delivery,
        places,
        gate,
        draining: draining.clone(),
        abort: abort.clone(),
    };
    let broker = broker.clone();
    let task = tokio::spawn(async move { pull.run(&broker, handler).await.unwrap() });
    Pulling {
        task,
        draining,
        abort,
    }
}

async fn publish(broker: &Broker, count: u64) {
    let publisher = Publisher::new(broker);
    for n in 0..count {
        let mut message = message(n);
        message.message_id = String::new();
        publisher.publish(message).await.unwrap();
    }
}

fn message(n: u64) -> Outgoing {
    Outgoing {
        subject: "posthorn.jobs.1".to_owned(),
        message_id: format!("m{n}"),
        headers: HeaderMap::new(),
        payload: Bytes::from(n.to_string()),
    }
}

async fn until_empty(server: &NatsServer) {
    until_empty_within(server, BOUND).await;
}

async fn until_empty_within(server: &NatsServer, bound: Duration) {
    let client = server.client().await;
    eventually("JOBS is empty", bound, async || {
        match client.count("posthorn_JOBS").await {
            Some(0) => Ok(()),
            other => Err(format!("{other:?} messages")),
        }
    })
    .await;
}

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jetstream::{
    Broker,
    bucket::{self, Bucket, Change, Error, View},
    presence::{Presence, Replicas},
    subject,
};
use parking_lot::Mutex;
use test_support::{NatsServer, eventually};
use tokio_util::sync::CancellationToken;

use crate::broker;

const BOUND: Duration = Duration::from_secs(20);

/// Keeps the keys and values that it was told.
#[derive(Default)]
struct Kept(Mutex<std::collections::BTreeMap<String, String>>);

impl View for Kept {
    fn replace(&self, all: Vec<Change>) {
        self.0.lock().clear();
        self.apply(all);
    }

    fn apply(&self, changes: Vec<Change>) {
        let mut kept = self.0.lock();
        for change in changes {
            match change.value {
                Some(value) => {
                    kept.insert(change.key, String::from_utf8(value.to_vec()).unwrap());
                }
                None => {
                    kept.remove(&change.key);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_key_is_written_only_by_who_knows_its_revision() {
    let server = NatsServer::start();
    let bucket = open(&broker(&server).await).await;

    let first = bucket.create("k", text("1")).await.unwrap();
    assert!(matches!(
        bucket.create("k", text("2")).await,
        Err(Error::Conflict)
    ));
    let second = bucket.update("k", text("2"), first).await.unwrap();
    assert!(matches!(
        bucket.update("k", text("3"), first).await,
        Err(Error::Conflict)
    ));
    assert!(matches!(
        bucket.delete("k", Some(first)).await,
        Err(Error::Conflict)
    ));
    assert_eq!(bucket.get("k").await.unwrap().unwrap().value, "2");
    bucket.delete("k", Some(second)).await.unwrap();

    assert_eq!(bucket.get("k").await.unwrap(), None);
    assert!(bucket.create("k", text("4")).await.is_ok());
}

#[tokio::test]
async fn a_bucket_is_followed_through_changes_deletions_and_a_killed_broker() {
    let mut server = NatsServer::start();
    let broker = broker(&server).await;
    let bucket = open(&broker).await;
    bucket.put("a", text("1")).await.unwrap();
    bucket.put("b", text("1")).await.unwrap();
    bucket.delete("b", None).await.unwrap();
    let kept = Arc::new(Kept::default());
    let stop = CancellationToken::new();
    let (followed, following) = bucket::follow(&bucket, Arc::clone(&kept), stop.clone());
    let task = tokio::spawn(following);

    until(&kept, &[("a", "1")]).await;
    assert!(followed.held.borrow().live);
    bucket.put("c", text("1")).await.unwrap();
    bucket.delete("a", None).await.unwrap();
    until(&kept, &[("c", "1")]).await;
    server.kill();
    server.restart();
    let revision = eventually("a write succeeds", BOUND, async || {
        bucket.put("d", text("1")).await
    })
    .await;
    until(&kept, &[("c", "1"), ("d", "1")]).await;

    assert!(followed.held.borrow().revision >= revision);
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn an_empty_bucket_is_live_at_once() {
    let server = NatsServer::start();
    let bucket = open(&broker(&server).await).await;
    let (followed, following) =
        bucket::follow(&bucket, Arc::new(Kept::default()), CancellationToken::new());
    let _task = tokio::spawn(following);

    eventually("it is live", BOUND, async || {
        if followed.held.borrow().live {
            Ok(())
        } else {
            Err("not live")
        }
    })
    .await;
}

#[tokio::test]
async fn a_save_is_in_force_when_every_living_replica_holds_it() {
    let server = NatsServer::start();
    let broker = broker(&server).await;
    let endpoints = open(&broker).await;
    let replicas = Arc::new(Replicas::default());
    let stop = CancellationToken::new();
    let (_followed, following) = bucket::follow(
        &Replicas::bucket(&broker).await.unwrap(),
        Arc::clone(&replicas),
        stop.clone(),
    );
    let _watch = tokio::spawn(following);
    let (followed, following) = bucket::follow(&endpoints, Arc::new(Kept::default()), stop.clone());
    let _follower = tokio::spawn(following);
    let presence = Presence::new(&broker, "fan-out", "one")
        .await
        .unwrap()
        .endpoints(followed);
    let lease = presence.lease();
    let mut gate = lease.changes();
    let beating = CancellationToken::new();
    let presence = tokio::spawn(presence.run(beating.clone()));

    gate.wait_for(|open| *open).await.unwrap();
    assert!(lease.holds());
    eventually("its heartbeat is known", BOUND, async || {
        match replicas.living("fan-out").len() {
            1 => Ok(()),
            living => Err(format!("{living} replicas live")),
        }
    })
    .await;
    let revision = endpoints.put("k", text("1")).await.unwrap();
    let holds =
        |wanted: u64| move |held: &jetstream::presence::Revisions| held.endpoints >= Some(wanted);
    assert!(
        replicas
            .wait_until(&["fan-out"], holds(revision), BOUND)
            .await
    );
    assert_eq!(replicas.living("fan-out").len(), 1);
    assert!(
        !replicas
            .wait_until(
                &["fan-out"],
                holds(revision + 1),
                Duration::from_millis(300)
            )
            .await
    );
    beating.cancel();
    presence.await.unwrap();

    // A replica that has gone is not waited for.
    assert!(
        replicas
            .wait_until(&["fan-out"], holds(revision + 1), BOUND)
            .await
    );
    assert!(!lease.holds());
}

async fn open(broker: &Broker) -> Bucket {
    Bucket::open(broker, subject::Bucket::Endpoints)
        .await
        .unwrap()
}

async fn until(kept: &Kept, expected: &[(&str, &str)]) {
    let expected: std::collections::BTreeMap<String, String> = expected
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    eventually("the view is as expected", BOUND, async || {
        let found = kept.0.lock().clone();
        if found == expected {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

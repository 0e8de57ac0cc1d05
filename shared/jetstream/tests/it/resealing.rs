//! After a walk everything in the bucket is under the first key, and nothing else has changed.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::{
    endpoint::{Endpoint, Sealed},
    name::{EndpointId, OrganisationId},
};
use jetstream::{
    bucket,
    endpoint_bucket::{EndpointBucket, Stored},
    resealing::{Stuck, Survey, Why, reseal, survey},
    sealing::Keyring,
};
use serde_json::json;
use test_support::NatsServer;
use tokio_util::sync::CancellationToken;

use crate::broker;

const OLD: &str = "old:b2xkIGtleSBvZiB0aGlydHktdHdvIGJ5dGVzIGxlbmc=";
const NEW: &str = "new:bmV3IGtleSBvZiB0aGlydHktdHdvIGJ5dGVzIGxlbmc=";
const LOST: &str = "lost:bG9zdCBrZXkgb2YgdGhpcnR5LXR3byBieXRlcyBsZW4=";
const STREAM: &str = "KV_posthorn_endpoints";

#[tokio::test]
async fn everything_is_sealed_anew_and_old_revisions_are_forgotten() {
    let server = NatsServer::start();
    let bucket = open(&server).await;
    let (old, both, new) = (ring(OLD), both(), ring(NEW));
    for n in 0..30 {
        let endpoint = endpoint(n, &old);
        let revision = bucket.create(&endpoint).await.unwrap();
        bucket.update(&endpoint, revision).await.unwrap();
    }
    let (organisation, deleted) = id(29);
    bucket.delete(&organisation, &deleted, None).await.unwrap();
    let claimed = bucket.claim_url(&organisation, "hash", &id(0).1).await;
    assert_eq!(claimed.unwrap(), id(0).1);
    let before = get(&bucket, 0).await;

    let found = survey(&bucket, &both).await.unwrap();
    let done = reseal(&bucket, &both).await.unwrap();

    assert_eq!(found.earlier, BTreeMap::from([("old".to_owned(), 58)]));
    assert_eq!((found.endpoints, found.current), (29, 0));
    assert_eq!(done.texts, 58);
    assert!(done.left.is_done(), "{:?}", done.left);
    assert_eq!((done.left.endpoints, done.left.current), (29, 58));
    let after = get(&bucket, 0).await;
    assert_eq!(
        without_sealed(after.endpoint),
        without_sealed(before.endpoint)
    );
    assert!(after.revision > before.revision);
    for message in server.client().await.messages(STREAM).await {
        let text = String::from_utf8(message.body.to_vec()).unwrap();
        assert!(!text.contains("\"old:"), "{}: {text}", message.subject);
    }
    assert!(survey(&bucket, &new).await.unwrap().is_done());
    assert_eq!(opened(&bucket, 0, &new).await, ["whsec_0", "Bearer 0"]);
    assert_eq!(bucket.get(&organisation, &deleted).await.unwrap(), None);
}

#[tokio::test]
async fn a_walk_that_is_repeated_does_nothing() {
    let server = NatsServer::start();
    let bucket = open(&server).await;
    let empty = reseal(&bucket, &both()).await.unwrap();
    bucket.create(&endpoint(1, &ring(OLD))).await.unwrap();
    reseal(&bucket, &both()).await.unwrap();
    let before = get(&bucket, 1).await;

    let again = reseal(&bucket, &both()).await.unwrap();

    assert_eq!(empty.left, Survey::default());
    assert_eq!((again.texts, again.revisions), (0, 0));
    assert_eq!(get(&bucket, 1).await, before);
}

#[tokio::test]
async fn what_cannot_be_opened_is_named_and_keeps_its_history() {
    let server = NatsServer::start();
    let bucket = open(&server).await;
    let revision = bucket.create(&endpoint(1, &ring(OLD))).await.unwrap();
    let lost = endpoint(1, &ring(LOST));
    bucket.update(&lost, revision).await.unwrap();
    let mut damaged = endpoint(2, &ring(OLD));
    damaged.secrets[0].sealed = endpoint(3, &ring(OLD)).secrets[0].sealed.clone();
    bucket.create(&damaged).await.unwrap();
    let raw = Bytes::from_static(b"{\"schema\":9}");
    bucket.bucket().put("acme.ep_4", raw).await.unwrap();

    let done = reseal(&bucket, &both()).await.unwrap();

    let stuck = |n: u32, why| {
        let (organisation, endpoint) = id(n);
        Stuck {
            organisation,
            endpoint,
            why,
        }
    };
    assert_eq!(
        done.left.stuck,
        [
            stuck(1, Why::UnknownKey("lost".to_owned())),
            stuck(2, Why::Damaged),
            stuck(4, Why::Unreadable),
        ]
    );
    assert!(!done.left.is_done());
    // What can be opened beside it is sealed anew all the same.
    assert_eq!((done.texts, done.revisions), (1, 0));
    let found = reseal(
        &bucket,
        &Keyring::parse(&format!("{NEW},{OLD},{LOST}")).unwrap(),
    )
    .await;
    assert_eq!(
        found.unwrap().left.stuck,
        [stuck(2, Why::Damaged), stuck(4, Why::Unreadable)]
    );
}

#[tokio::test]
async fn a_sealed_text_in_a_field_of_a_later_version_is_sealed_anew_too() {
    let server = NatsServer::start();
    let bucket = open(&server).await;
    let mut endpoint = endpoint(1, &ring(OLD));
    let Sealed(text) = ring(OLD).seal("acme/ep_1", "of tomorrow").unwrap();
    let later = json!({"inside": [text], "note": "old:bm90IHNlYWxlZA=="});
    endpoint.unknown.insert("later".to_owned(), later);
    bucket.create(&endpoint).await.unwrap();

    let done = reseal(&bucket, &both()).await.unwrap();

    assert_eq!(done.texts, 3);
    let later = &get(&bucket, 1).await.endpoint.unknown["later"];
    let sealed = Sealed(later["inside"][0].as_str().unwrap().to_owned());
    assert_eq!(
        ring(NEW).open("acme/ep_1", &sealed).unwrap().as_str(),
        "of tomorrow"
    );
    assert_eq!(later["note"], "old:bm90IHNlYWxlZA==");
}

#[tokio::test]
async fn no_change_that_is_made_meanwhile_is_lost() {
    let server = NatsServer::start();
    let bucket = open(&server).await;
    for n in 0..40 {
        bucket.create(&endpoint(n, &ring(OLD))).await.unwrap();
    }
    let stop = CancellationToken::new();
    let changing = tokio::spawn(change_all_the_time(bucket.clone(), stop.clone()));

    let mut done = reseal(&bucket, &both()).await.unwrap();
    while done.texts > 0 {
        done = reseal(&bucket, &both()).await.unwrap();
    }
    stop.cancel();
    let changes = changing.await.unwrap();

    let left = reseal(&bucket, &both()).await.unwrap().left;
    assert!(left.is_done(), "{left:?}");
    for n in 0..40 {
        let noted = get(&bucket, n)
            .await
            .endpoint
            .description
            .unwrap_or_default();
        assert_eq!(noted, changes[&n].to_string(), "of endpoint {n}");
    }
}

/// Counts up in the descriptions, under the revisions that were read, until it is stopped and each was
/// changed; returns how far each one is.
async fn change_all_the_time(
    bucket: EndpointBucket,
    stop: CancellationToken,
) -> BTreeMap<u32, u32> {
    let mut counts: BTreeMap<u32, u32> = (0..40).map(|n| (n, 0)).collect();
    while !stop.is_cancelled() || counts.values().any(|count| *count == 0) {
        for (n, count) in &mut counts {
            let mut stored = get(&bucket, *n).await;
            stored.endpoint.description = Some((*count + 1).to_string());
            match bucket.update(&stored.endpoint, stored.revision).await {
                Ok(_) => *count += 1,
                Err(bucket::Error::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    counts
}

async fn open(server: &NatsServer) -> EndpointBucket {
    EndpointBucket::open(&broker(server).await).await.unwrap()
}

async fn get(bucket: &EndpointBucket, n: u32) -> Stored {
    let (organisation, endpoint) = id(n);
    bucket.get(&organisation, &endpoint).await.unwrap().unwrap()
}

async fn opened(bucket: &EndpointBucket, n: u32, keyring: &Keyring) -> Vec<String> {
    let mut endpoint = get(bucket, n).await.endpoint;
    let owner = endpoint.seal_owner();
    let secret = &endpoint.current_secret().unwrap().sealed;
    let secret = keyring.open(&owner, secret).unwrap();
    let sealed: Vec<Sealed> = endpoint.sealed_mut().map(|sealed| sealed.clone()).collect();
    let all = sealed
        .iter()
        .map(|sealed| keyring.open(&owner, sealed).unwrap());
    let mut all: Vec<String> = all.map(|text| text.as_str().to_owned()).collect();
    all.sort_by_key(|text| *text != *secret);
    all
}

fn without_sealed(mut endpoint: Endpoint) -> Endpoint {
    for sealed in endpoint.sealed_mut() {
        sealed.0.clear();
    }
    endpoint
}

fn id(n: u32) -> (OrganisationId, EndpointId) {
    ("acme".parse().unwrap(), format!("ep_{n}").parse().unwrap())
}

fn endpoint(n: u32, keyring: &Keyring) -> Endpoint {
    let owner = format!("acme/ep_{n}");
    let seal = |text: &str| keyring.seal(&owner, text).unwrap().0;
    let stored = json!({
        "id": format!("ep_{n}"), "organisationId": "acme", "url": "https://a.example/",
        "events": ["*"], "isEnabled": true, "timeoutMs": 10_000,
        "headers": [{"name": "Authorization", "sealed": {"text": seal(&format!("Bearer {n}")), "shown": "Bearer ***"}}],
        "secrets": [{"sealed": seal(&format!("whsec_{n}"))}],
        "createdAt": "2026-03-14T10:21:45.102Z", "updatedAt": "2026-03-14T10:21:45.102Z",
    });
    serde_json::from_value(stored).unwrap()
}

fn ring(keys: &str) -> Keyring {
    Keyring::parse(keys).unwrap()
}

/// The new key in front of the old one.
fn both() -> Keyring {
    ring(&format!("{NEW},{OLD}"))
}

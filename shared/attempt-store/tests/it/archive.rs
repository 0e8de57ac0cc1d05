//! Keeping the bodies of events, and their way back to attempts.

use attempt_store::ArchivedEvent;
use bytes::Bytes;
use domain::{attempt::AttemptRecord, event::BodyHash};

use crate::{
    build::{a_record, an_event, at, name},
    stores::{TestStore, both},
};

#[tokio::test]
async fn bodies_come_back_byte_for_byte() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let deep = [b"[".repeat(5_000), b"]".repeat(5_000)].concat();
    let bodies: [&[u8]; 6] = [
        b"",
        b"\0",
        br#"{"nul":"\u0000","lone":"\ud800","twice":1,"twice":2, "n":1e999}"#,
        "{\"käse\": \"🦀\"}\r\n".as_bytes(),
        &every_byte,
        &deep,
    ];
    for it in both("odd_bodies").await {
        let events: Vec<_> = bodies.into_iter().map(an_event).collect();
        let records: Vec<_> = (0..).zip(bodies).map(|(n, body)| sent(n, body)).collect();

        let archived = it.store.archive(&events).await.unwrap();
        it.store.write(&records).await.unwrap();

        assert_eq!((archived.stored, archived.known), (6, 0), "{:?}", it.engine);
        for (stored, body) in it.all().await.iter().zip(bodies) {
            assert_eq!(
                stored.request_body.as_deref(),
                Some(body),
                "{:?}",
                it.engine
            );
        }
    }
}

#[tokio::test]
async fn one_event_id_may_have_two_bodies() {
    for it in both("two_bodies").await {
        it.store
            .archive(&[an_event(b"first"), an_event(b"second")])
            .await
            .unwrap();
        it.store
            .write(&[sent(1, b"second"), sent(2, b"first"), sent(3, b"third")])
            .await
            .unwrap();

        assert_eq!(
            bodies(&it).await,
            [Some("second".into()), Some("first".into()), None],
            "{:?}",
            it.engine
        );
    }
}

#[tokio::test]
async fn an_event_read_twice_from_the_stream_is_kept_once() {
    for it in both("archived_twice").await {
        let first = it
            .store
            .archive(&[an_event(b"a"), an_event(b"a")])
            .await
            .unwrap();
        let again = it
            .store
            .archive(&[an_event(b"a"), an_event(b"b")])
            .await
            .unwrap();

        assert_eq!((first.stored, first.known), (1, 1), "{:?}", it.engine);
        assert_eq!((again.stored, again.known), (1, 1), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_body_published_again_on_another_day_is_kept_for_that_day_too() {
    for it in both("another_day").await {
        let later = ArchivedEvent {
            accepted_at: at("2026-03-15T00:00:00Z"),
            ..an_event(b"a")
        };
        it.store.archive(&[an_event(b"a")]).await.unwrap();
        it.store.write(&[sent(1, b"a")]).await.unwrap();

        let archived = it.store.archive(&[later]).await.unwrap();

        assert_eq!(archived.stored, 1, "{:?}", it.engine);
        assert_eq!(bodies(&it).await, [Some("a".into())], "{:?}", it.engine);
    }
}

#[tokio::test]
async fn an_attempt_shows_its_body_once_that_is_archived() {
    for it in both("body_later").await {
        it.store.write(&[sent(1, b"a")]).await.unwrap();
        let id = sent(1, b"a").id;
        let before = it.store.attempt(&name("acme"), &id).await.unwrap().unwrap();

        it.store.archive(&[an_event(b"a")]).await.unwrap();

        let after = it.store.attempt(&name("acme"), &id).await.unwrap().unwrap();
        assert_eq!(before.request_body, None, "{:?}", it.engine);
        assert_eq!(
            after.request_body,
            Some(Bytes::from_static(b"a")),
            "{:?}",
            it.engine
        );
    }
}

#[tokio::test]
async fn a_body_of_another_organisation_is_never_shown() {
    for it in both("foreign_body").await {
        let foreign = ArchivedEvent {
            organisation: name("other"),
            ..an_event(b"a")
        };
        it.store.archive(&[foreign]).await.unwrap();
        it.store.write(&[sent(1, b"a")]).await.unwrap();

        assert_eq!(bodies(&it).await, [None], "{:?}", it.engine);
    }
}

#[tokio::test]
async fn bodies_of_the_largest_size_are_kept_in_one_call() {
    let large: Vec<_> = (0..40_u8)
        .map(|n| an_event(&vec![n; 1024 * 1024]))
        .collect();
    for it in both("large_bodies").await {
        let archived = it.store.archive(&large).await.unwrap();
        it.store.write(&[sent(1, &large[39].body)]).await.unwrap();

        assert_eq!(archived.stored, 40, "{:?}", it.engine);
        assert_eq!(
            it.all().await[0].request_body.as_ref(),
            Some(&large[39].body),
            "{:?}",
            it.engine
        );
    }
}

#[tokio::test]
async fn a_nul_in_an_events_labels_does_not_keep_it_out() {
    for it in both("label_nul").await {
        let event = ArchivedEvent {
            category: Some("a\0".to_owned()),
            source_id: Some("\0b".to_owned()),
            ..an_event(b"a")
        };

        let archived = it.store.archive(&[event]).await.unwrap();

        assert_eq!(archived.stored, 1, "{:?}", it.engine);
    }
}

fn sent(n: u32, body: &[u8]) -> AttemptRecord {
    AttemptRecord {
        body_hash: BodyHash::of(body),
        ..a_record(n)
    }
}

async fn bodies(it: &TestStore) -> Vec<Option<Bytes>> {
    it.all()
        .await
        .into_iter()
        .map(|stored| stored.request_body)
        .collect()
}

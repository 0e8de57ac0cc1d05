//! Erasing the content of an event, and what comes after it.

use std::time::Duration;

use attempt_store::{AttemptStore, ErasedEvent, Options};
use domain::{
    attempt::AttemptRecord,
    erasure::without_content,
    event::BodyHash,
    name::{EventId, OrganisationId},
    time::Timestamp,
};
use tempfile::TempDir;

use crate::{
    build::{a_failure, a_record, an_event, at, name},
    stores::{both, open, sqlite_url},
};

const SAID: &str = "what only this event said";
const ASKED: &str = "2026-03-15T00:00:00Z";

#[tokio::test]
async fn an_erased_event_loses_its_content_and_nothing_else() {
    for it in both("erased").await {
        let records = [a_record(1), a_failure(2), of_another_event(3), foreign(4)];
        let body = format!("{{\"id\":\"evt-1\",\"said\":\"{SAID}\"}}");
        let event = an_event(body.as_bytes());
        let mut others = [event.clone(), event.clone()];
        others[0].id = name("evt-2");
        others[1].organisation = name("other");
        it.store.write(&records).await.unwrap();
        it.store
            .archive(std::slice::from_ref(&event))
            .await
            .unwrap();
        it.store.archive(&others).await.unwrap();

        let erased = erase(&it.store, ASKED).await;

        assert_eq!((erased.bodies, erased.records), (1, 2), "{:?}", it.engine);
        assert!(erased.is_gone, "{:?}", it.engine);
        let stored = it.all().await;
        for (stored, record) in stored.iter().zip(&records).take(2) {
            assert_eq!(stored.record, without_content(record), "{:?}", it.engine);
            assert_eq!(
                stored.erased_at,
                Some(at(ASKED)),
                "the record says so: {:?}",
                it.engine
            );
            let one = it.store.attempt(&record.organisation_id, &record.id).await;
            assert_eq!(one.unwrap().as_ref(), Some(stored), "{:?}", it.engine);
        }
        for (stored, record) in stored.iter().zip(&records).skip(2) {
            assert_eq!(&stored.record, record, "{:?}", it.engine);
            assert_eq!(stored.erased_at, None, "{:?}", it.engine);
        }
        let hash = event.hash;
        assert_eq!(archived(&it.store, "acme", "evt-1", hash).await, None);
        for (organisation, event) in [("acme", "evt-2"), ("other", "evt-1")] {
            let body = archived(&it.store, organisation, event, hash).await;
            assert!(body.is_some(), "{organisation} {event} {:?}", it.engine);
        }
        let again = erase(&it.store, ASKED).await;
        assert_eq!((again.bodies, again.records), (0, 0), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn what_comes_late_is_stored_without_content() {
    for it in both("erased_before").await {
        erase(&it.store, ASKED).await;
        let mut later = a_record(2);
        later.created_at = at("2026-03-15T00:00:00.001Z");
        let records = [a_failure(1), later.clone(), of_another_event(3)];
        let late = an_event(b"{\"n\":1}");
        let mut sent_again = an_event(b"{\"n\":2}");
        sent_again.accepted_at = at("2026-03-15T00:00:00.001Z");

        let written = it.store.write(&records).await.unwrap();
        let kept = it.store.archive(&[late.clone(), sent_again.clone()]).await;

        assert_eq!((written.stored, written.known), (3, 0), "{:?}", it.engine);
        let kept = kept.unwrap();
        assert_eq!((kept.stored, kept.known), (1, 1), "{:?}", it.engine);
        let stored = it.all().await;
        let expected = [without_content(&records[0]), of_another_event(3), later];
        assert_eq!(
            stored.into_iter().map(|it| it.record).collect::<Vec<_>>(),
            expected,
            "an attempt that began later is another event's: {:?}",
            it.engine
        );
        assert_eq!(archived(&it.store, "acme", "evt-1", late.hash).await, None);
        let again = archived(&it.store, "acme", "evt-1", sent_again.hash).await;
        assert!(again.is_some(), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn the_archive_tells_since_when_it_knows_an_event() {
    for it in both("first_accepted").await {
        let (organisation, event): (OrganisationId, EventId) = (name("acme"), name("evt-1"));
        let first = async || {
            let first = it.store.first_accepted(&organisation, &event).await;
            first.unwrap()
        };
        assert_eq!(first().await, None, "{:?}", it.engine);
        let mut later = an_event(b"{}");
        later.accepted_at = at("2026-03-17T00:00:00Z");

        it.store.archive(&[later, an_event(b"{}")]).await.unwrap();

        let expected = Some(at("2026-03-14T10:21:44Z"));
        assert_eq!(first().await, expected, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_note_is_forgotten_with_the_records_that_it_is_about() {
    for it in both("forgotten_notes").await {
        erase(&it.store, ASKED).await;
        let keep = Duration::from_secs(30 * 86_400);
        let is_noted = async || {
            let record = a_failure(1);
            it.store.write(std::slice::from_ref(&record)).await.unwrap();
            let stored = it.store.attempt(&record.organisation_id, &record.id).await;
            let is_noted = stored.unwrap().unwrap().erased_at.is_some();
            let (postgres, sqlite) = ("delete from attempts", "delete from attempts");
            it.execute(postgres, sqlite).await;
            is_noted
        };

        it.store
            .drop_expired(at("2026-04-14T00:00:00Z"), keep)
            .await
            .unwrap();
        assert!(is_noted().await, "{:?}", it.engine);
        it.store
            .drop_expired(at("2026-04-15T00:00:00Z"), keep)
            .await
            .unwrap();
        it.store
            .drop_expired(at("2026-04-16T00:00:00Z"), keep)
            .await
            .unwrap();
        assert!(!is_noted().await, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn sqlite_keeps_no_byte_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&sqlite_url(&folder)).await;
    // Small enough to stand in a page with others, and large enough for pages of their own.
    for (n, size) in [(1, 100), (2, 20_000)] {
        let long = SAID.repeat(size / SAID.len());
        let record = AttemptRecord {
            response_body: Some(long.clone()),
            response_headers: Some(vec![("x-echo".to_owned(), SAID.to_owned())]),
            request_headers: vec![("ce-subject".to_owned(), SAID.to_owned())],
            ..a_record(n)
        };
        let mut event = an_event(format!("{{\"n\":{n},\"said\":\"{long}\"}}").as_bytes());
        event.source_id = Some(SAID.to_owned());
        store
            .write(&[record, of_another_event(n + 10)])
            .await
            .unwrap();
        store.archive(&[event]).await.unwrap();
    }
    assert!(occurrences(&folder) > 1_000, "it is there");

    let erased = erase(&store, ASKED).await;

    assert_eq!((erased.bodies, erased.records), (2, 2));
    assert!(erased.is_gone);
    assert_eq!(occurrences(&folder), 0);
}

#[tokio::test]
async fn a_reader_that_stands_in_the_way_of_sqlite_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        acquire_timeout: Duration::from_millis(200),
        ..Options::default()
    };
    let store = AttemptStore::open(&sqlite_url(&folder), options)
        .await
        .unwrap();
    store.write(&[a_failure(1)]).await.unwrap();
    let pool = sqlx::SqlitePool::connect(&sqlite_url(&folder))
        .await
        .unwrap();
    let mut reader = pool.begin().await.unwrap();
    sqlx::query("select * from attempts")
        .fetch_all(&mut *reader)
        .await
        .unwrap();

    assert!(!erase(&store, ASKED).await.is_gone);
    reader.rollback().await.unwrap();
    assert!(erase(&store, ASKED).await.is_gone);
}

async fn erase(store: &AttemptStore, until: &str) -> attempt_store::Erased {
    let (organisation, event) = (name("acme"), name("evt-1"));
    let erased = ErasedEvent {
        organisation: &organisation,
        event: &event,
        bodies_until: at(until),
        attempts_until: at(until),
        asked_at: at(ASKED),
    };
    store.erase(&erased).await.unwrap()
}

async fn archived(
    store: &AttemptStore,
    organisation: &str,
    event: &str,
    hash: BodyHash,
) -> Option<Timestamp> {
    let (organisation, event) = (name(organisation), name(event));
    let found = store.event_body(&organisation, &event, hash).await;
    found.unwrap().map(|event| event.accepted_at)
}

fn of_another_event(n: u32) -> AttemptRecord {
    AttemptRecord {
        event_id: name("evt-2"),
        job_id: name("evt-2:ep1"),
        ..a_record(n)
    }
}

fn foreign(n: u32) -> AttemptRecord {
    AttemptRecord {
        organisation_id: name("other"),
        ..a_record(n)
    }
}

/// Returns how often the content stands in the store's files.
fn occurrences(folder: &TempDir) -> usize {
    let files = std::fs::read_dir(folder.path()).unwrap();
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .map(|bytes| {
            let windows = bytes.windows(SAID.len());
            windows.filter(|window| *window == SAID.as_bytes()).count()
        })
        .sum()
}

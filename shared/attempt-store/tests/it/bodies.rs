//! Letting bodies go before their records.

use attempt_store::{ArchiveRange, ArchivedEvent, AttemptStore, ExpiredBodies, StoredAttempt};
use domain::{attempt::AttemptRecord, organisation::Sweep, time::Timestamp};
use futures::future::join;

use crate::{
    build::{a_record, an_event, name},
    stores::both,
};

#[tokio::test]
async fn bodies_of_one_organisation_go_and_its_records_stay() {
    for it in both("bodies_go").await {
        let theirs = AttemptRecord {
            organisation_id: name("other"),
            ..a_record(3)
        };
        it.store
            .write(&[a_record(1), a_record(2), a_record(100), theirs.clone()])
            .await
            .unwrap();
        let event = an_event(b"{}");
        let their_event = ArchivedEvent {
            organisation: name("other"),
            ..event.clone()
        };
        it.store
            .archive(&[event.clone(), their_event])
            .await
            .unwrap();

        let gone = it.store.expire_bodies(&name("acme"), before(50)).await;
        let again = it.store.expire_bodies(&name("acme"), before(50)).await;

        let counts = |responses, events| ExpiredBodies { responses, events };
        assert_eq!(gone.unwrap(), counts(2, 1), "{:?}", it.engine);
        assert_eq!(again.unwrap(), counts(0, 0), "{:?}", it.engine);
        let old = one(&it.store, &a_record(1)).await;
        assert_eq!(old.record.response_body, None, "{:?}", it.engine);
        assert_eq!(old.record.response_status, Some(200));
        assert_eq!(old.request_body, None, "{:?}", it.engine);
        assert!(old.is_request_body_expired && old.is_response_body_expired);
        // The event was the same, so its body is gone for the younger attempt too.
        let young = one(&it.store, &a_record(100)).await;
        assert_eq!(young.record.response_body.as_deref(), Some("ok"));
        assert!(young.is_request_body_expired && !young.is_response_body_expired);
        let other = one(&it.store, &theirs).await;
        assert_eq!(other.request_body.as_deref(), Some(&b"{}"[..]));
        assert!(!other.is_request_body_expired && !other.is_response_body_expired);
        let paged = it.all().await;
        assert_eq!(
            paged.iter().find(|it| it.record.id == old.record.id),
            Some(&old)
        );
    }
}

#[tokio::test]
async fn an_event_without_its_body_is_passed_by_in_the_archive_and_not_archived_again() {
    for it in both("expired_in_archive").await {
        let event = an_event(b"{}");
        let young = ArchivedEvent {
            id: name("evt-2"),
            accepted_at: a_record(200).created_at,
            ..event.clone()
        };
        it.store
            .archive(&[event.clone(), young.clone()])
            .await
            .unwrap();
        it.store
            .expire_bodies(&name("acme"), before(50))
            .await
            .unwrap();

        let again = it
            .store
            .archive(std::slice::from_ref(&event))
            .await
            .unwrap();
        let range = ArchiveRange::default();
        let page = it.store.event_bodies(&name("acme"), &range, None, 10).await;
        let body = it
            .store
            .event_body(&name("acme"), &event.id, event.hash)
            .await;

        assert_eq!((again.stored, again.known), (0, 1), "{:?}", it.engine);
        let page = page.unwrap();
        assert_eq!(page.events, [young], "{:?}", it.engine);
        let expired: Vec<_> = page.expired.iter().map(|it| it.event_id.as_str()).collect();
        assert_eq!(expired, ["evt-1"], "{:?}", it.engine);
        assert_eq!(body.unwrap(), None, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn many_bodies_go_in_small_pieces_while_records_are_written() {
    const MANY: u32 = 2_300;
    for it in both("many_bodies").await {
        // All of them in few milliseconds, so that pieces end between equals.
        let records: Vec<_> = (0..MANY)
            .map(|n| AttemptRecord {
                created_at: a_record(n / 1_000).created_at,
                ..a_record(n)
            })
            .collect();
        it.store.write(&records).await.unwrap();
        let arriving: Vec<_> = (MANY..MANY + 500).map(a_record).collect();

        let organisation = name("acme");
        let sweep = it.store.expire_bodies(&organisation, before(50));
        let (gone, written) = join(sweep, it.store.write(&arriving)).await;

        assert_eq!(gone.unwrap().responses, u64::from(MANY), "{:?}", it.engine);
        assert_eq!(written.unwrap().stored, 500, "{:?}", it.engine);
        let kept = it.all().await;
        let left = kept.iter().filter(|it| it.record.response_body.is_some());
        assert_eq!(left.count(), 500, "{:?}", it.engine);
    }
}

async fn one(store: &AttemptStore, record: &AttemptRecord) -> StoredAttempt {
    let found = store.attempt(&record.organisation_id, &record.id).await;
    found.unwrap().unwrap()
}

/// Everything that began before the record with that number.
fn before(n: u32) -> Sweep {
    Sweep {
        from: Timestamp::from_millis(0),
        before: a_record(n).created_at,
    }
}

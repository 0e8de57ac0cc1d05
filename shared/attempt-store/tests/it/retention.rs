//! Dropping what has expired.

use std::time::Duration;

use attempt_store::ArchivedEvent;
use domain::{attempt::AttemptRecord, time::Timestamp};

use crate::{
    build::{a_record, an_event, ids, now},
    stores::both,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn days_that_have_expired_go_and_younger_ones_stay() {
    let records: Vec<_> = (0..40).map(|age| aged(age, age)).rev().collect();
    for it in both("expired").await {
        it.store.write(&records).await.unwrap();

        let dropped = it.store.drop_expired(now(), DAY * 30).await.unwrap();
        let again = it.store.drop_expired(now(), DAY * 30).await.unwrap();

        // Ages 31 to 39 have expired; the day of age 30 is not over yet for all that it holds.
        assert_eq!((dropped, again), (9, 0), "{:?}", it.engine);
        assert_eq!(it.ids().await, ids(&records[9..]), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn bodies_expire_as_attempts_do() {
    for it in both("expired_bodies").await {
        it.store
            .archive(&[accepted(40, b"old"), accepted(1, b"young")])
            .await
            .unwrap();

        let dropped = it.store.drop_expired(now(), DAY * 30).await.unwrap();
        let archived = it
            .store
            .archive(&[accepted(40, b"old"), accepted(1, b"young")])
            .await
            .unwrap();

        assert_eq!(dropped, 1, "{:?}", it.engine);
        assert_eq!((archived.stored, archived.known), (1, 1), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_record_of_a_day_that_was_dropped_is_still_taken() {
    for it in both("late_record").await {
        it.store.write(&[aged(1, 35), aged(2, 0)]).await.unwrap();
        it.store.drop_expired(now(), DAY * 30).await.unwrap();

        let written = it.store.write(&[aged(3, 35), aged(4, 0)]).await.unwrap();

        assert_eq!(written.stored, 2, "{:?}", it.engine);
        assert_eq!(it.ids().await.len(), 3, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn nothing_is_dropped_from_an_empty_store_or_with_an_endless_retention() {
    for it in both("endless").await {
        let empty = it.store.drop_expired(now(), Duration::ZERO).await.unwrap();
        it.store.write(&[aged(1, 40)]).await.unwrap();
        let endless = it.store.drop_expired(now(), Duration::MAX).await.unwrap();

        assert_eq!((empty, endless), (0, 0), "{:?}", it.engine);
        assert_eq!(it.ids().await.len(), 1, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn many_records_of_one_day_go_together() {
    let records: Vec<_> = (0..3_500).map(|n| aged(n, 33)).collect();
    for it in both("large_day").await {
        it.store.write(&records).await.unwrap();

        let dropped = it.store.drop_expired(now(), DAY * 30).await.unwrap();

        assert_eq!(dropped, 1, "{:?}", it.engine);
        assert_eq!(it.ids().await.len(), 0, "{:?}", it.engine);
    }
}

fn aged(n: u32, days: u32) -> AttemptRecord {
    AttemptRecord {
        created_at: days_ago(days),
        ..a_record(n)
    }
}

fn accepted(days: u32, body: &[u8]) -> ArchivedEvent {
    ArchivedEvent {
        accepted_at: days_ago(days),
        ..an_event(body)
    }
}

fn days_ago(days: u32) -> Timestamp {
    let age = i64::try_from((DAY * days).as_millis()).unwrap();
    Timestamp::from_millis(now().millis() - age)
}

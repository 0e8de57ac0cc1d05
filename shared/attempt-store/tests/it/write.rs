//! Writing attempts.

use attempt_store::{Refusal, StoredAttempt};
use domain::attempt::{AttemptRecord, BodyEncoding};
use futures::future::join_all;

use crate::{
    build::{a_failure, a_record, at, ids},
    stores::both,
};

#[tokio::test]
async fn what_is_written_is_read_back() {
    let records = [
        a_record(1),
        a_failure(2),
        AttemptRecord {
            response_headers: None,
            response_body: None,
            response_body_encoding: Some(BodyEncoding::Text),
            request_headers: Vec::new(),
            attempt: u32::MAX,
            duration_ms: u32::MAX,
            response_status: Some(999),
            ..a_failure(3)
        },
    ];
    for it in both("read_back").await {
        let written = it.store.write(&records).await.unwrap();

        assert_eq!((written.stored, written.known), (3, 0), "{:?}", it.engine);
        let stored: Vec<_> = it.all().await;
        let expected = records.clone().map(|record| StoredAttempt {
            record,
            request_body: None,
            is_request_body_expired: false,
            is_response_body_expired: false,
            erased_at: None,
        });
        assert_eq!(stored, expected, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_record_written_twice_is_stored_once() {
    for it in both("twice").await {
        it.store.write(&[a_record(1)]).await.unwrap();
        let changed = AttemptRecord {
            success: false,
            ..a_record(1)
        };

        let written = it
            .store
            .write(&[a_record(1), changed, a_record(2), a_record(2)])
            .await
            .unwrap();

        assert_eq!((written.stored, written.known), (1, 3), "{:?}", it.engine);
        let stored: Vec<_> = it.all().await.into_iter().map(|it| it.record).collect();
        assert_eq!(stored, [a_record(1), a_record(2)], "{:?}", it.engine);
    }
}

#[tokio::test]
async fn nothing_is_written_of_an_empty_batch() {
    for it in both("empty_batch").await {
        let written = it.store.write(&[]).await.unwrap();

        assert_eq!((written.stored, written.known), (0, 0), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn writers_of_the_same_records_store_each_once() {
    let records: Vec<_> = (0..600).map(a_record).collect();
    for it in both("concurrent").await {
        // Each writer has most records of its neighbours, and half of them have theirs in reverse.
        let batches = (0..8).map(|writer| {
            let mut batch = records[writer * 50..writer * 50 + 250].to_vec();
            if writer % 2 == 1 {
                batch.reverse();
            }
            batch
        });

        let written = join_all(batches.map(|batch| {
            let store = it.store.clone();
            async move { store.write(&batch).await.unwrap().stored }
        }))
        .await;

        assert_eq!(written.iter().sum::<u64>(), 600, "{:?}", it.engine);
        assert_eq!(it.ids().await, ids(&records), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_batch_longer_than_a_transaction_is_stored_whole() {
    let records: Vec<_> = (0..5_678).map(a_record).collect();
    for it in both("long_batch").await {
        let written = it.store.write(&records).await.unwrap();

        assert_eq!(written.stored, 5_678, "{:?}", it.engine);
        assert_eq!(it.ids().await, ids(&records), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_nul_becomes_a_replacement_character_in_text_and_stays_in_headers() {
    let with_nul = |text: &str| Some(text.to_owned());
    let record = AttemptRecord {
        url: "https://a\0b/".to_owned(),
        event_category: with_nul("c\0"),
        response_body: with_nul("\0\0"),
        error_message: with_nul("e\0e"),
        request_headers: vec![("x".to_owned(), "a\0b".to_owned())],
        trace_id: "\0".to_owned(),
        ..a_failure(1)
    };
    for it in both("nul").await {
        let written = it
            .store
            .write(&[record.clone(), a_record(2)])
            .await
            .unwrap();

        assert_eq!(written.stored, 2, "{:?}", it.engine);
        let stored = &it.all().await[0].record;
        assert_eq!(stored.url, "https://a\u{fffd}b/");
        assert_eq!(stored.event_category.as_deref(), Some("c\u{fffd}"));
        assert_eq!(stored.response_body.as_deref(), Some("\u{fffd}\u{fffd}"));
        assert_eq!(stored.error_message.as_deref(), Some("e\u{fffd}e"));
        assert_eq!(stored.trace_id, "\u{fffd}");
        assert_eq!(stored.request_headers, record.request_headers);
    }
}

#[tokio::test]
async fn very_large_values_are_stored_whole() {
    let large = AttemptRecord {
        url: format!("https://receiver.test/{}", "p".repeat(20_000)),
        request_headers: vec![("x".to_owned(), "h".repeat(1_000_000))],
        response_body: Some("🦀".repeat(250_000)),
        error_message: Some("e".repeat(1_000_000)),
        trace_id: "t".repeat(10_000),
        ..a_failure(1)
    };
    for it in both("large").await {
        it.store.write(std::slice::from_ref(&large)).await.unwrap();

        assert_eq!(it.all().await[0].record, large, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn an_id_that_is_empty_or_too_long_is_refused() {
    let with_id = |id: String| AttemptRecord { id, ..a_record(1) };
    let batch = [
        with_id(String::new()),
        a_record(1),
        with_id("x".repeat(65)),
        with_id("x".repeat(64)),
    ];
    for it in both("bad_id").await {
        let written = it.store.write(&batch).await.unwrap();

        assert_eq!(written.stored, 2, "{:?}", it.engine);
        let refused: Vec<_> = written
            .refused
            .iter()
            .map(|refused| refused.position)
            .collect();
        assert_eq!(refused, [0, 2], "{:?}", it.engine);
        assert!(matches!(written.refused[0].reason, Refusal::Id));
    }
}

#[tokio::test]
async fn a_row_that_the_database_refuses_takes_no_other_with_it() {
    let mut batch: Vec<_> = (0..500).map(a_record).collect();
    for bad in [0, 123, 124, 499] {
        batch[bad].url = "refuse me".to_owned();
    }
    for it in both("bad_row").await {
        it.execute(
            "alter table attempts add constraint no_bad check (url <> 'refuse me')",
            "create trigger no_bad before insert on attempts when new.url = 'refuse me' \
             begin select raise(abort, 'no'); end",
        )
        .await;

        let written = it.store.write(&batch).await.unwrap();

        assert_eq!((written.stored, written.known), (496, 0), "{:?}", it.engine);
        let refused: Vec<_> = written
            .refused
            .iter()
            .map(|refused| refused.position)
            .collect();
        assert_eq!(refused, [0, 123, 124, 499], "{:?}", it.engine);
        assert_eq!(it.ids().await.len(), 496, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn strange_times_are_stored_and_stay_in_order() {
    let times = [
        "1970-01-01T00:00:00Z",
        "1999-12-31T23:59:59.999Z",
        "2020-02-29T12:00:00Z",
        "2026-03-14T10:21:45.102Z",
        "2027-06-01T00:00:00Z",
        "2099-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999Z",
    ];
    let records: Vec<_> = (0..)
        .zip(times)
        .map(|(n, time)| AttemptRecord {
            created_at: at(time),
            ..a_record(n)
        })
        .collect();
    for it in both("strange_times").await {
        let mut shuffled = records.clone();
        shuffled.reverse();
        let written = it.store.write(&shuffled).await.unwrap();

        assert_eq!(written.stored, 7, "{:?}", it.engine);
        let stored: Vec<_> = it.all().await.into_iter().map(|it| it.record).collect();
        assert_eq!(stored, records, "{:?}", it.engine);
    }
}

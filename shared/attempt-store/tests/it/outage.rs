//! A database that fails: what is told, and that nothing is lost.

use std::time::Duration;

use attempt_store::{AttemptStore, Filter, Options, Page, ReadError, WriteError};
use test_support::{Postgres, eventually};

use crate::{
    build::{a_record, an_event, ids},
    stores::{both, open, sqlite},
};

const IMPATIENT: Options = Options {
    max_connections: 2,
    acquire_timeout: Duration::from_millis(500),
};

#[tokio::test]
async fn a_server_that_stops_is_told_as_transient_and_used_again_when_it_is_back() {
    let cluster = Postgres::start_durable();
    let url = cluster.create_database("outage");
    let store = AttemptStore::open(&url, IMPATIENT).await.unwrap();
    store.write(&[a_record(1)]).await.unwrap();

    cluster.stop();
    let written = store.write(&[a_record(2)]).await.unwrap_err();
    let archived = store.archive(&[an_event(b"a")]).await.unwrap_err();
    let read = store
        .attempts(&Filter::default(), &Page::default())
        .await
        .unwrap_err();
    let ping = store.ping().await.unwrap_err();
    cluster.restart();

    assert!(written.is_transient(), "{written:?}");
    assert!(archived.is_transient(), "{archived:?}");
    assert!(read.is_transient(), "{read:?}");
    assert!(ping.is_transient(), "{ping:?}");
    eventually(
        "the store writes again",
        Duration::from_secs(10),
        async || store.write(&[a_record(2)]).await,
    )
    .await;
    let all = crate::stores::all(&open(&url).await, &Filter::default()).await;
    let records: Vec<_> = all.into_iter().map(|stored| stored.record).collect();
    assert_eq!(ids(&records), ids(&[a_record(1), a_record(2)]));
}

#[tokio::test]
async fn a_file_that_another_process_locks_is_transient() {
    let it = sqlite().await;
    let store = AttemptStore::open(&it.url, IMPATIENT).await.unwrap();
    let other = sqlx::SqlitePool::connect(&it.url).await.unwrap();
    let lock = other.begin_with("begin exclusive").await.unwrap();

    let error = store.write(&[a_record(1)]).await.unwrap_err();
    lock.rollback().await.unwrap();

    assert!(error.is_transient(), "{error:?}");
    let written = store.write(&[a_record(1)]).await.unwrap();
    assert_eq!(written.stored, 1);
}

#[tokio::test]
async fn a_missing_table_is_no_fault_of_the_records() {
    for it in both("missing_table").await {
        let change = "alter table attempts rename to elsewhere";
        it.execute(change, change).await;

        let written = it
            .store
            .write(&[a_record(1), a_record(2)])
            .await
            .unwrap_err();
        let read = it
            .store
            .attempts(&Filter::default(), &Page::default())
            .await
            .unwrap_err();

        assert!(
            matches!(written, WriteError::Unusable(_)),
            "{:?} {written:?}",
            it.engine
        );
        assert!(
            matches!(read, ReadError::Unusable(_)),
            "{:?} {read:?}",
            it.engine
        );
    }
}

#[tokio::test]
async fn a_value_that_nobody_here_writes_is_told_by_its_column() {
    for it in both("damaged").await {
        it.store.write(&[a_record(1)]).await.unwrap();
        let change = "update attempts set triggered_by = 'magic'";
        it.execute(change, change).await;

        let error = it
            .store
            .attempts(&Filter::default(), &Page::default())
            .await
            .unwrap_err();

        assert!(
            matches!(
                error,
                ReadError::Damaged {
                    column: "triggered_by"
                }
            ),
            "{:?} {error:?}",
            it.engine
        );
    }
}

//! Opening a store.

use std::{error::Error as _, time::Duration};

use attempt_store::{AttemptStore, OpenError, Options};
use futures::future::join_all;
use test_support::{Postgres, free_port};

use crate::{
    build::{a_record, ids},
    stores::{both, open, sqlite_url},
};

#[tokio::test]
async fn processes_that_start_together_on_an_empty_database_all_open_it() {
    let cluster = Postgres::shared();
    let folder = tempfile::tempdir().unwrap();
    for url in [
        cluster.create_database("start_together"),
        sqlite_url(&folder),
    ] {
        // Threads of their own, so that they run at once as processes would.
        let opened = (0..8).map(|n| {
            let url = url.clone();
            tokio::task::spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                runtime.unwrap().block_on(async {
                    let store = open(&url).await;
                    store.write(&[a_record(n)]).await.unwrap();
                    store.close().await;
                });
            })
        });

        for result in join_all(opened).await {
            result.unwrap();
        }

        let store = open(&url).await;
        let all = crate::stores::all(&store, &attempt_store::Filter::default()).await;
        assert_eq!(all.len(), 8, "{url}");
    }
}

#[tokio::test]
async fn a_store_opened_again_has_what_was_written() {
    for it in both("opened_again").await {
        it.store.write(&[a_record(1)]).await.unwrap();
        it.store.close().await;

        let again = open(&it.url).await;

        let all = crate::stores::all(&again, &attempt_store::Filter::default()).await;
        let records: Vec<_> = all.into_iter().map(|stored| stored.record).collect();
        assert_eq!(ids(&records), ids(&[a_record(1)]), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_accepted() {
    for it in both("newer_schema").await {
        const NEWER: &str = "insert into _sqlx_migrations \
            (version, description, success, checksum, execution_time) values (9999, 'later', true, '', 0)";
        it.execute(NEWER, NEWER).await;

        let again = AttemptStore::open(&it.url, Options::default()).await;

        assert!(again.is_ok(), "{:?} {again:?}", it.engine);
    }
}

#[tokio::test]
async fn urls_that_name_no_store_are_refused_without_being_repeated() {
    for url in [
        "",
        "mysql://user:hush@localhost/db",
        "postgres://user:hush@[broken",
        "sqlite::memory:",
        "sqlite://hush?mode=memory",
        "attempts.db",
    ] {
        let error = AttemptStore::open(url, Options::default())
            .await
            .unwrap_err();

        assert!(matches!(error, OpenError::Url), "{url}: {error:?}");
        assert!(!error.is_transient());
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_may_do_so_later() {
    let url = format!("postgres://user:hush@127.0.0.1:{}/db", free_port());
    let options = Options {
        acquire_timeout: Duration::from_millis(300),
        ..Options::default()
    };

    let error = AttemptStore::open(&url, options).await.unwrap_err();

    assert!(error.is_transient(), "{error:?}");
    assert!(error.source().is_some());
    assert!(!format!("{error:?}").contains("hush"), "{error:?}");
}

#[tokio::test]
async fn a_database_that_is_not_there_needs_somebody_to_act() {
    let cluster = Postgres::shared();
    let url = cluster.url();
    let url = format!("{}/missing", url.strip_suffix("/postgres").unwrap());

    let error = AttemptStore::open(&url, Options::default())
        .await
        .unwrap_err();

    assert!(matches!(error, OpenError::Unusable(_)), "{error:?}");
}

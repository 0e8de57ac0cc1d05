//! What only PostgreSQL has: partitions, and several processes that make and drop them at once.

use std::time::Duration;

use domain::{attempt::AttemptRecord, time::Timestamp};
use futures::future::join_all;
use sqlx::PgPool;

use crate::{
    build::{a_record, an_event, now},
    stores::{open, postgres},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn each_day_gets_a_partition_when_its_first_record_comes() {
    let it = postgres("a_partition_each").await;
    let before = partitions(&it.url).await;

    it.store
        .write(&[on_day(1, 0), on_day(2, 0), on_day(3, 1)])
        .await
        .unwrap();
    let mut event = an_event(b"a");
    event.accepted_at = now();
    it.store.archive(&[event]).await.unwrap();

    assert_eq!(before, Vec::<String>::new());
    let today = now().to_string()[..10].replace('-', "");
    let after = partitions(&it.url).await;
    assert_eq!(after.len(), 3, "{after:?}");
    assert!(after.contains(&format!("attempts_{today}")), "{after:?}");
    assert!(
        after.contains(&format!("event_bodies_{today}")),
        "{after:?}"
    );
}

#[tokio::test]
async fn processes_that_make_partitions_at_once_do_not_fail() {
    let it = postgres("partitions_at_once").await;
    let stores = join_all((0..6).map(|_| open(&it.url))).await;

    let written = join_all(stores.iter().zip(0..).map(async |(store, n)| {
        let batch: Vec<_> = (0..20).map(|day| on_day(n * 100 + day, day)).collect();
        store.write(&batch).await.unwrap().stored
    }))
    .await;

    assert_eq!(written.iter().sum::<u64>(), 120);
    assert_eq!(partitions(&it.url).await.len(), 20);
}

#[tokio::test]
async fn a_partition_dropped_by_another_process_is_made_again() {
    let it = postgres("dropped_elsewhere").await;
    let other = open(&it.url).await;
    it.store.write(&[on_day(1, 40)]).await.unwrap();
    it.store.archive(&[an_event(b"a")]).await.unwrap();
    other.drop_expired(now(), Duration::ZERO).await.unwrap();

    let written = it.store.write(&[on_day(2, 40)]).await.unwrap();
    let archived = it.store.archive(&[an_event(b"a")]).await.unwrap();

    assert_eq!((written.stored, archived.stored), (1, 1));
    assert_eq!(it.ids().await, [on_day(2, 40).id]);
}

#[tokio::test]
async fn writers_and_retention_at_once_lose_nothing_that_is_young() {
    let it = postgres("writers_and_retention").await;
    let writes = async {
        for n in 0..40 {
            let batch = [on_day(n, 50), on_day(n + 1_000, 0)];
            it.store.write(&batch).await.unwrap();
        }
    };
    let other = open(&it.url).await;
    let drops = async {
        for _ in 0..20 {
            other.drop_expired(now(), DAY * 30).await.unwrap();
        }
    };

    futures::future::join(writes, drops).await;
    it.store.drop_expired(now(), DAY * 30).await.unwrap();

    let expected: Vec<_> = (0..40).map(|n| on_day(n + 1_000, 0).id).collect();
    let mut stored = it.ids().await;
    stored.sort();
    assert_eq!(stored, expected);
}

#[tokio::test]
async fn a_flood_of_strange_times_makes_few_partitions() {
    let it = postgres("strange_flood").await;
    let batch: Vec<_> = (0..3_000)
        .map(|n| AttemptRecord {
            created_at: Timestamp::from_millis(i64::from(n * 7_919 % 3_000) * 84_000_000_000),
            ..a_record(n)
        })
        .collect();

    let written = it.store.write(&batch).await.unwrap();

    assert_eq!(written.stored, 3_000);
    let count = partitions(&it.url).await.len();
    assert!(count < 150, "{count}");
}

#[tokio::test]
async fn a_page_is_read_by_an_index_even_from_partitions_without_statistics() {
    let it = postgres("index_use").await;
    let batch: Vec<_> = (0..9_000).map(|n| on_day(n, n % 3)).collect();
    it.store.write(&batch).await.unwrap();
    let pool = PgPool::connect(&it.url).await.unwrap();

    for condition in [
        "true",
        "organisation_id = 'acme'",
        "endpoint_id = 'ep1'",
        "organisation_id = 'acme' and success = false",
        "event_id = 'evt-unknown'",
        "id = 'unknown'",
    ] {
        let query = format!(
            "explain select * from attempts where {condition} order by created_at desc, id desc limit 11"
        );
        let plan: Vec<(String,)> = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .fetch_all(&pool)
            .await
            .unwrap();
        let by_index = plan
            .iter()
            .all(|(line,)| !line.contains("Seq Scan") && !line.contains("Filter:"));
        assert!(by_index, "{condition}: {plan:#?}");
    }
    pool.close().await;
}

fn on_day(n: u32, days_ago: u32) -> AttemptRecord {
    let age = i64::try_from((DAY * days_ago).as_millis()).unwrap();
    AttemptRecord {
        created_at: Timestamp::from_millis(now().millis() - age),
        ..a_record(n)
    }
}

async fn partitions(url: &str) -> Vec<String> {
    let pool = PgPool::connect(url).await.unwrap();
    let rows: Vec<(String,)> = sqlx::query_as(
        "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid \
         where c.relkind = 'r' order by 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    pool.close().await;
    rows.into_iter().map(|(name,)| name).collect()
}

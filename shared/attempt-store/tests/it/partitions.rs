//! What only PostgreSQL has: partitions, and several processes that make and drop them at once.

use std::time::Duration;

use attempt_store::ArchivedEvent;
use domain::{attempt::AttemptRecord, job_state::StateRecord, time::Timestamp};
use futures::future::join_all;
use sqlx::PgPool;

use crate::{
    build::{a_parking, a_record, an_event, name, now, of_job, state_of_job},
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
        "organisation_id = 'acme'",
        "organisation_id = 'acme' and endpoint_id = 'ep1'",
        "organisation_id = 'acme' and success = false",
        "organisation_id = 'acme' and event_id = 'evt-unknown'",
        "id = 'unknown'",
    ] {
        // As the store asks: the time is shown as a number under its own name.
        let query = format!(
            "select (extract(epoch from created_at) * 1000)::bigint as created_at, id from attempts \
             where {condition} order by attempts.created_at desc, id desc limit 11"
        );
        assert_read_by_index(&pool, &query).await;
    }
    pool.close().await;
}

#[tokio::test]
async fn jobs_are_found_by_an_index_even_in_partitions_without_statistics() {
    let it = postgres("index_use_jobs").await;
    let attempts: Vec<_> = (0..9_000).map(|n| of_job(n, on_day(n, n % 3))).collect();
    let states: Vec<_> = attempts
        .iter()
        .zip(0..)
        .map(|(attempt, n)| StateRecord {
            created_at: attempt.created_at,
            ..state_of_job(n, a_parking(n))
        })
        .collect();
    it.store.write(&attempts).await.unwrap();
    it.store.write_states(&states).await.unwrap();
    let pool = PgPool::connect(&it.url).await.unwrap();

    for table in ["attempts", "job_states"] {
        let entries = format!(
            "select found.id from (values ('evt-1:ep1', 'evt-1:ep1!', \
             timestamptz '2020-01-01T00:00:00Z')) as range (low, high, since) \
             cross join lateral (select * from {table} r \
             where r.job_id >= range.low and r.job_id < range.high and r.created_at >= range.since \
             order by r.job_id desc, r.created_at desc limit 1000) as found"
        );
        assert_read_by_index(&pool, &entries).await;
        for condition in [
            "organisation_id = 'acme'",
            "organisation_id = 'acme' and endpoint_id = 'ep1'",
            "organisation_id = 'acme' and event_id = 'evt-1'",
        ] {
            let heads = format!(
                "select (extract(epoch from created_at) * 1000)::bigint as created_at, id from {table} \
                 where {condition} order by {table}.created_at desc, id desc limit 500"
            );
            assert_read_by_index(&pool, &heads).await;
        }
    }
    pool.close().await;
}

#[tokio::test]
async fn the_archive_is_walked_along_an_index() {
    let it = postgres("index_use_archive").await;
    let events: Vec<_> = (0..3_000)
        .map(|n: u32| ArchivedEvent {
            id: name(&format!("evt-{n}")),
            accepted_at: on_day(n, n % 3).created_at,
            ..an_event(b"{}")
        })
        .collect();
    it.store.archive(&events).await.unwrap();
    let pool = PgPool::connect(&it.url).await.unwrap();

    for condition in [
        "organisation_id = 'acme'",
        "organisation_id = 'acme' and accepted_at >= '2020-01-01T00:00:00Z'",
        "organisation_id = 'acme' and (accepted_at, event_id, body_hash) > ('2020-01-01T00:00:00Z', 'a', 'b')",
    ] {
        let query = format!(
            "select (extract(epoch from b.accepted_at) * 1000)::bigint as accepted_at, event_id, \
             octet_length(body) from event_bodies b where {condition} \
             order by b.accepted_at, event_id, body_hash limit 101"
        );
        let plan = plan(&pool, &query).await;
        assert!(plan.contains("organisation_id_accepted_at_idx"), "{plan}");
        assert!(!plan.contains("Seq Scan"), "{plan}");
    }
    pool.close().await;
}

/// Makes sure that nothing is read and then passed over.
async fn assert_read_by_index(pool: &PgPool, query: &str) {
    let plan = plan(pool, query).await;
    let by_index = !plan.contains("Seq Scan") && !plan.contains("Filter:");
    assert!(by_index, "{query}: {plan}");
}

async fn plan(pool: &PgPool, query: &str) -> String {
    let query = format!("explain {query}");
    let plan: Vec<(String,)> = sqlx::query_as(sqlx::AssertSqlSafe(query))
        .fetch_all(pool)
        .await
        .unwrap();
    let lines: Vec<_> = plan.into_iter().map(|(line,)| line).collect();
    lines.join("\n")
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

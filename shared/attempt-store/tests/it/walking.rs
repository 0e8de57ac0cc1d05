//! Walking through the log while several writers add to it, records of now and records that come late.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU32, Ordering},
};

use attempt_store::{AttemptStore, Cursor, DeliveryFilter, Filter, Order, Page, Position};
use domain::attempt::AttemptRecord;
use futures::future::join;
use tokio::sync::Semaphore;

use crate::{
    build::{a_failure, a_record, name, of_job},
    stores::{TestStore, both, open},
};

/// How many records are there when a walk begins.
const THERE: u32 = 400;

#[tokio::test]
async fn a_walk_meets_what_was_there_exactly_once_while_others_write() {
    for it in both("walk_among_writers").await {
        let there: Vec<_> = (0..THERE).map(varied).collect();
        it.store.write(&there).await.unwrap();
        let arriving = AtomicU32::new(THERE);
        for filter in filters() {
            for order in [Order::NewestFirst, Order::OldestFirst] {
                let before = matching(&it, &filter).await;
                let met = among_writers(&it, &arriving, async |pace| {
                    walk(&it.store, &filter, order, pace).await
                })
                .await;

                let different: HashSet<_> = met.iter().cloned().collect();
                assert_eq!(
                    different.len(),
                    met.len(),
                    "{:?} {filter:?} {order:?}",
                    it.engine
                );
                let missed: Vec<_> = before.difference(&different).collect();
                assert!(
                    missed.is_empty(),
                    "{:?} {filter:?} {order:?}: {missed:?}",
                    it.engine
                );
            }
        }
    }
}

#[tokio::test]
async fn a_walk_over_deliveries_meets_each_that_was_there_exactly_once() {
    for it in both("deliveries_among_writers").await {
        let there: Vec<_> = (0..THERE).map(|n| of_job(n, varied(n))).collect();
        it.store.write(&there).await.unwrap();
        let arriving = AtomicU32::new(THERE);
        for endpoint in [None, Some(name("ep1"))] {
            let filter = DeliveryFilter {
                endpoint,
                ..DeliveryFilter::all(name("acme"))
            };
            let before = deliveries(&it.store, &filter, &Semaphore::new(0)).await;
            let before: HashSet<_> = before.into_iter().collect();
            let met = among_writers(&it, &arriving, async |pace| {
                deliveries(&it.store, &filter, pace).await
            })
            .await;

            let different: HashSet<_> = met.iter().cloned().collect();
            assert_eq!(different.len(), met.len(), "{:?} {filter:?}", it.engine);
            assert!(before.is_subset(&different), "{:?} {filter:?}", it.engine);
        }
    }
}

#[tokio::test]
async fn what_is_rare_is_reached_by_short_pages_that_lead_on() {
    const PASSED: u32 = 50_100;
    for it in both("rare").await {
        let rare = AttemptRecord {
            attempt: 1,
            response_status: Some(204),
            ..a_record(0)
        };
        let records: Vec<_> = std::iter::once(rare.clone())
            .chain((1..=PASSED).map(a_record))
            .collect();
        it.store.write(&records).await.unwrap();
        let filter = Filter {
            organisation: Some(name("acme")),
            response_status: Some(204),
            ..Filter::default()
        };

        let first = it.store.attempts(&filter, &Page::default()).await.unwrap();

        assert_eq!(first.records, [], "{:?}", it.engine);
        assert_eq!((first.total_count, first.is_total_exact), (0, false));
        let cursor = first.next_cursor.unwrap();
        let page = Page {
            after: Position::Cursor(Cursor::parse(&cursor.to_string()).unwrap()),
            ..Page::default()
        };
        let second = it.store.attempts(&filter, &page).await.unwrap();
        let found: Vec<_> = second.records.into_iter().map(|it| it.record).collect();
        assert_eq!(found, [rare], "{:?}", it.engine);
        assert_eq!(second.next_cursor, None, "{:?}", it.engine);
        let oldest = walk(&it.store, &filter, Order::OldestFirst, &Semaphore::new(0)).await;
        assert_eq!(oldest.len(), 1, "{:?}", it.engine);
    }
}

/// Walks while two processes write: records that begin now, and records that began among the others. Each page makes
/// room for two of their batches.
async fn among_writers(
    it: &TestStore,
    arriving: &AtomicU32,
    walk: impl AsyncFnOnce(&Semaphore) -> Vec<String>,
) -> Vec<String> {
    let pace = Semaphore::new(2);
    let write = async |store: AttemptStore| {
        while let Ok(turn) = pace.acquire().await {
            turn.forget();
            let n = arriving.fetch_add(4, Ordering::Relaxed);
            let batch: Vec<_> = (n..n + 4).map(arrival).collect();
            store.write(&batch).await.unwrap();
        }
        store.close().await;
    };
    let (one, other) = (open(&it.url).await, open(&it.url).await);
    let walk = async {
        let met = walk(&pace).await;
        pace.close();
        met
    };
    let (met, _) = join(walk, join(write(one), write(other))).await;
    met
}

/// Every other one began among those that are there.
fn arrival(n: u32) -> AttemptRecord {
    let began = if n.is_multiple_of(2) {
        n
    } else {
        n * 7 % THERE
    };
    AttemptRecord {
        created_at: a_record(began / 3).created_at,
        ..of_job(n, varied(n))
    }
}

/// Filters of every kind of index, and ones that pass over records.
fn filters() -> Vec<Filter> {
    let own = Filter {
        organisation: Some(name("acme")),
        ..Filter::default()
    };
    let of = |change: fn(&mut Filter)| {
        let mut filter = own.clone();
        change(&mut filter);
        filter
    };
    vec![
        own.clone(),
        of(|it| it.event_name = Some(name("name.1"))),
        of(|it| it.success = Some(false)),
        of(|it| it.success = Some(true)),
        of(|it| it.endpoint = Some(name("ep1"))),
        of(|it| {
            it.endpoint = Some(name("ep1"));
            it.success = Some(false);
        }),
        of(|it| it.event_id = Some(name("evt-1"))),
        of(|it| it.response_status = Some(500)),
        of(|it| it.attempt = Some(3)),
        of(|it| it.from = Some(a_record(20).created_at)),
        of(|it| it.to = Some(a_record(100).created_at)),
    ]
}

/// Makes records of which three begin in each millisecond, every other one a failure.
fn varied(n: u32) -> AttemptRecord {
    let record = if n % 4 < 2 { a_record(n) } else { a_failure(n) };
    AttemptRecord {
        created_at: a_record(n / 3).created_at,
        webhook_config_id: name(&format!("ep{}", n % 2)),
        event_sub_category: name(&format!("name.{}", n % 3)),
        ..record
    }
}

async fn matching(it: &TestStore, filter: &Filter) -> HashSet<String> {
    let all = crate::stores::all(&it.store, filter).await;
    all.into_iter().map(|it| it.record.id).collect()
}

/// Walks by cursor; returns the ids in order.
async fn walk(
    store: &AttemptStore,
    filter: &Filter,
    order: Order,
    pace: &Semaphore,
) -> Vec<String> {
    let mut met = Vec::new();
    let mut after = Position::Start;
    loop {
        let page = Page {
            limit: 29,
            after,
            order,
        };
        let found = store.attempts(filter, &page).await.unwrap();
        pace.add_permits(2);
        met.extend(found.records.into_iter().map(|it| it.record.id));
        match found.next_cursor {
            Some(cursor) => after = Position::Cursor(Cursor::parse(&cursor.to_string()).unwrap()),
            None => return met,
        }
    }
}

async fn deliveries(
    store: &AttemptStore,
    filter: &DeliveryFilter,
    pace: &Semaphore,
) -> Vec<String> {
    let mut met = Vec::new();
    let mut cursor = None;
    loop {
        let found = store.deliveries(filter, 29, cursor.as_ref()).await.unwrap();
        pace.add_permits(2);
        met.extend(found.deliveries.iter().map(|it| it.job_id.to_string()));
        cursor = found.next_cursor;
        if cursor.is_none() {
            return met;
        }
    }
}

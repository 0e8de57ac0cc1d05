//! Walking through pages.

use std::collections::HashSet;

use attempt_store::{AttemptStore, Cursor, Filter, Order, Page, Position};
use domain::attempt::AttemptRecord;

use crate::{
    build::{a_record, ids},
    stores::both,
};

#[tokio::test]
async fn a_walk_meets_every_record_once_while_others_arrive() {
    for order in [Order::NewestFirst, Order::OldestFirst] {
        for it in both(&format!("walk_{order:?}").to_lowercase()).await {
            // Seven at a time begin in the same millisecond, so that pages end between equals.
            let there: Vec<_> = (0..200).map(|n| same_millisecond(n, n / 7)).collect();
            it.store.write(&there).await.unwrap();

            let met = walk(&it.store, order, async |step| {
                let arrival = [same_millisecond(1_000 + step, step), a_record(5_000 + step)];
                it.store.write(&arrival).await.unwrap();
            })
            .await;

            let different: HashSet<_> = met.iter().collect();
            assert_eq!(
                different.len(),
                met.len(),
                "{:?} {order:?}: one met twice",
                it.engine
            );
            let missed: Vec<_> = ids(&there)
                .into_iter()
                .filter(|id| !different.contains(id))
                .collect();
            assert!(
                missed.is_empty(),
                "{:?} {order:?}: missed {missed:?}",
                it.engine
            );
        }
    }
}

#[tokio::test]
async fn skipping_and_cursors_lead_to_the_same_pages() {
    let records: Vec<_> = (0..55).map(|n| same_millisecond(n, n / 10)).collect();
    for it in both("skipping").await {
        it.store.write(&records).await.unwrap();

        let walked = walk(&it.store, Order::OldestFirst, async |_| {}).await;
        let mut skipped = Vec::new();
        for page in 0..7 {
            skipped.extend(
                page_ids(&it.store, Position::Skip(page * 9), Order::OldestFirst)
                    .await
                    .0,
            );
        }

        assert_eq!(walked, ids(&records), "{:?}", it.engine);
        assert_eq!(skipped, walked, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn the_orders_are_each_others_reverse() {
    let records: Vec<_> = (0..30).map(|n| same_millisecond(n, n / 4)).collect();
    for it in both("orders").await {
        it.store.write(&records).await.unwrap();

        let mut newest = walk(&it.store, Order::NewestFirst, async |_| {}).await;
        let oldest = walk(&it.store, Order::OldestFirst, async |_| {}).await;

        newest.reverse();
        assert_eq!(newest, oldest, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_page_holds_one_to_a_hundred_records() {
    let records: Vec<_> = (0..150).map(a_record).collect();
    for it in both("page_size").await {
        it.store.write(&records).await.unwrap();
        for (limit, expected) in [(0, 1), (1, 1), (100, 100), (u32::MAX, 100)] {
            let page = Page {
                limit,
                ..Page::default()
            };

            let found = it.store.attempts(&Filter::default(), &page).await.unwrap();

            assert_eq!(found.records.len(), expected, "{:?} {limit}", it.engine);
            assert_eq!(found.total_count, 150, "{:?} {limit}", it.engine);
        }
    }
}

#[tokio::test]
async fn the_last_page_has_no_cursor_even_when_it_is_full() {
    let records: Vec<_> = (0..18).map(a_record).collect();
    for it in both("last_page").await {
        it.store.write(&records).await.unwrap();

        let (_, cursor) = page_ids(&it.store, Position::Skip(9), Order::OldestFirst).await;

        assert_eq!(cursor, None, "{:?}", it.engine);
    }
}

/// Walks by cursor in pages of nine, with something happening between pages; returns the ids in order.
async fn walk(store: &AttemptStore, order: Order, between: impl AsyncFn(u32)) -> Vec<String> {
    let mut met = Vec::new();
    let mut after = Position::Start;
    for step in 0.. {
        let (ids, cursor) = page_ids(store, after, order).await;
        met.extend(ids);
        between(step).await;
        match cursor {
            // As a client does it: by way of the cursor's text.
            Some(cursor) => after = Position::Cursor(Cursor::parse(&cursor.to_string()).unwrap()),
            None => break,
        }
        assert!(step < 1_000, "the walk does not end");
    }
    met
}

async fn page_ids(
    store: &AttemptStore,
    after: Position,
    order: Order,
) -> (Vec<String>, Option<Cursor>) {
    let page = Page {
        limit: 9,
        after,
        order,
    };
    let found = store.attempts(&Filter::default(), &page).await.unwrap();
    (
        found.records.into_iter().map(|it| it.record.id).collect(),
        found.next_cursor,
    )
}

fn same_millisecond(n: u32, millisecond: u32) -> AttemptRecord {
    AttemptRecord {
        created_at: a_record(millisecond).created_at,
        ..a_record(n)
    }
}

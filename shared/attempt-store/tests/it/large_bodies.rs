//! Pages whose bodies are large.

use attempt_store::{
    ArchivedEvent, AttemptPage, Cursor, Filter, Order, PAGE_BODY_BYTES, Page, Position,
};
use domain::{attempt::AttemptRecord, event::BodyHash, name::JobId};

use crate::{
    build::{a_record, an_event, ids, name},
    stores::{TestStore, both},
};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_page_ends_before_its_bodies_exceed_the_budget() {
    for order in [Order::NewestFirst, Order::OldestFirst] {
        for it in both(&format!("budget_{order:?}").to_lowercase()).await {
            let mut records = store(&it, &[MIB; 20]).await;
            if order == Order::NewestFirst {
                records.reverse();
            }

            let pages = walk(&it, Position::Start, order).await;

            // Eight of them are the budget itself, which is not more than the budget.
            assert_eq!(sizes(&pages), [8, 8, 4], "{:?} {order:?}", it.engine);
            assert_eq!(met(&pages), ids(&records), "{:?} {order:?}", it.engine);
            for page in &pages {
                assert!(body_bytes(page) <= PAGE_BODY_BYTES, "{:?}", it.engine);
            }
        }
    }
}

#[tokio::test]
async fn a_body_counts_as_often_as_it_is_shown() {
    for it in both("budget_shared").await {
        let (event, first) = large(0, MIB);
        let records: Vec<_> = (0..20).map(|n| again(&first, n)).collect();
        it.store.archive(&[event]).await.unwrap();
        it.store.write(&records).await.unwrap();

        let pages = walk(&it, Position::Start, Order::OldestFirst).await;

        assert_eq!(sizes(&pages), [8, 8, 4], "{:?}", it.engine);
        assert_eq!(met(&pages), ids(&records), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_body_beyond_the_budget_is_shown_alone() {
    for it in both("budget_alone").await {
        let records = store(&it, &[9 * MIB, 10, 9 * MIB, 10, 10]).await;

        let pages = walk(&it, Position::Start, Order::OldestFirst).await;

        assert_eq!(sizes(&pages), [1, 1, 1, 2], "{:?}", it.engine);
        assert_eq!(met(&pages), ids(&records), "{:?}", it.engine);
        assert_eq!(body_bytes(&pages[2]), 9 * 1024 * 1024, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn the_cursor_of_a_short_page_leads_on_behind_skipped_records() {
    for it in both("budget_skip").await {
        let records = store(&it, &[MIB; 20]).await;

        let pages = walk(&it, Position::Skip(5), Order::OldestFirst).await;

        assert_eq!(sizes(&pages), [8, 7], "{:?}", it.engine);
        assert_eq!(met(&pages), ids(&records[5..]), "{:?}", it.engine);
        assert_eq!(pages[0].total_count, 20, "{:?}", it.engine);
    }
}

/// Stores one attempt for each size, each with a body of its own.
async fn store(it: &TestStore, sizes: &[usize]) -> Vec<AttemptRecord> {
    let (events, records): (Vec<_>, Vec<_>) =
        (0..).zip(sizes).map(|(n, size)| large(n, *size)).unzip();
    it.store.archive(&events).await.unwrap();
    it.store.write(&records).await.unwrap();
    records
}

fn large(n: u32, size: usize) -> (ArchivedEvent, AttemptRecord) {
    let body = vec![b'x'; size];
    let event = ArchivedEvent {
        id: name(&format!("evt-{n}")),
        ..an_event(&body)
    };
    let record = AttemptRecord {
        job_id: JobId::of(&event.id, &name("ep1")),
        event_id: event.id.clone(),
        body_hash: BodyHash::of(&body),
        ..a_record(n)
    };
    (event, record)
}

/// Makes another attempt at what `first` sent.
fn again(first: &AttemptRecord, n: u32) -> AttemptRecord {
    AttemptRecord {
        id: a_record(n).id,
        created_at: a_record(n).created_at,
        ..first.clone()
    }
}

/// Reads the page at `after` and all behind it, by cursor; every record must have its body.
async fn walk(it: &TestStore, mut after: Position, order: Order) -> Vec<AttemptPage> {
    let mut pages = Vec::new();
    loop {
        let page = Page {
            limit: 100,
            after,
            order,
        };
        let found = it.store.attempts(&Filter::default(), &page).await.unwrap();
        let missing = found.records.iter().any(|it| it.request_body.is_none());
        assert!(!missing, "{:?}: a body is missing", it.engine);
        let cursor = found.next_cursor.as_ref().map(Cursor::to_string);
        pages.push(found);
        match cursor {
            Some(cursor) => after = Position::Cursor(Cursor::parse(&cursor).unwrap()),
            None => return pages,
        }
        assert!(pages.len() < 100, "the walk does not end");
    }
}

fn sizes(pages: &[AttemptPage]) -> Vec<usize> {
    pages.iter().map(|page| page.records.len()).collect()
}

fn met(pages: &[AttemptPage]) -> Vec<String> {
    let stored = pages.iter().flat_map(|page| &page.records);
    stored.map(|it| it.record.id.clone()).collect()
}

fn body_bytes(page: &AttemptPage) -> u64 {
    let bodies = page
        .records
        .iter()
        .filter_map(|it| it.request_body.as_ref());
    bodies.map(|body| u64::try_from(body.len()).unwrap()).sum()
}

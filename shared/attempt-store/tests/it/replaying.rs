//! Walking through the archive.

use attempt_store::{ARCHIVE_LIMIT, ArchivePage, ArchiveRange, ArchivedEvent, PAGE_BODY_BYTES};
use domain::{content::Content, event::BodyHash, time::Timestamp};

use crate::{
    build::{an_event, at, name},
    stores::{TestStore, both},
};

#[tokio::test]
async fn a_walk_meets_every_event_in_order_of_its_acceptance() {
    let mut events: Vec<_> = (0..50).map(|n| accepted(n, i64::from(n) / 7)).collect();
    events.sort_by_key(|event| (event.accepted_at, event.id.clone()));
    for it in both("archive_walk").await {
        let mut shuffled = events.clone();
        shuffled.reverse();
        it.store.archive(&shuffled).await.unwrap();

        let pages = walk(&it, &ArchiveRange::default(), 7).await;

        let found: Vec<_> = pages.iter().flat_map(|page| page.events.clone()).collect();
        assert_eq!(found, events, "{:?}", it.engine);
        assert_eq!(pages.len(), 8, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn both_ends_of_a_range_belong_to_it() {
    let events: Vec<_> = (0..10).map(|n| accepted(n, i64::from(n))).collect();
    for it in both("archive_range").await {
        it.store.archive(&events).await.unwrap();
        let found = async |from: Option<usize>, to: Option<usize>| {
            let time = |n: Option<usize>| n.map(|n| events[n].accepted_at);
            let (from, to) = (time(from), time(to));
            let range = ArchiveRange { from, to };
            let page = it
                .store
                .event_bodies(&name("acme"), &range, None, 100)
                .await;
            let found = page.unwrap().events.len();
            let count = it.store.count_event_bodies(&name("acme"), &range).await;
            assert_eq!(count.unwrap(), u64::try_from(found).unwrap(), "{range:?}");
            let foreign = it.store.count_event_bodies(&name("other"), &range).await;
            assert_eq!(foreign.unwrap(), 0);
            found
        };

        assert_eq!(found(None, None).await, 10, "{:?}", it.engine);
        assert_eq!(found(Some(3), None).await, 7, "{:?}", it.engine);
        assert_eq!(found(None, Some(3)).await, 4, "{:?}", it.engine);
        assert_eq!(found(Some(3), Some(4)).await, 2, "{:?}", it.engine);
        assert_eq!(found(Some(4), Some(3)).await, 0, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_page_of_large_bodies_ends_early() {
    let events: Vec<_> = (0..20)
        .map(|n| ArchivedEvent {
            accepted_at: accepted(n, i64::from(n)).accepted_at,
            ..an_event(&vec![u8::try_from(n).unwrap(); 1024 * 1024])
        })
        .collect();
    for it in both("archive_large").await {
        it.store.archive(&events).await.unwrap();

        let pages = walk(&it, &ArchiveRange::default(), ARCHIVE_LIMIT).await;

        let sizes: Vec<_> = pages.iter().map(|page| page.events.len()).collect();
        assert_eq!(sizes, [8, 8, 4], "{:?}", it.engine);
        for page in pages {
            let bytes: usize = page.events.iter().map(|event| event.body.len()).sum();
            assert!(u64::try_from(bytes).unwrap() <= PAGE_BODY_BYTES);
        }
    }
}

#[tokio::test]
async fn an_organisation_walks_through_its_own_events_only() {
    for it in both("archive_foreign").await {
        it.store.archive(&[accepted(1, 1)]).await.unwrap();
        let everything = ArchiveRange::default();

        let foreign = it
            .store
            .event_bodies(&name("other"), &everything, None, 10)
            .await
            .unwrap();
        let event = accepted(1, 1);
        let one = it
            .store
            .event_body(&name("other"), &event.id, event.hash)
            .await;

        assert_eq!(foreign.events, [], "{:?}", it.engine);
        assert_eq!(foreign.next, None, "{:?}", it.engine);
        assert_eq!(one.unwrap(), None, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn one_event_is_found_by_its_id_and_its_body() {
    for it in both("archive_one").await {
        let events = [an_event(b"first"), an_event(b"second")];
        it.store.archive(&events).await.unwrap();
        let find = async |body: &[u8]| {
            let found = it
                .store
                .event_body(&name("acme"), &name("evt-1"), BodyHash::of(body))
                .await;
            found.unwrap()
        };

        assert_eq!(find(b"first").await, Some(events[0].clone()));
        assert_eq!(find(b"second").await, Some(events[1].clone()));
        assert_eq!(find(b"third").await, None, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn the_headers_that_travel_with_a_body_come_back_with_it() {
    let headers = [("ce-subject", "\"a\" %20"), ("content-type", "text/plain")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let event = ArchivedEvent {
        content: Content::new(headers.to_vec()),
        ..an_event(b"\xff\0")
    };
    for it in both("archive_content").await {
        it.store
            .archive(std::slice::from_ref(&event))
            .await
            .unwrap();

        let store = &it.store;
        let found = store.event_body(&event.organisation, &event.id, event.hash);

        assert_eq!(
            found.await.unwrap().as_ref(),
            Some(&event),
            "{:?}",
            it.engine
        );
        let pages = walk(&it, &ArchiveRange::default(), 7).await;
        assert_eq!(
            pages[0].events,
            std::slice::from_ref(&event),
            "{:?}",
            it.engine
        );
    }
}

fn accepted(n: u32, second: i64) -> ArchivedEvent {
    let start = at("2026-03-14T10:21:44.000Z").millis();
    ArchivedEvent {
        id: name(&format!("evt-{n}")),
        accepted_at: Timestamp::from_millis(start + second * 1_000),
        ..an_event(format!("{{\"n\":{n}}}").as_bytes())
    }
}

async fn walk(it: &TestStore, range: &ArchiveRange, limit: usize) -> Vec<ArchivePage> {
    let mut pages: Vec<ArchivePage> = Vec::new();
    loop {
        let after = pages.last().and_then(|page| page.next.as_ref());
        let page = it
            .store
            .event_bodies(&name("acme"), range, after, limit)
            .await
            .unwrap();
        let more = page.next.is_some();
        pages.push(page);
        if !more {
            return pages;
        }
    }
}

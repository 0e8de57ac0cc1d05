//! Finding attempts.

use attempt_store::{COUNT_LIMIT, Filter, Page, Position};
use domain::{attempt::AttemptRecord, time::Timestamp};

use crate::{
    build::{a_failure, a_record, ids, name},
    stores::both,
};

#[tokio::test]
async fn every_combination_of_filters_finds_what_it_says() {
    let records: Vec<_> = (0..96).map(varied).collect();
    let whole = Filter {
        organisation: Some(name("org-1")),
        event_name: Some(name("name.1")),
        success: Some(false),
        endpoint: Some(name("ep1")),
        event_id: Some(name("evt-1")),
        response_status: Some(500),
        attempt: Some(2),
        from: Some(records[10].created_at),
        to: Some(records[85].created_at),
    };
    for it in both("filters").await {
        it.store.write(&records).await.unwrap();
        for subset in 0..512_u32 {
            let filter = part_of(&whole, subset);
            let page = Page {
                limit: 100,
                ..Page::default()
            };

            let found = it.store.attempts(&filter, &page).await.unwrap();

            let mut expected: Vec<_> = records
                .iter()
                .filter(|r| satisfies(&filter, r))
                .cloned()
                .collect();
            expected.reverse();
            let found_records: Vec<_> = found.records.into_iter().map(|it| it.record).collect();
            assert_eq!(
                ids(&found_records),
                ids(&expected),
                "{:?} {filter:?}",
                it.engine
            );
            let count = u64::try_from(expected.len()).unwrap();
            assert_eq!(found.total_count, count, "{:?} {filter:?}", it.engine);
            assert_eq!(found.next_cursor, None);
        }
    }
}

#[tokio::test]
async fn counting_ends_at_its_limit() {
    let records: Vec<_> = (0..10_100).map(a_record).collect();
    for it in both("count_limit").await {
        it.store.write(&records).await.unwrap();

        let found = it
            .store
            .attempts(&Filter::default(), &Page::default())
            .await
            .unwrap();

        assert_eq!(found.total_count, COUNT_LIMIT, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn successes_are_found_as_failures_are() {
    for it in both("successes").await {
        it.store.write(&[a_record(1), a_failure(2)]).await.unwrap();
        let filter = Filter {
            success: Some(true),
            ..Filter::default()
        };

        let found = it.store.attempts(&filter, &Page::default()).await.unwrap();

        assert_eq!(found.records[0].record, a_record(1), "{:?}", it.engine);
        assert_eq!(found.total_count, 1, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn both_ends_of_a_range_of_time_belong_to_it() {
    for it in both("range").await {
        it.store
            .write(&[a_record(1), a_record(2), a_record(3), a_record(4)])
            .await
            .unwrap();
        let between = |from: Timestamp, to: Timestamp| Filter {
            from: Some(from),
            to: Some(to),
            ..Filter::default()
        };
        let (second, third) = (a_record(2).created_at, a_record(3).created_at);

        let found = async |filter: Filter| {
            it.store
                .attempts(&filter, &Page::default())
                .await
                .unwrap()
                .total_count
        };

        assert_eq!(found(between(second, third)).await, 2, "{:?}", it.engine);
        assert_eq!(found(between(second, second)).await, 1, "{:?}", it.engine);
        assert_eq!(found(between(third, second)).await, 0, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn one_record_is_found_by_its_organisation_only() {
    for it in both("one_record").await {
        it.store.write(&[a_failure(1), a_record(2)]).await.unwrap();
        let id = a_failure(1).id;

        let own = it.store.attempt(&name("acme"), &id).await.unwrap();
        let foreign = it.store.attempt(&name("other"), &id).await.unwrap();

        assert_eq!(
            own.map(|stored| stored.record),
            Some(a_failure(1)),
            "{:?}",
            it.engine
        );
        assert_eq!(foreign, None, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn an_id_that_nobody_has_is_not_found() {
    let too_long = "x".repeat(10_000);
    for it in both("unknown_id").await {
        it.store.write(&[a_record(1)]).await.unwrap();

        for id in ["", "unknown", "\0", "' or 1 = 1 --", &too_long] {
            let found = it.store.attempt(&name("acme"), id).await.unwrap();

            assert_eq!(found, None, "{:?} {id}", it.engine);
        }
    }
}

#[tokio::test]
async fn an_empty_store_answers_with_an_empty_page() {
    for it in both("empty_store").await {
        let page = Page {
            after: Position::Skip(u64::MAX),
            ..Page::default()
        };

        let found = it.store.attempts(&Filter::default(), &page).await.unwrap();

        assert_eq!(
            (found.total_count, found.records.len()),
            (0, 0),
            "{:?}",
            it.engine
        );
        it.store.ping().await.unwrap();
    }
}

/// Makes records in which each field has its own rhythm, so that filters overlap in all ways.
fn varied(n: u32) -> AttemptRecord {
    let record = if n.is_multiple_of(2) {
        a_record(n)
    } else {
        a_failure(n)
    };
    AttemptRecord {
        organisation_id: name(&format!("org-{}", n % 3 % 2)),
        event_sub_category: name(&format!("name.{}", n / 2 % 2)),
        webhook_config_id: name(&format!("ep{}", n / 3 % 2)),
        event_id: name(&format!("evt-{}", n / 4 % 2)),
        response_status: match n % 10 {
            1 => None,
            3 => Some(404),
            odd if odd % 2 == 1 => Some(500),
            _ => Some(200),
        },
        attempt: 1 + n / 8 % 2,
        ..record
    }
}

/// Returns the filter with only those fields whose bit is set.
fn part_of(whole: &Filter, subset: u32) -> Filter {
    let has = |bit: u32| subset & (1 << bit) != 0;
    Filter {
        organisation: whole.organisation.clone().filter(|_| has(0)),
        event_name: whole.event_name.clone().filter(|_| has(1)),
        success: whole.success.filter(|_| has(2)),
        endpoint: whole.endpoint.clone().filter(|_| has(3)),
        event_id: whole.event_id.clone().filter(|_| has(4)),
        response_status: whole.response_status.filter(|_| has(5)),
        attempt: whole.attempt.filter(|_| has(6)),
        from: whole.from.filter(|_| has(7)),
        to: whole.to.filter(|_| has(8)),
    }
}

fn satisfies(filter: &Filter, record: &AttemptRecord) -> bool {
    fn equal<T: PartialEq>(wanted: Option<&T>, actual: &T) -> bool {
        wanted.is_none_or(|wanted| wanted == actual)
    }
    equal(filter.organisation.as_ref(), &record.organisation_id)
        && equal(filter.event_name.as_ref(), &record.event_sub_category)
        && equal(filter.success.as_ref(), &record.success)
        && equal(filter.endpoint.as_ref(), &record.webhook_config_id)
        && equal(filter.event_id.as_ref(), &record.event_id)
        && filter
            .response_status
            .is_none_or(|status| record.response_status == Some(status))
        && equal(filter.attempt.as_ref(), &record.attempt)
        && filter.from.is_none_or(|from| from <= record.created_at)
        && filter.to.is_none_or(|to| record.created_at <= to)
}

//! Every filter that there is, in both orders, with and without a cursor: read along an index, not sorted as a
//! whole, and not by looking through a day. New partitions have no statistics, so the plans must be right with
//! them and without.

use attempt_store::{Cursor, Filter, Order, Page, Plan, Position};
use domain::{attempt::AttemptRecord, time::Timestamp};

use crate::{
    build::{a_record, name, now},
    stores::{Engine, TestStore, both, open},
};

/// Three days of one large organisation and a few small ones. One in fifty attempts fails, one in thirty is a retry.
const FILL_POSTGRES: &str = "
    insert into attempts (created_at, id, organisation_id, endpoint_id, job_id, event_id, body_hash, event_name,
        attempt, triggered_by, success, url, http_method, request_headers, response_status, duration_ms, trace_id)
    select date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' - interval '3 days' + n * interval '8 seconds', lpad(n::text, 26, '0'),
        case when n % 10 < 8 then 'acme' else 'org-' || n % 10 end, 'ep' || n % 40, 'evt-' || n / 2 || ':ep' || n % 40,
        'evt-' || n / 2, '\\x00', 'name.' || n % 7, case when n % 30 = 0 then 2 else 1 end, 'auto', n % 50 <> 0,
        'https://receiver.test/hook', 'POST', '[]', case when n % 50 = 0 then 500 else 200 end, 12, 't'
    from generate_series(0, 29999) n";

const FILL_SQLITE: &str = "
    insert into attempts (created_at, id, organisation_id, endpoint_id, job_id, event_id, body_hash, event_name,
        attempt, triggered_by, success, url, http_method, request_headers, response_status, duration_ms, trace_id)
    with recursive series (n) as (select 0 union all select n + 1 from series where n < 29999)
    select unixepoch('now', 'start of day', '-3 days') * 1000 + n * 8000, printf('%026d', n),
        case when n % 10 < 8 then 'acme' else 'org-' || (n % 10) end, 'ep' || (n % 40),
        'evt-' || (n / 2) || ':ep' || (n % 40), 'evt-' || (n / 2), x'00', 'name.' || (n % 7),
        case when n % 30 = 0 then 2 else 1 end, 'auto', n % 50 <> 0, 'https://receiver.test/hook', 'POST', '[]',
        case when n % 50 = 0 then 500 else 200 end, 12, 't'
    from series";

#[tokio::test]
async fn every_filter_is_read_along_an_index_with_statistics_and_without() {
    for mut it in both("plans").await {
        fill(&it).await;
        check(&it).await;
        it.execute("analyze", "analyze").await;
        // SQLite reads statistics when a file is opened.
        it.store = open(&it.url).await;
        check(&it).await;
    }
}

/// Makes the partitions by way of the store, then fills them.
async fn fill(it: &TestStore) {
    let days = [3, 2, 1].map(|days| AttemptRecord {
        created_at: before_today(days * 24),
        id: format!("{days}-days-ago"),
        ..a_record(1)
    });
    it.store.write(&days).await.unwrap();
    it.execute(FILL_POSTGRES, FILL_SQLITE).await;
}

async fn check(it: &TestStore) {
    for organisation in ["acme", "org-8"] {
        for subset in 0..256_u32 {
            let filter = filter(organisation, subset);
            for order in [Order::NewestFirst, Order::OldestFirst] {
                for after in [Position::Start, Position::Cursor(middle())] {
                    let page = Page {
                        limit: 10,
                        after,
                        order,
                    };
                    let plans = it.store.explain(&filter, &page).await.unwrap();
                    for plan in plans {
                        judge(it.engine, &filter, &plan);
                    }
                }
            }
        }
    }
}

/// Makes sure that a plan goes along the index that is meant for the filter.
fn judge(engine: Engine, filter: &Filter, plan: &Plan) {
    let text = plan.steps.join("\n");
    let whole = match engine {
        // What is sorted must be a few records: those of one event, or equals in time.
        Engine::Postgres => {
            text.contains("Seq Scan") || plan.steps.iter().any(|step| is_large_sort(step))
        }
        Engine::Sqlite => text.contains("SCAN attempts") || text.contains("FOR ORDER BY"),
    };
    assert!(!whole, "{engine:?} {filter:?} {}:\n{text}", plan.of);
    let column = match filter {
        Filter {
            event_id: Some(_), ..
        } => "event_id",
        Filter {
            endpoint: Some(_), ..
        } => "endpoint_id",
        Filter { .. } => "organisation_id",
    };
    let searches: Vec<_> = (plan.steps.iter())
        .filter(|step| step.contains("Index Cond") || step.contains("SEARCH attempts"))
        .collect();
    assert!(!searches.is_empty(), "{engine:?} {filter:?}:\n{text}");
    for search in searches {
        let finds =
            search.contains(&format!("{column} =")) || search.contains(&format!("{column}=?"));
        assert!(
            finds,
            "{engine:?} {filter:?} {}, {search}:\n{text}",
            plan.of
        );
    }
}

/// Returns whether a step sorts more than some records, as the database expects.
fn is_large_sort(step: &str) -> bool {
    let Some((_, rest)) = step
        .split_once("->  Sort")
        .or(step.strip_prefix("Sort").map(|it| ("", it)))
    else {
        return false;
    };
    let rows = rest.split_once("rows=").map(|(_, rows)| rows);
    let rows = rows.and_then(|rows| rows.split(' ').next()?.parse::<u64>().ok());
    rows.is_none_or(|rows| rows > 500)
}

/// Returns the filter with only those fields whose bit is set, and the organisation.
fn filter(organisation: &str, subset: u32) -> Filter {
    fn given<T>(subset: u32, bit: u32, value: T) -> Option<T> {
        (subset & (1 << bit) != 0).then_some(value)
    }
    Filter {
        organisation: Some(name(organisation)),
        event_name: given(subset, 0, name("name.1")),
        success: given(subset, 1, subset & (1 << 2) != 0),
        endpoint: given(subset, 3, name("ep1")),
        event_id: given(subset, 4, name("evt-700")),
        response_status: given(subset, 5, if subset & (1 << 2) != 0 { 200 } else { 500 }),
        attempt: given(subset, 6, if subset & (1 << 2) != 0 { 1 } else { 2 }),
        from: given(subset, 7, before_today(66)),
        to: given(subset, 7, before_today(30)),
    }
}

fn middle() -> Cursor {
    Cursor::before(before_today(36))
}

/// A time of day that does not depend on when the test runs, since estimates do on how much of a day is left.
fn before_today(hours: i64) -> Timestamp {
    const HOUR: i64 = 3_600_000;
    let today = now().millis() / (24 * HOUR) * (24 * HOUR);
    Timestamp::from_millis(today - hours * HOUR)
}

//! Measures how long questions take in a log of many attempts in PostgreSQL.
//!
//! `cargo run --release -p attempt-store --example read_rate [attempts]`
//!
//! Starts a PostgreSQL of its own, and fills thirty days (ten million attempts unless told otherwise, which takes some
//! minutes and 15 GB): four in five are one organisation's, one in fifty fails, one in a hundred is a retry. Each
//! question is put five times to partitions without statistics, as new ones are, and the median and the slowest are
//! printed.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool for a terminal, which measures time"
)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use attempt_store::{AttemptStore, Cursor, DeliveryFilter, Filter, Options, Order, Page, Position};
use domain::{
    attempt::{AttemptRecord, Trigger},
    event::BodyHash,
    job_state::DeliveryState,
    name::{EndpointId, EventId, JobId, Name, OrganisationId},
    statistics::Window,
    time::Timestamp,
};
use sqlx::PgPool;
use test_support::Postgres;

const DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;
const TIMES: usize = 5;

/// Fills one day: `$1` is its first millisecond, `$2` how many attempts, `$3` the number of the first.
const FILL: &str = "
    insert into attempts (created_at, id, organisation_id, endpoint_id, job_id, event_id, body_hash, event_category,
        event_name, attempt, triggered_by, success, error_kind, error_message, url, http_method, request_headers,
        response_status, response_headers, response_body, duration_ms, trace_id)
    select to_timestamp(($1 + n * 86400000 / $2) / 1000.0), lpad(to_hex($3 + n), 32, '0'),
        case when n % 5 < 4 then 'large' else 'organisation-' || n % 50 end,
        case when n % 5 < 4 then 'ep_' || n % 100 else 'ep_small_' || n % 500 end,
        'evt_' || lpad(to_hex(($3 + n) * 2654435761 % 4294967296), 32, '0') || ':ep_' || n % 100,
        'evt_' || lpad(to_hex(($3 + n) * 2654435761 % 4294967296), 32, '0'), '\\x00112233445566778899aabbccddeeff',
        'challenge', case when n % 100003 = 0 then 'rare' else 'name.' || n % 20 end,
        case when n % 100 = 1 then 2 + n % 3 else 1 end, 'auto', n % 50 <> 1,
        case when n % 50 = 1 then 'status' end, case when n % 50 = 1 then 'HTTP 503: Service Unavailable' end,
        'https://receiver.example.com/webhooks/posthorn', 'POST', '[' || rtrim(repeat('[\"content-type\",\"application/json\"],', 5), ',') || ']',
        case when n % 50 = 1 then 503 when n % 7 = 0 then 204 else 200 end, '[[\"content-type\",\"text/plain\"]]', 'ok',
        n % 300, '4bf92f3577b34da6a3ce929d0e0e4736'
    from generate_series(0, $2 - 1) n";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let attempts: i64 = match std::env::args().nth(1) {
        Some(text) => text.parse().context("the number of attempts")?,
        None => 10_000_000,
    };
    let cluster = Postgres::start();
    let url = cluster.create_database("read_rate");
    let store = AttemptStore::open(&url, Options::default()).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let today = i64::try_from(now)? / DAY_MS * DAY_MS;

    fill(&store, &url, attempts, today - DAYS * DAY_MS).await?;
    logs(&store, today).await?;
    others(&store, today).await?;
    store.close().await;
    Ok(())
}

/// Fills the days, whose partitions the store makes.
async fn fill(store: &AttemptStore, url: &str, attempts: i64, first: i64) -> anyhow::Result<()> {
    let pool = PgPool::connect(url).await?;
    let started = Instant::now();
    let of_a_day = attempts / DAYS;
    for day in 0..DAYS {
        let begin = first + day * DAY_MS;
        store.write(&[first_of(begin, day)?]).await?;
        sqlx::query(FILL)
            .bind(begin)
            .bind(of_a_day)
            .bind(day * of_a_day)
            .execute(&pool)
            .await?;
    }
    pool.close().await;
    println!(
        "{} attempts in {DAYS} days, filled in {:.0?}",
        of_a_day * DAYS,
        started.elapsed()
    );
    Ok(())
}

/// An attempt on a day, for which the store makes the partition.
fn first_of(begin: i64, day: i64) -> anyhow::Result<AttemptRecord> {
    let event = EventId::try_new("evt_first")?;
    let endpoint = Name::try_new("ep_first")?;
    Ok(AttemptRecord {
        id: format!("first-of-{day}"),
        job_id: JobId::of(&event, &endpoint),
        webhook_config_id: endpoint,
        organisation_id: Name::try_new("first")?,
        body_hash: BodyHash::of(b"{}"),
        event_id: event,
        event_category: None,
        event_sub_category: Name::try_new("first")?,
        url: "https://receiver.example.com/".to_owned(),
        http_method: "POST".to_owned(),
        request_headers: Vec::new(),
        response_status: Some(200),
        response_headers: None,
        response_body: None,
        response_body_encoding: None,
        attempt: 1,
        trigger: Trigger::Auto,
        success: true,
        error_message: None,
        error_kind: None,
        duration_ms: 12,
        next_attempt_at: None,
        trace_id: String::new(),
        created_at: Timestamp::from_millis(begin),
    })
}

/// Puts each kind of question about the log.
async fn logs(store: &AttemptStore, today: i64) -> anyhow::Result<()> {
    println!(
        "{:<58}{:>10}{:>10}{:>9}",
        "logs", "median", "slowest", "total"
    );
    for (what, filter) in filters(today)? {
        for (how, page) in pages(today) {
            let mut total = String::new();
            let times = measure(async || {
                let found = store.attempts(&filter, &page).await?;
                let more = if found.is_total_exact { "" } else { "+" };
                total = format!("{}{more}", found.total_count);
                Ok(())
            })
            .await?;
            print(&format!("{what}, {how}"), times, &total);
        }
    }
    Ok(())
}

async fn others(store: &AttemptStore, today: i64) -> anyhow::Result<()> {
    let organisation: OrganisationId = Name::try_new("large")?;
    let endpoint: EndpointId = Name::try_new("ep_1")?;
    for (what, state) in [
        ("deliveries", None),
        ("deliveries that failed", Some(DeliveryState::Failed)),
        ("deliveries that wait", Some(DeliveryState::Retrying)),
    ] {
        let filter = DeliveryFilter {
            state,
            ..DeliveryFilter::all(organisation.clone())
        };
        let times = measure(async || {
            store.deliveries(&filter, 10, None).await?;
            Ok(())
        });
        print(what, times.await?, "");
    }
    for (what, days) in [("figures of a day", 1), ("figures of 30 days", DAYS)] {
        let from = Timestamp::from_millis(today - days * DAY_MS);
        let window = Window::try_new(from, Timestamp::from_millis(today))?;
        let mut total = String::new();
        let times = measure(async || {
            let figures = store.figures(&organisation, &endpoint, window).await?;
            let about = if figures.is_exact { "" } else { "~" };
            total = format!("{about}{}", figures.attempts());
            Ok(())
        })
        .await?;
        print(what, times, &total);
    }
    let times = measure(async || {
        store.last_times(&organisation, &endpoint).await?;
        Ok(())
    });
    print("last times of an endpoint", times.await?, "");
    let times = measure(async || {
        store.waiting(&organisation, &endpoint).await?;
        Ok(())
    });
    print("jobs of an endpoint that wait", times.await?, "");
    Ok(())
}

type Named = (&'static str, Filter);

/// What indexes find, and what they pass over.
fn filters(today: i64) -> anyhow::Result<Vec<Named>> {
    let own = Filter {
        organisation: Some(Name::try_new("large")?),
        ..Filter::default()
    };
    let endpoint = Filter {
        endpoint: Some(Name::try_new("ep_1")?),
        ..own.clone()
    };
    let mut filters = found(&own, &endpoint, today)?;
    filters.extend(passed_over(&own, &endpoint, today)?);
    Ok(filters)
}

fn found(own: &Filter, endpoint: &Filter, today: i64) -> anyhow::Result<Vec<Named>> {
    let event = format!("evt_{:032x}", 12_345_i64 * 2_654_435_761 % 4_294_967_296);
    let event = Some(Name::try_new(&event)?);
    let small = Some(Name::try_new("organisation-9")?);
    let time = |before: i64| Some(Timestamp::from_millis(today - before));
    Ok(vec![
        ("organisation", own.clone()),
        ("small organisation", but(own, |it| it.organisation = small)),
        ("endpoint", endpoint.clone()),
        (
            "endpoint, failures",
            but(endpoint, |it| it.success = Some(false)),
        ),
        ("event", but(own, |it| it.event_id = event)),
        ("failures", but(own, |it| it.success = Some(false))),
        ("third attempts", but(own, |it| it.attempt = Some(3))),
        (
            "one hour",
            but(own, |it| {
                it.from = time(3_600_000);
                it.to = time(0);
            }),
        ),
    ])
}

fn passed_over(own: &Filter, endpoint: &Filter, today: i64) -> anyhow::Result<Vec<Named>> {
    let often = Some(Name::try_new("name.7")?);
    let rare = Filter {
        event_name: Some(Name::try_new("rare")?),
        ..own.clone()
    };
    let rare_of_endpoint = but(endpoint, |it| it.event_name.clone_from(&rare.event_name));
    let everything = but(&rare_of_endpoint, |it| {
        it.success = Some(true);
        it.response_status = Some(204);
        it.attempt = Some(1);
        it.from = Some(Timestamp::from_millis(today - 20 * DAY_MS));
    });
    Ok(vec![
        ("successes", but(own, |it| it.success = Some(true))),
        ("name", but(own, |it| it.event_name = often)),
        ("rare name", rare),
        ("endpoint, rare name", rare_of_endpoint),
        (
            "status that nobody has",
            but(own, |it| it.response_status = Some(418)),
        ),
        (
            "2xx that nobody has",
            but(own, |it| it.response_status = Some(299)),
        ),
        ("everything at once", everything),
    ])
}

/// Returns the filter with a change.
fn but(filter: &Filter, change: impl FnOnce(&mut Filter)) -> Filter {
    let mut filter = filter.clone();
    change(&mut filter);
    filter
}

fn pages(today: i64) -> [(&'static str, Page); 3] {
    let middle = Cursor::before(Timestamp::from_millis(today - DAYS / 2 * DAY_MS));
    [
        ("newest first", Page::default()),
        (
            "oldest first",
            Page {
                order: Order::OldestFirst,
                ..Page::default()
            },
        ),
        (
            "behind a cursor, 100",
            Page {
                limit: 100,
                after: Position::Cursor(middle),
                ..Page::default()
            },
        ),
    ]
}

/// Asks some times over and returns the median and the slowest.
async fn measure(
    mut ask: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<(Duration, Duration)> {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let started = Instant::now();
        ask().await?;
        times.push(started.elapsed());
    }
    times.sort();
    let at = |place: usize| times.get(place).copied().unwrap_or_default();
    Ok((at(TIMES / 2), at(TIMES - 1)))
}

fn print(what: &str, (median, slowest): (Duration, Duration), total: &str) {
    println!("{what:<58}{median:>10.1?}{slowest:>10.1?}{total:>9}");
}

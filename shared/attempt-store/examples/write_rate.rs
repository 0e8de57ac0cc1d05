//! Measures how fast both stores take attempts, and what a row costs in CPU time.
//!
//! `cargo run --release -p attempt-store --example write_rate [rows] [rows in a write]`
//!
//! Starts a PostgreSQL of its own with the durability of a default installation. The CPU time is that of this
//! process, and beside it that of the server, both from `/proc`, so it is printed on Linux only. The allocator is
//! that of the services.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool for a terminal, which measures time"
)]

use std::{
    fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use attempt_store::{ArchivedEvent, AttemptStore, Filter, Options, Page, Position};
use bytes::Bytes;
use domain::{
    attempt::{AttemptRecord, Trigger},
    content::Content,
    event::BodyHash,
    name::{EventId, JobId, Name},
    time::Timestamp,
};
use test_support::Postgres;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let records = records(argument(1, 100_000).context("the number of rows")?)?;
    let batch = argument(2, 1_000).context("the number of rows in a write")?;
    let events = events(&records);
    let load = Load {
        records: &records,
        events: &events,
        batch,
    };

    let cluster = Postgres::start_durable();
    let url = cluster.create_database("write_rate");
    measure("PostgreSQL", &url, cluster.pid(), &load).await?;

    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("attempts.db").display());
    measure("SQLite", &url, None, &load).await
}

/// What both stores are given.
struct Load<'a> {
    records: &'a [AttemptRecord],
    events: &'a [ArchivedEvent],
    batch: usize,
}

fn argument(position: usize, default: usize) -> anyhow::Result<usize> {
    match std::env::args().nth(position) {
        Some(text) => {
            let number: usize = text.parse()?;
            anyhow::ensure!(number > 0, "must be above zero");
            Ok(number)
        }
        None => Ok(default),
    }
}

async fn measure(
    engine: &str,
    url: &str,
    server: Option<u32>,
    load: &Load<'_>,
) -> anyhow::Result<()> {
    let Load {
        records,
        events,
        batch,
    } = *load;
    let store = AttemptStore::open(url, Options::default()).await?;
    let watch = Watch::start(server);
    for records in records.chunks(batch) {
        store.write(records).await?;
    }
    watch.print(engine, "attempts", records.len());

    let watch = Watch::start(server);
    for records in records.chunks(batch) {
        store.write(records).await?;
    }
    watch.print(engine, "known attempts", records.len());

    let watch = Watch::start(server);
    for events in events.chunks(batch) {
        store.archive(events).await?;
    }
    watch.print(engine, "bodies of 1 KiB", events.len());
    read(engine, &store, records).await?;
    store.close().await;
    Ok(())
}

async fn read(engine: &str, store: &AttemptStore, records: &[AttemptRecord]) -> anyhow::Result<()> {
    let organisation = records.first().map(|record| record.organisation_id.clone());
    let own = Filter {
        organisation: organisation.clone(),
        ..Filter::default()
    };
    let failures = Filter {
        success: Some(false),
        ..own.clone()
    };
    let status = Filter {
        response_status: Some(418),
        ..own.clone()
    };
    let far = Page {
        after: Position::Skip(50_000),
        ..Page::default()
    };
    for (what, filter, page) in [
        ("first page", &own, &Page::default()),
        ("page behind 50,000", &own, &far),
        ("failures", &failures, &Page::default()),
        ("a status that nobody has", &status, &Page::default()),
        ("all organisations", &Filter::default(), &Page::default()),
    ] {
        let started = Instant::now();
        let found = store.attempts(filter, page).await?;
        let elapsed = started.elapsed();
        println!(
            "{engine:<12}{what:<26}{elapsed:>12.1?}  of {}",
            found.total_count
        );
    }
    if let (Some(organisation), Some(record)) = (organisation, records.get(records.len() / 2)) {
        let started = Instant::now();
        store.attempt(&organisation, &record.id).await?;
        println!(
            "{engine:<12}{:<26}{:>12.1?}",
            "one record",
            started.elapsed()
        );
    }
    Ok(())
}

/// Wall clock and CPU time since a start.
struct Watch {
    server: Option<u32>,
    started: Instant,
    own: Duration,
    servers: Duration,
}

impl Watch {
    fn start(server: Option<u32>) -> Self {
        Self {
            server,
            started: Instant::now(),
            own: cpu_time("self"),
            servers: server.map_or(Duration::ZERO, tree_cpu_time),
        }
    }

    fn print(&self, engine: &str, what: &str, rows: usize) {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let elapsed = self.started.elapsed();
        let own = (cpu_time("self") - self.own) / rows;
        let servers = (self.server.map_or(Duration::ZERO, tree_cpu_time) - self.servers) / rows;
        let rate = f64::from(rows) / elapsed.as_secs_f64();
        println!(
            "{engine:<12}{what:<26}{rate:>9.0} rows/s   CPU a row: {own:.1?} here, {servers:.1?} in the server"
        );
    }
}

/// Returns the CPU time of a process and its children that live.
fn tree_cpu_time(pid: u32) -> Duration {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let pids = children.split_whitespace().map(cpu_time);
    cpu_time(&pid.to_string()) + pids.sum::<Duration>()
}

/// Returns the CPU time of a process, in the kernel's ticks of 10 ms; zero if it cannot be read.
fn cpu_time(pid: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    Duration::from_millis(ticks.filter_map(|n| n.parse::<u64>().ok()).sum::<u64>() * 10)
}

/// Makes attempts as a busy hour makes them: 50 organisations, 500 endpoints, one in fifty failed.
fn records(count: usize) -> anyhow::Result<Vec<AttemptRecord>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let start = i64::try_from(now)? - 3_600_000;
    (0..count).map(|n| record(n, start)).collect()
}

fn record(n: usize, start: i64) -> anyhow::Result<AttemptRecord> {
    let millis = start + i64::try_from(n)? / 10;
    let event = EventId::try_new(&format!("evt_{n:032x}"))?;
    let endpoint = Name::try_new(&format!("ep_{:020}", n % 500))?;
    let failed = n % 50 == 49;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Ok(AttemptRecord {
        id: format!("{millis:012x}7{:019x}", n * 2_654_435_761 % 0xffff_ffff),
        job_id: JobId::of(&event, &endpoint),
        webhook_config_id: endpoint,
        organisation_id: Name::try_new(&format!("organisation-{}", n % 50))?,
        body_hash: BodyHash::of(&body(n)),
        event_id: event,
        event_category: Some("challenge".to_owned()),
        event_sub_category: Name::try_new("challenge-completion")?,
        url: "https://receiver.example.com/webhooks/posthorn".to_owned(),
        http_method: "POST".to_owned(),
        request_headers: vec![
            pair("content-type", "application/json"),
            pair("user-agent", "Posthorn/0.1.0"),
            pair("webhook-id", &format!("evt_{n:032x}")),
            pair("webhook-timestamp", "1773483705"),
            pair(
                "webhook-signature",
                "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
            ),
            pair(
                "traceparent",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            ),
        ],
        response_status: Some(if failed { 503 } else { 200 }),
        response_headers: Some(vec![
            pair("content-type", "text/plain"),
            pair("date", "Sat, 14 Mar 2026 10:21:45 GMT"),
        ]),
        response_body: Some("ok".to_owned()),
        response_body_encoding: None,
        attempt: 1,
        trigger: Trigger::Auto,
        success: !failed,
        error_message: failed.then(|| "HTTP 503: Service Unavailable".to_owned()),
        error_kind: failed.then_some(domain::outcome::ErrorKind::Status),
        duration_ms: 12,
        next_attempt_at: None,
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        created_at: Timestamp::from_millis(millis),
    })
}

fn events(records: &[AttemptRecord]) -> Vec<ArchivedEvent> {
    let event = |(n, record): (usize, &AttemptRecord)| ArchivedEvent {
        organisation: record.organisation_id.clone(),
        id: record.event_id.clone(),
        hash: record.body_hash,
        name: record.event_sub_category.clone(),
        category: record.event_category.clone(),
        source_id: None,
        content: Content::default(),
        body: body(n),
        accepted_at: record.created_at,
    };
    records.iter().enumerate().map(event).collect()
}

fn body(n: usize) -> Bytes {
    Bytes::from(format!(
        "{{\"id\":\"evt_{n:032x}\",\"payload\":\"{}\"}}",
        "x".repeat(960)
    ))
}

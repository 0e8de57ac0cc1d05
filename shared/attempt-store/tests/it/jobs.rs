//! What is known of one job, and of many.

use std::collections::HashSet;

use attempt_store::Happening;
use domain::{
    attempt::{AttemptRecord, Trigger},
    job_state::{DeliveryState, StateRecord},
    name::{EventId, JobId},
};

use crate::{
    build::{a_death, a_failure, a_parking, a_record, name, of_job, state_of_job},
    stores::{TestStore, both, sqlite},
};

#[tokio::test]
async fn a_timeline_is_in_order_of_time() {
    for it in both("timeline").await {
        it.store
            .write(&[attempt(4, 2), attempt(2, 1)])
            .await
            .unwrap();
        it.store
            .write_states(&[dead(5, 2), parked(3, 2), parked(1, 1)])
            .await
            .unwrap();

        let found = it
            .store
            .delivery(&name("acme"), &name("evt-1:ep1"))
            .await
            .unwrap()
            .unwrap();

        let told: Vec<_> = (found.timeline.iter())
            .map(|entry| {
                let what = match &entry.happening {
                    Happening::Attempted(attempted) => attempted.duration_ms.to_string(),
                    Happening::Became { state, .. } => state.as_str().to_owned(),
                };
                (entry.attempt, what)
            })
            .collect();
        let expected = [
            (1, "parked"),
            (1, "12"),
            (2, "parked"),
            (2, "12"),
            (2, "dead"),
        ]
        .map(|(attempt, what)| (attempt, what.to_owned()));
        assert_eq!(told, expected, "{:?}", it.engine);
        assert_eq!(found.delivery.state, DeliveryState::Failed);
    }
}

#[tokio::test]
async fn a_timeline_ends_with_the_last_thousand_entries() {
    for it in both("long_timeline").await {
        let attempts: Vec<_> = (1..=1_200).map(|n| attempt(n * 2, n)).collect();
        let states: Vec<_> = (1..=1_200).map(|n| parked(n * 2 - 1, n)).collect();
        it.store.write(&attempts).await.unwrap();
        it.store.write_states(&states).await.unwrap();

        let found = it
            .store
            .delivery(&name("acme"), &name("evt-1:ep1"))
            .await
            .unwrap()
            .unwrap();

        assert_eq!(found.timeline.len(), 1_000, "{:?}", it.engine);
        assert_eq!(found.timeline[0].attempt, 701, "{:?}", it.engine);
        assert_eq!(found.timeline[999].attempt, 1_200, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_job_is_found_by_its_organisation_only() {
    for it in both("foreign_job").await {
        it.store.write(&[attempt(1, 1)]).await.unwrap();
        let job = name("evt-1:ep1");

        let foreign = it.store.delivery(&name("other"), &job).await.unwrap();
        let unknown = it.store.delivery(&name("acme"), &name("evt-1:ep")).await;
        let highest = it
            .store
            .highest_attempt(&name("other"), &job)
            .await
            .unwrap();
        let delivered = it
            .store
            .delivered_jobs(&name("other"), &[job])
            .await
            .unwrap();

        assert_eq!(foreign, None, "{:?}", it.engine);
        assert_eq!(unknown.unwrap(), None, "{:?}", it.engine);
        assert_eq!(highest, None, "{:?}", it.engine);
        assert_eq!(delivered, HashSet::new(), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn the_highest_attempt_is_one_that_was_made() {
    for it in both("highest").await {
        it.store
            .write(&[attempt(1, 1), attempt(2, 3), attempt(3, 2)])
            .await
            .unwrap();
        it.store
            .write_states(&[parked(4, 9), state_of_job(2, a_parking(5))])
            .await
            .unwrap();
        let highest = async |job: &str| {
            let found = it.store.highest_attempt(&name("acme"), &name(job)).await;
            found.unwrap()
        };

        assert_eq!(highest("evt-1:ep1").await, Some(3), "{:?}", it.engine);
        assert_eq!(highest("evt-2:ep1").await, None, "{:?}", it.engine);
        assert_eq!(highest("evt-3:ep1").await, None, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn delivered_jobs_are_told_from_the_others() {
    for it in both("delivered_jobs").await {
        let attempts: Vec<_> = (0..300)
            .map(|n| match n % 3 {
                0 => of_job(n, a_record(n)),
                _ => of_job(n, attempt(n, 1)),
            })
            .collect();
        it.store.write(&attempts).await.unwrap();
        let asked: Vec<JobId> = (0..400).map(|n| name(&format!("evt-{n}:ep1"))).collect();

        let delivered = it
            .store
            .delivered_jobs(&name("acme"), &asked)
            .await
            .unwrap();

        let expected = asked.iter().take(300).step_by(3).cloned().collect();
        assert_eq!(delivered, expected, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn events_of_an_endpoint_are_known_by_their_jobs_and_replays() {
    for it in both("events_of_endpoint").await {
        store_events(&it).await;
        let asked: Vec<EventId> = ["evt-1", "evt-2", "evt-3", "evt-4", "evt-5", "evt-6", "a"]
            .map(name)
            .to_vec();
        let ids = |found: HashSet<EventId>| {
            let mut ids: Vec<_> = found.iter().map(|id| id.as_str().to_owned()).collect();
            ids.sort();
            ids
        };
        let (acme, endpoint) = (name("acme"), name("ep1"));

        let delivered = it.store.delivered_events(&acme, &endpoint, &asked).await;
        let live = it.store.live_events(&acme, &endpoint, &asked).await;

        assert_eq!(
            ids(delivered.unwrap()),
            ["evt-1", "evt-2"],
            "{:?}",
            it.engine
        );
        assert_eq!(ids(live.unwrap()), ["evt-3", "evt-4"], "{:?}", it.engine);
    }
}

#[tokio::test]
async fn sqlite_finds_jobs_and_events_by_an_index() {
    let it = sqlite().await;
    let pool = sqlx::SqlitePool::connect(&it.url).await.unwrap();
    let entries = |table: &str| {
        format!(
            "with range (low, high, since) as (values ('a', 'b', 1)) select id from range \
             cross join {table} r on r.rowid in (select s.rowid from {table} s \
             where s.job_id >= range.low and s.job_id < range.high and s.created_at >= range.since \
             order by s.job_id desc, s.created_at desc limit 1000)"
        )
    };

    for (query, index) in [
        (entries("attempts"), "attempts_job"),
        (entries("job_states"), "job_states_job"),
        (
            "select id from job_states where organisation_id = 'acme' and (created_at, id) < (9, 'x') \
             order by job_states.created_at desc, id desc limit 500"
                .to_owned(),
            "job_states_organisation",
        ),
        (
            "select event_id from event_bodies b where organisation_id = 'acme' and accepted_at >= 1 \
             order by b.accepted_at, event_id, body_hash limit 101"
                .to_owned(),
            "event_bodies_organisation",
        ),
    ] {
        let explain = sqlx::AssertSqlSafe(format!("explain query plan {query}"));
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(explain).fetch_all(&pool).await.unwrap();
        let lines: Vec<_> = plan.into_iter().map(|(_, _, _, line)| line).collect();
        let plan = lines.join("\n");
        assert!(plan.contains(&format!("INDEX {index} ")), "{plan}");
    }
    pool.close().await;
}

/// Stores jobs of every kind for the endpoint `ep1`, and for others with names like it.
async fn store_events(it: &TestStore) {
    let named = |event: &str, endpoint: &str, job: &str, record: AttemptRecord| AttemptRecord {
        event_id: name(event),
        webhook_config_id: name(endpoint),
        job_id: name(job),
        ..record
    };
    let attempts = [
        named("evt-1", "ep1", "evt-1:ep1", a_record(1)),
        // Failed at first, delivered by a replay.
        named("evt-2", "ep1", "evt-2:ep1", given_up(2)),
        named("evt-2", "ep1", "evt-2:ep1:r1", a_record(3)),
        named("evt-3", "ep1", "evt-3:ep1", attempt(4, 1)),
        named("evt-5", "ep1", "evt-5:ep1", given_up(5)),
        // Other endpoints.
        named("evt-6", "ep10", "evt-6:ep10", a_record(6)),
        named("evt-6", "ep1-", "evt-6:ep1-", attempt(7, 1)),
        // The event `a:ep1` for the endpoint `x`, not the event `a` for `ep1`.
        named("a:ep1", "x", "a:ep1:x", a_record(8)),
    ];
    it.store.write(&attempts).await.unwrap();
    let waits = StateRecord {
        job_id: name("evt-4:ep1:r2"),
        ..state_of_job(4, a_parking(9))
    };
    it.store.write_states(&[waits]).await.unwrap();
}

/// An attempt that is followed by another.
fn attempt(n: u32, attempt: u32) -> AttemptRecord {
    AttemptRecord {
        attempt,
        trigger: if attempt == 1 {
            Trigger::Auto
        } else {
            Trigger::Retry
        },
        ..a_failure(n)
    }
}

fn given_up(n: u32) -> AttemptRecord {
    AttemptRecord {
        next_attempt_at: None,
        ..attempt(n, 1)
    }
}

fn parked(n: u32, attempt: u32) -> StateRecord {
    StateRecord {
        attempt,
        ..a_parking(n)
    }
}

fn dead(n: u32, attempt: u32) -> StateRecord {
    StateRecord {
        attempt,
        ..a_death(n)
    }
}

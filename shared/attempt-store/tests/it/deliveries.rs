//! Listing jobs.

use attempt_store::{Cursor, Delivery, DeliveryFilter};
use domain::{
    attempt::{AttemptRecord, Trigger},
    job_state::{DeliveryState, StateRecord},
    name::JobId,
    outcome::ErrorKind,
    time::Timestamp,
};

use crate::{
    build::{a_death, a_failure, a_parking, a_record, name, of_job, state_of_job},
    stores::{TestStore, both},
};

#[tokio::test]
async fn a_job_is_one_row_with_what_became_of_it() {
    for it in both("one_row").await {
        let parked = a_parking(1);
        let attempts = [first_failure(2), retry(3, 2), retry(4, 3)];
        let given_up = StateRecord {
            attempt: 3,
            trigger: Trigger::Retry,
            reason: Some("exhausted".to_owned()),
            ..a_death(5)
        };
        it.store.write(&attempts).await.unwrap();
        it.store
            .write_states(&[parked.clone(), given_up])
            .await
            .unwrap();

        let found = all(&it, &everything(), 10).await;

        let expected = Delivery {
            job_id: name("evt-1:ep1"),
            organisation: name("acme"),
            endpoint: name("ep1"),
            event_id: name("evt-1"),
            event_category: Some("challenge".to_owned()),
            event_name: name("challenge-completion"),
            state: DeliveryState::Failed,
            reason: Some("exhausted".to_owned()),
            attempts: 3,
            last_attempt: Some(3),
            last_attempt_at: Some(attempts[2].created_at),
            next_attempt_at: None,
            response_status: Some(500),
            error_kind: Some(ErrorKind::Status),
            error_message: Some("HTTP 500: Internal Server Error".to_owned()),
            created_at: parked.created_at,
        };
        assert_eq!(found, [expected], "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_test_is_no_delivery() {
    for it in both("no_test").await {
        let test = AttemptRecord {
            trigger: Trigger::Test,
            ..first_failure(2)
        };
        it.store.write(&[test]).await.unwrap();

        assert_eq!(all(&it, &everything(), 10).await, [], "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_delivered_job_shows_its_success_whatever_came_after() {
    for it in both("success_shown").await {
        let by_hand = AttemptRecord {
            attempt: 2,
            trigger: Trigger::Manual,
            next_attempt_at: None,
            ..a_failure(2)
        };
        it.store
            .write(&[a_record(1), by_hand.clone()])
            .await
            .unwrap();

        let found = all(&it, &everything(), 10).await;

        assert_eq!(found[0].state, DeliveryState::Delivered, "{:?}", it.engine);
        assert_eq!(found[0].response_status, Some(200));
        assert_eq!(found[0].error_message, None);
        assert_eq!(found[0].attempts, 2);
        assert_eq!(found[0].last_attempt_at, Some(by_hand.created_at));
    }
}

#[tokio::test]
async fn a_job_that_waits_says_until_when_and_why() {
    for it in both("waits").await {
        let parked = StateRecord {
            attempt: 2,
            trigger: Trigger::Retry,
            ..a_parking(9)
        };
        it.store.write(&[first_failure(1)]).await.unwrap();
        it.store
            .write_states(std::slice::from_ref(&parked))
            .await
            .unwrap();

        let found = all(&it, &everything(), 10).await;

        assert_eq!(found[0].state, DeliveryState::Retrying, "{:?}", it.engine);
        assert_eq!(found[0].reason.as_deref(), Some("rate-limit"));
        assert_eq!(found[0].next_attempt_at, parked.next_attempt_at);
        assert_eq!(found[0].created_at, first_failure(1).created_at);
    }
}

#[tokio::test]
async fn every_combination_of_filters_finds_what_it_says() {
    let jobs: Vec<Job> = (0..60).map(job).collect();
    let whole = DeliveryFilter {
        state: None,
        endpoint: Some(name("ep1")),
        event_id: Some(name("evt-1")),
        event_name: Some(name("name.1")),
        from: Some(jobs[5].since),
        to: Some(jobs[54].since),
        ..everything()
    };
    let states = DeliveryState::ALL.into_iter().map(Some);
    for it in both("delivery_filters").await {
        store(&it, &jobs).await;
        for state in states.clone().chain([None]) {
            for subset in 0..32_u32 {
                let filter = DeliveryFilter {
                    state,
                    ..part_of(&whole, subset)
                };

                let found = all(&it, &filter, 7).await;

                let found: Vec<_> = found.iter().map(|it| it.job_id.as_str()).collect();
                let expected: Vec<_> = (jobs.iter().rev())
                    .filter(|job| job.satisfies(&filter))
                    .map(|job| job.id.as_str())
                    .collect();
                assert_eq!(found, expected, "{:?} {filter:?}", it.engine);
            }
        }
    }
}

#[tokio::test]
async fn an_attempt_repeated_after_a_crash_makes_no_second_row() {
    for it in both("repeated").await {
        // Between the two first attempts of the job lie other jobs, so that pages part them.
        let mut attempts: Vec<_> = (2..30).map(|n| of_job(n, a_record(n))).collect();
        attempts.extend([first_failure(1), first_failure(40), retry(41, 2)]);
        it.store.write(&attempts).await.unwrap();

        let found = all(&it, &everything(), 4).await;

        let jobs: Vec<_> = (found.iter())
            .map(|it| it.job_id.as_str().to_owned())
            .collect();
        let mut expected: Vec<_> = (2..30).rev().map(|n| format!("evt-{n}:ep1")).collect();
        expected.push("evt-1:ep1".to_owned());
        assert_eq!(jobs, expected, "{:?}", it.engine);
        assert_eq!(found[28].attempts, 3, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn jobs_begun_within_one_millisecond_are_met_once_each() {
    for it in both("one_instant").await {
        let instant = a_record(0).created_at;
        let attempts: Vec<_> = (0..25)
            .map(|n| AttemptRecord {
                created_at: instant,
                ..of_job(n, a_record(n))
            })
            .collect();
        let states: Vec<_> = (25..50)
            .map(|n| StateRecord {
                created_at: instant,
                ..state_of_job(n, a_parking(n))
            })
            .collect();
        it.store.write(&attempts).await.unwrap();
        it.store.write_states(&states).await.unwrap();

        let found = all(&it, &everything(), 3).await;

        assert_eq!(found.len(), 50, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_job_parked_for_days_before_its_first_attempt_is_one_row() {
    for it in both("parked_for_days").await {
        let parked = a_parking(1);
        let days = 10 * 24 * 60 * 60 * 1_000;
        let attempt = AttemptRecord {
            created_at: Timestamp::from_millis(parked.created_at.millis() + days),
            ..a_record(2)
        };
        it.store.write(&[attempt]).await.unwrap();
        it.store
            .write_states(std::slice::from_ref(&parked))
            .await
            .unwrap();

        let found = all(&it, &everything(), 1).await;

        assert_eq!(found.len(), 1, "{:?}", it.engine);
        assert_eq!(found[0].state, DeliveryState::Delivered);
        assert_eq!(found[0].created_at, parked.created_at);
    }
}

#[tokio::test]
async fn what_is_rare_is_found_behind_a_page_that_ends_short() {
    for it in both("rare").await {
        let waits = of_job(0, first_failure(0));
        let mut attempts: Vec<_> = (1..5_200)
            .map(|n| AttemptRecord {
                attempt: 1,
                next_attempt_at: None,
                ..of_job(n, a_failure(n))
            })
            .collect();
        attempts.push(waits.clone());
        it.store.write(&attempts).await.unwrap();
        let filter = DeliveryFilter {
            state: Some(DeliveryState::Retrying),
            ..everything()
        };

        let first = it.store.deliveries(&filter, 10, None).await.unwrap();
        let second = it
            .store
            .deliveries(&filter, 10, first.next_cursor.as_ref())
            .await
            .unwrap();

        assert_eq!(first.deliveries, [], "{:?}", it.engine);
        assert_eq!(second.deliveries.len(), 1, "{:?}", it.engine);
        assert_eq!(second.deliveries[0].job_id, waits.job_id);
        assert_eq!(second.next_cursor, None, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn many_retries_do_not_hide_the_jobs_before_them() {
    for it in both("many_retries").await {
        let mut attempts = vec![of_job(2, a_record(1)), first_failure(2)];
        attempts.extend((3..2_000).map(|n| retry(n, n - 1)));
        it.store.write(&attempts).await.unwrap();

        let found = all(&it, &everything(), 10).await;

        let jobs: Vec<_> = found.iter().map(|it| it.job_id.as_str()).collect();
        assert_eq!(jobs, ["evt-1:ep1", "evt-2:ep1"], "{:?}", it.engine);
        assert_eq!(found[0].last_attempt, Some(1_998), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn deliveries_of_another_organisation_are_not_shown() {
    for it in both("foreign_deliveries").await {
        it.store.write(&[a_record(1)]).await.unwrap();
        it.store
            .write_states(&[state_of_job(2, a_parking(2))])
            .await
            .unwrap();

        let found = all(&it, &DeliveryFilter::all(name("other")), 10).await;

        assert_eq!(found, [], "{:?}", it.engine);
    }
}

/// A job, its records, and what is expected of it.
struct Job {
    id: JobId,
    attempts: Vec<AttemptRecord>,
    states: Vec<StateRecord>,
    state: DeliveryState,
    since: Timestamp,
    n: u32,
}

impl Job {
    fn satisfies(&self, filter: &DeliveryFilter) -> bool {
        filter.state.is_none_or(|state| state == self.state)
            && filter
                .endpoint
                .as_ref()
                .is_none_or(|it| *it == name(&endpoint(self.n)))
            && filter
                .event_id
                .as_ref()
                .is_none_or(|it| *it == name(&event(self.n)))
            && filter
                .event_name
                .as_ref()
                .is_none_or(|it| *it == name(&event_name(self.n)))
            && filter.from.is_none_or(|from| from <= self.since)
            && filter.to.is_none_or(|to| self.since <= to)
    }
}

/// Makes a job in which each property has its own rhythm, so that filters overlap in all ways.
fn job(n: u32) -> Job {
    let at = n * 10;
    let (attempts, states, state) = match n % 7 {
        0 => (vec![a_record(at)], vec![], DeliveryState::Delivered),
        1 => (vec![], vec![a_parking(at)], DeliveryState::Pending),
        2 => (vec![first_failure(at)], vec![], DeliveryState::Retrying),
        3 => (vec![], vec![a_death(at)], DeliveryState::Failed),
        4 => (
            vec![first_failure(at), success(at + 1, 2)],
            vec![],
            DeliveryState::Delivered,
        ),
        5 => (
            vec![first_failure(at + 1), retry(at + 2, 2)],
            vec![a_parking(at), state(a_death(at + 3), 2)],
            DeliveryState::Failed,
        ),
        _ => (
            vec![first_failure(at + 1)],
            vec![a_parking(at), state(a_parking(at + 2), 2)],
            DeliveryState::Retrying,
        ),
    };
    let id: JobId = name(&format!("{}:{}:r{n}", event(n), endpoint(n)));
    let attempts = attempts.into_iter().map(|record| AttemptRecord {
        job_id: id.clone(),
        event_id: name(&event(n)),
        webhook_config_id: name(&endpoint(n)),
        event_sub_category: name(&event_name(n)),
        ..record
    });
    let states = states.into_iter().map(|record| StateRecord {
        job_id: id.clone(),
        event_id: name(&event(n)),
        webhook_config_id: name(&endpoint(n)),
        event_sub_category: name(&event_name(n)),
        ..record
    });
    Job {
        attempts: attempts.collect(),
        states: states.collect(),
        state,
        since: a_record(at).created_at,
        n,
        id,
    }
}

fn endpoint(n: u32) -> String {
    format!("ep{}", n / 2 % 2)
}

fn event(n: u32) -> String {
    format!("evt-{}", n / 3 % 2)
}

fn event_name(n: u32) -> String {
    format!("name.{}", n / 5 % 2)
}

async fn store(it: &TestStore, jobs: &[Job]) {
    let attempts: Vec<_> = jobs.iter().flat_map(|job| job.attempts.clone()).collect();
    let states: Vec<_> = jobs.iter().flat_map(|job| job.states.clone()).collect();
    it.store.write(&attempts).await.unwrap();
    it.store.write_states(&states).await.unwrap();
}

fn everything() -> DeliveryFilter {
    DeliveryFilter::all(name("acme"))
}

/// Returns the filter with only those fields whose bit is set.
fn part_of(whole: &DeliveryFilter, subset: u32) -> DeliveryFilter {
    let has = |bit: u32| subset & (1 << bit) != 0;
    DeliveryFilter {
        organisation: whole.organisation.clone(),
        state: None,
        endpoint: whole.endpoint.clone().filter(|_| has(0)),
        event_id: whole.event_id.clone().filter(|_| has(1)),
        event_name: whole.event_name.clone().filter(|_| has(2)),
        from: whole.from.filter(|_| has(3)),
        to: whole.to.filter(|_| has(4)),
    }
}

/// A first attempt that failed and is followed by a retry.
fn first_failure(n: u32) -> AttemptRecord {
    AttemptRecord {
        attempt: 1,
        trigger: Trigger::Auto,
        ..a_failure(n)
    }
}

fn retry(n: u32, attempt: u32) -> AttemptRecord {
    AttemptRecord {
        attempt,
        ..a_failure(n)
    }
}

fn success(n: u32, attempt: u32) -> AttemptRecord {
    AttemptRecord {
        attempt,
        trigger: Trigger::Retry,
        ..a_record(n)
    }
}

fn state(record: StateRecord, attempt: u32) -> StateRecord {
    StateRecord {
        attempt,
        trigger: Trigger::Retry,
        ..record
    }
}

/// Reads all pages.
async fn all(it: &TestStore, filter: &DeliveryFilter, limit: u32) -> Vec<Delivery> {
    let mut all = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = it
            .store
            .deliveries(filter, limit, after.as_ref())
            .await
            .unwrap();
        assert!(page.deliveries.len() <= usize::try_from(limit).unwrap());
        all.extend(page.deliveries);
        after = page.next_cursor;
        if after.is_none() {
            return all;
        }
    }
}

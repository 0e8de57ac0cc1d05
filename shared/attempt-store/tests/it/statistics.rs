//! Figures about one endpoint, and about an organisation.

use attempt_store::{LastTimes, Waiting};
use domain::{
    attempt::{AttemptRecord, Trigger},
    name::{EndpointId, OrganisationId},
    statistics::{Durations, Window},
    time::Timestamp,
};

use crate::{
    build::{a_death, a_failure, a_parking, a_record, at, name, of_job, state_of_job},
    stores::both,
};

#[tokio::test]
async fn every_attempt_of_the_endpoint_in_the_window_is_counted() {
    for it in both("figures").await {
        let mut records: Vec<_> = (0..100).map(|n| at_minute(n, n * 10)).collect();
        for failed in records.iter_mut().step_by(10) {
            failed.success = false;
        }
        records.push(AttemptRecord {
            webhook_config_id: name("ep2"),
            ..at_minute(200, 5)
        });
        records.push(AttemptRecord {
            organisation_id: name("other"),
            ..at_minute(201, 5)
        });
        records.push(AttemptRecord {
            trigger: Trigger::Test,
            ..at_minute(202, 5)
        });
        records.push(at_minute(203, 24 * 60));
        it.store.write(&records).await.unwrap();

        let figures = it.store.figures(&acme(), &ep1(), day()).await.unwrap();

        assert_eq!(
            (figures.succeeded, figures.failed),
            (90, 10),
            "{:?}",
            it.engine
        );
        assert!(figures.is_exact, "{:?}", it.engine);
        let durations = Durations {
            p50: 49,
            p95: 94,
            p99: 98,
        };
        assert_eq!(figures.durations, Some(durations), "{:?}", it.engine);
        assert_eq!(figures.points.len(), 24, "{:?}", it.engine);
        let hourly: Vec<_> = (figures.points.iter())
            .map(|point| (point.succeeded, point.failed))
            .collect();
        // Six an hour, of which each tenth fails; the last comes at minute 990.
        assert_eq!(hourly[..5], [(5, 1), (5, 1), (6, 0), (5, 1), (6, 0)]);
        assert_eq!(hourly[16], (4, 0), "{:?}", it.engine);
        assert_eq!(hourly[17..], [(0, 0); 7], "{:?}", it.engine);
    }
}

#[tokio::test]
async fn an_endpoint_without_attempts_has_figures_too() {
    for it in both("no_figures").await {
        let figures = it.store.figures(&acme(), &ep1(), day()).await.unwrap();
        let last = it.store.last_times(&acme(), &ep1()).await.unwrap();
        let waiting = it.store.waiting(&acme(), &ep1()).await.unwrap();

        assert_eq!((figures.attempts(), figures.durations), (0, None));
        assert!(figures.is_exact);
        assert_eq!(last, LastTimes::default());
        let none = Waiting {
            jobs: 0,
            is_exact: true,
        };
        assert_eq!(waiting, none);
    }
}

#[tokio::test]
async fn a_flood_is_estimated_from_samples() {
    const FLOOD: u32 = 40_000;
    for it in both("flood").await {
        // Evenly over two hours, each fourth a failure.
        let records: Vec<_> = (0..FLOOD)
            .map(|n| AttemptRecord {
                created_at: Timestamp::from_millis(begin().millis() + i64::from(n) * 180),
                success: n % 4 != 0,
                duration_ms: n % 100,
                ..a_record(n)
            })
            .collect();
        it.store.write(&records).await.unwrap();

        let figures = it.store.figures(&acme(), &ep1(), day()).await.unwrap();

        assert!(!figures.is_exact, "{:?}", it.engine);
        let near = |found: u64, expected: u64| found.abs_diff(expected) <= expected / 50;
        assert!(
            near(figures.succeeded, 30_000),
            "{:?} {figures:?}",
            it.engine
        );
        assert!(near(figures.failed, 10_000), "{:?} {figures:?}", it.engine);
        let durations = figures.durations.unwrap();
        assert!((48..=51).contains(&durations.p50), "{durations:?}");
        assert!((94..=96).contains(&durations.p95), "{durations:?}");
        assert!(figures.points[2..].iter().all(|point| point.succeeded == 0));
    }
}

#[tokio::test]
async fn the_last_success_is_found_behind_many_failures() {
    for it in both("last_times").await {
        let records: Vec<_> = std::iter::once(a_record(1))
            .chain((2..1_500).map(a_failure))
            .collect();
        it.store.write(&records).await.unwrap();

        let last = it.store.last_times(&acme(), &ep1()).await.unwrap();

        let expected = LastTimes {
            attempt: Some(a_failure(1_499).created_at),
            success: Some(a_record(1).created_at),
        };
        assert_eq!(last, expected, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn jobs_that_wait_are_counted_and_others_are_not() {
    for it in both("waiting_jobs").await {
        let first = |n: u32| AttemptRecord {
            attempt: 1,
            trigger: Trigger::Auto,
            ..a_failure(n)
        };
        // One delivered, one failed for good, two between attempts of which one has been parked since, one parked.
        it.store
            .write(&[
                of_job(1, a_record(1)),
                of_job(2, first(2)),
                of_job(3, first(3)),
                of_job(4, first(4)),
            ])
            .await
            .unwrap();
        let parked_since = domain::job_state::StateRecord {
            attempt: 2,
            ..a_parking(9)
        };
        it.store
            .write_states(&[
                state_of_job(2, a_death(8)),
                state_of_job(4, parked_since),
                state_of_job(5, a_parking(10)),
            ])
            .await
            .unwrap();

        let waiting = it.store.waiting(&acme(), &ep1()).await.unwrap();

        let three = Waiting {
            jobs: 3,
            is_exact: true,
        };
        assert_eq!(waiting, three, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn an_organisation_has_figures_over_all_its_endpoints() {
    for it in both("overall").await {
        let of = |n: u32, endpoint: &str, success: bool| AttemptRecord {
            webhook_config_id: name(endpoint),
            success,
            ..at_minute(n, n)
        };
        let mut records: Vec<_> = (1..=4).map(|n| of(n, "ep1", n > 3)).collect();
        records.extend((5..=9).map(|n| of(n, "ep2", n > 5)));
        records.push(AttemptRecord {
            trigger: Trigger::Test,
            ..of(10, "ep3", false)
        });
        records.push(AttemptRecord {
            organisation_id: name("other"),
            ..of(11, "ep4", false)
        });
        it.store.write(&records).await.unwrap();

        let figures = it.store.figures(&acme(), None, day()).await.unwrap();
        let failing = async |since: Timestamp, limit: u32| {
            let failing = it.store.failing(&acme(), since, limit).await.unwrap();
            let told = failing.into_iter();
            told.map(|one| (one.endpoint.to_string(), one.failures))
                .collect::<Vec<_>>()
        };

        let engine = it.engine;
        assert_eq!((figures.succeeded, figures.failed), (5, 4), "{engine:?}");
        let (ep1, ep2) = (("ep1".to_owned(), 3), ("ep2".to_owned(), 1));
        assert_eq!(
            failing(begin(), 5).await,
            [ep1.clone(), ep2.clone()],
            "{engine:?}"
        );
        assert_eq!(failing(begin(), 1).await, [ep1], "{engine:?}");
        let later = Timestamp::from_millis(begin().millis() + 4 * 60_000);
        assert_eq!(failing(later, 5).await, [ep2], "{engine:?}");
    }
}

fn acme() -> OrganisationId {
    name("acme")
}

fn ep1() -> EndpointId {
    name("ep1")
}

fn begin() -> Timestamp {
    at("2026-03-14T00:00:00Z")
}

fn day() -> Window {
    Window::try_new(begin(), at("2026-03-15T00:00:00Z")).unwrap()
}

/// An attempt that took `n` milliseconds and began in that minute of the day.
fn at_minute(n: u32, minute: u32) -> AttemptRecord {
    AttemptRecord {
        created_at: Timestamp::from_millis(begin().millis() + i64::from(minute) * 60_000),
        duration_ms: n,
        ..a_record(n)
    }
}

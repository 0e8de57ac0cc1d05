//! Storing what became of jobs besides attempts.

use std::time::Duration;

use attempt_store::{DeliveryFilter, Happening, Refusal};
use domain::{
    job_state::{DeliveryState, JobState, StateRecord},
    time::Timestamp,
};

use crate::{
    build::{a_death, a_parking, a_record, name, now, state_of_job},
    stores::{TestStore, both, open, postgres},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_record_written_twice_is_stored_once() {
    for it in both("states_twice").await {
        let first = it.store.write_states(&[a_parking(1)]).await.unwrap();
        let again = it
            .store
            .write_states(&[a_parking(1), a_death(2)])
            .await
            .unwrap();

        assert_eq!((first.stored, first.known), (1, 0), "{:?}", it.engine);
        assert_eq!((again.stored, again.known), (1, 1), "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_record_comes_back_as_it_was_written() {
    for it in both("states_back").await {
        let written = StateRecord {
            reason: Some("nul \0 and 🦀".to_owned()),
            event_category: None,
            attempt: 7,
            ..a_parking(1)
        };
        it.store
            .write_states(std::slice::from_ref(&written))
            .await
            .unwrap();

        let found = it
            .store
            .delivery(&name("acme"), &written.job_id)
            .await
            .unwrap()
            .unwrap();

        let [entry] = &found.timeline[..] else {
            panic!("{:?}: {found:?}", it.engine);
        };
        let happening = Happening::Became {
            state: JobState::Parked,
            reason: Some("nul \u{fffd} and 🦀".to_owned()),
        };
        assert_eq!(entry.happening, happening, "{:?}", it.engine);
        assert_eq!(entry.id, written.id);
        assert_eq!(entry.attempt, 7);
        assert_eq!(entry.created_at, written.created_at);
        assert_eq!(entry.next_attempt_at, written.next_attempt_at);
        assert_eq!(found.delivery.event_category, None);
        assert_eq!(found.delivery.endpoint, written.webhook_config_id);
    }
}

#[tokio::test]
async fn a_record_without_a_usable_id_is_refused_alone() {
    for it in both("states_refused").await {
        let nameless = StateRecord {
            id: String::new(),
            ..a_parking(1)
        };

        let written = it
            .store
            .write_states(&[nameless, a_death(2)])
            .await
            .unwrap();

        assert_eq!(written.stored, 1, "{:?}", it.engine);
        assert_eq!(written.refused[0].position, 0, "{:?}", it.engine);
        assert!(matches!(written.refused[0].reason, Refusal::Id));
    }
}

#[tokio::test]
async fn many_records_are_stored_in_one_call() {
    let records: Vec<_> = (0..5_500).map(|n| state_of_job(n, a_parking(n))).collect();
    for it in both("many_states").await {
        let written = it.store.write_states(&records).await.unwrap();

        assert_eq!(
            (written.stored, written.known),
            (5_500, 0),
            "{:?}",
            it.engine
        );
    }
}

#[tokio::test]
async fn states_expire_as_attempts_do() {
    let records: Vec<_> = (0..40).map(|age| aged(age, age)).collect();
    for it in both("expired_states").await {
        it.store.write_states(&records).await.unwrap();

        let dropped = it.store.drop_expired(now(), DAY * 30).await.unwrap();
        let again = it.store.drop_expired(now(), DAY * 30).await.unwrap();

        assert_eq!((dropped, again), (9, 0), "{:?}", it.engine);
        assert_eq!(parked(&it).await, 31, "{:?}", it.engine);
    }
}

#[tokio::test]
async fn a_partition_dropped_by_another_process_is_made_again() {
    let it = postgres("states_dropped_elsewhere").await;
    let other = open(&it.url).await;
    it.store.write_states(&[aged(1, 40)]).await.unwrap();
    other.drop_expired(now(), Duration::ZERO).await.unwrap();

    let written = it.store.write_states(&[aged(2, 40)]).await.unwrap();

    assert_eq!(written.stored, 1);
    assert_eq!(parked(&it).await, 1);
}

#[tokio::test]
async fn attempts_and_states_expire_apart() {
    for it in both("expire_apart").await {
        let mut old = a_record(1);
        old.created_at = aged(1, 40).created_at;
        it.store.write(&[old]).await.unwrap();
        it.store.write_states(&[aged(2, 1)]).await.unwrap();

        let dropped = it.store.drop_expired(now(), DAY * 30).await.unwrap();

        assert_eq!(dropped, 1, "{:?}", it.engine);
        assert_eq!(parked(&it).await, 1, "{:?}", it.engine);
        assert_eq!(it.ids().await.len(), 0, "{:?}", it.engine);
    }
}

fn aged(n: u32, days: u32) -> StateRecord {
    let age = i64::try_from((DAY * days).as_millis()).unwrap();
    StateRecord {
        created_at: Timestamp::from_millis(now().millis() - age),
        ..state_of_job(n, a_parking(n))
    }
}

/// Returns how many jobs wait for their first attempt.
async fn parked(it: &TestStore) -> usize {
    let filter = DeliveryFilter {
        state: Some(DeliveryState::Pending),
        ..DeliveryFilter::all(name("acme"))
    };
    let page = it.store.deliveries(&filter, 100, None).await.unwrap();
    page.deliveries.len()
}

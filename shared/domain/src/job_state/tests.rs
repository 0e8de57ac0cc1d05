use proptest::prelude::*;

use super::{DeliveryState, JobState, StateRecord, Step, StepEvent, standing};
use crate::{attempt::Trigger, time::Timestamp};

const GOLDEN: &str = "{\"id\":\"019a\",\"organisationId\":\"acme\",\"webhookConfigId\":\"ep_1\",\
    \"jobId\":\"evt-1:ep_1\",\"eventId\":\"evt-1\",\"eventCategory\":\"c\",\"eventSubCategory\":\"a.b\",\
    \"bodyHash\":\"e3b0c44298fc1c149afbf4c8996fb924\",\"attempt\":2,\"trigger\":\"retry\",\
    \"state\":\"parked\",\"reason\":\"rate-limit\",\"nextAttemptAt\":\"2026-03-14T10:21:50.102Z\",\
    \"createdAt\":\"2026-03-14T10:21:45.102Z\"}";

#[test]
fn the_form_of_a_record_is_pinned() {
    let record: StateRecord = serde_json::from_str(GOLDEN).unwrap();

    assert_eq!(serde_json::to_string(&record).unwrap(), GOLDEN);
    assert_eq!(record.state, JobState::Parked);
}

#[test]
fn what_is_not_known_of_a_record_is_left_out() {
    let dead = GOLDEN
        .replace("\"eventCategory\":\"c\",", "")
        .replace("\"reason\":\"rate-limit\",", "")
        .replace("\"nextAttemptAt\":\"2026-03-14T10:21:50.102Z\",", "")
        .replace("parked", "dead");

    let record: StateRecord = serde_json::from_str(&dead).unwrap();

    assert_eq!(serde_json::to_string(&record).unwrap(), dead);
    assert_eq!(record.state, JobState::Dead);
}

#[test]
fn names_lead_back_to_states() {
    for name in ["parked", "dead"] {
        let state = JobState::from_name(name).unwrap();
        assert_eq!(state.as_str(), name);
        assert_eq!(serde_json::to_value(state).unwrap(), name);
    }
    for name in ["pending", "retrying", "delivered", "failed"] {
        let state = DeliveryState::from_name(name).unwrap();
        assert_eq!(state.as_str(), name);
        assert_eq!(serde_json::to_value(state).unwrap(), name);
    }
    assert_eq!(JobState::from_name("failed"), None);
    assert_eq!(DeliveryState::from_name("dead"), None);
}

#[test]
fn a_job_stands_where_its_steps_left_it() {
    use DeliveryState::{Delivered, Failed, Pending, Retrying};
    use Trigger::{Auto, Manual, Replay, Retry, Test};
    let table: &[(&str, &[Step], DeliveryState, Option<i64>)] = &[
        ("nothing is known", &[], Pending, None),
        ("parked first", &[parked(1, Auto, 1, 9)], Pending, Some(9)),
        (
            "parked twice",
            &[parked(1, Auto, 1, 9), parked(1, Auto, 9, 20)],
            Pending,
            Some(20),
        ),
        (
            "given up before any attempt",
            &[dead(1, Auto, 1)],
            Failed,
            None,
        ),
        (
            "parked, then given up",
            &[parked(1, Auto, 1, 9), dead(1, Auto, 9)],
            Failed,
            None,
        ),
        ("delivered at once", &[success(1, Auto, 1)], Delivered, None),
        (
            "parked, then delivered",
            &[parked(1, Auto, 1, 9), success(1, Auto, 9)],
            Delivered,
            None,
        ),
        ("failed once", &[failed(1, Auto, 1, 6)], Retrying, Some(6)),
        (
            "parked before the retry",
            &[failed(1, Auto, 1, 6), parked(2, Retry, 6, 30)],
            Retrying,
            Some(30),
        ),
        (
            "failed again after parking",
            &[
                failed(1, Auto, 1, 6),
                parked(2, Retry, 6, 30),
                failed(2, Retry, 30, 35),
            ],
            Retrying,
            Some(35),
        ),
        (
            "retries used up",
            &[failed(1, Auto, 1, 6), last(2, Retry, 6), dead(2, Retry, 7)],
            Failed,
            None,
        ),
        (
            "not retried, its dead letter still to come",
            &[last(1, Auto, 1)],
            Failed,
            None,
        ),
        (
            "endpoint disabled while the retry waited",
            &[failed(1, Auto, 1, 6), dead(2, Retry, 6)],
            Failed,
            None,
        ),
        (
            "an attempt repeated after a crash",
            &[failed(1, Auto, 1, 6), failed(1, Auto, 4, 9)],
            Retrying,
            Some(9),
        ),
        (
            "given up by one chain, delivered by another",
            &[success(3, Retry, 5), dead(4, Retry, 90)],
            Delivered,
            None,
        ),
        (
            "given up, then delivered by hand",
            &[last(1, Auto, 1), dead(1, Auto, 2), success(2, Manual, 50)],
            Delivered,
            None,
        ),
        (
            "given up, then failed by hand",
            &[last(1, Auto, 1), dead(1, Auto, 2), last(2, Manual, 50)],
            Failed,
            None,
        ),
        (
            "given up, then given up by hand",
            &[
                last(1, Auto, 1),
                dead(1, Auto, 2),
                last(2, Manual, 50),
                dead(2, Manual, 51),
            ],
            Failed,
            None,
        ),
        (
            "a hand's failure while the chain goes on",
            &[failed(1, Auto, 1, 300), last(2, Manual, 50)],
            Retrying,
            Some(300),
        ),
        (
            "a hand's dead letter while the chain goes on",
            &[
                failed(1, Auto, 1, 300),
                last(2, Manual, 50),
                dead(2, Manual, 51),
            ],
            Retrying,
            Some(300),
        ),
        (
            "a hand's attempt is parked while the chain goes on",
            &[failed(1, Auto, 1, 300), parked(2, Manual, 50, 60)],
            Retrying,
            Some(60),
        ),
        (
            "a hand's attempt of a dead job is parked",
            &[
                last(1, Auto, 1),
                dead(1, Auto, 2),
                parked(2, Manual, 50, 60),
            ],
            Retrying,
            Some(60),
        ),
        (
            "a hand's parked attempt has failed",
            &[
                dead(1, Auto, 2),
                parked(2, Manual, 50, 60),
                last(2, Manual, 60),
            ],
            Failed,
            None,
        ),
        (
            "the policy started anew by hand",
            &[
                dead(1, Auto, 2),
                parked(2, Manual, 50, 60),
                failed(2, Manual, 60, 65),
            ],
            Retrying,
            Some(65),
        ),
        (
            "the policy started anew by hand has run out",
            &[
                dead(1, Auto, 2),
                failed(2, Manual, 60, 65),
                last(3, Retry, 65),
                dead(3, Retry, 66),
            ],
            Failed,
            None,
        ),
        ("a test that failed", &[last(1, Test, 1)], Failed, None),
        (
            "a test that succeeded",
            &[success(1, Test, 1)],
            Delivered,
            None,
        ),
        (
            "a replay that waits",
            &[failed(1, Replay, 1, 6)],
            Retrying,
            Some(6),
        ),
        (
            "within one millisecond",
            &[dead(1, Auto, 1), last(1, Auto, 1), parked(1, Auto, 1, 9)],
            Failed,
            None,
        ),
    ];
    for (case, steps, state, next) in table {
        let found = standing(steps);
        assert_eq!(found.state, *state, "{case}");
        let next = next.map(Timestamp::from_millis);
        assert_eq!(found.next_attempt_at, next, "{case}");
    }
}

#[test]
fn the_deciding_step_is_named() {
    let gone = [dead(1, Trigger::Auto, 2), last(1, Trigger::Auto, 1)];
    let parked = [
        failed(1, Trigger::Auto, 1, 6),
        parked(2, Trigger::Retry, 6, 9),
    ];

    assert_eq!(standing(&gone).decided_by, Some(0));
    assert_eq!(standing(&parked).decided_by, Some(1));
    assert_eq!(standing(&[]).decided_by, None);
}

proptest! {
    #[test]
    fn the_order_of_steps_does_not_matter(
        (steps, shuffled) in steps().prop_flat_map(|steps| (Just(steps.clone()), Just(steps).prop_shuffle()))
    ) {
        let (one, other) = (standing(&steps), standing(&shuffled));

        prop_assert_eq!(one.state, other.state);
        prop_assert_eq!(one.next_attempt_at, other.next_attempt_at);
    }

    #[test]
    fn delivered_is_final_and_needs_a_success(steps in steps()) {
        let succeeded = steps.iter().any(|step| step.event == StepEvent::Succeeded);

        prop_assert_eq!(standing(&steps).state == DeliveryState::Delivered, succeeded);
    }

    #[test]
    fn only_a_job_that_waits_has_a_next_attempt(steps in steps()) {
        let found = standing(&steps);

        let waits = matches!(found.state, DeliveryState::Pending | DeliveryState::Retrying);
        prop_assert!(waits || found.next_attempt_at.is_none());
        prop_assert!(found.decided_by.is_some() || steps.is_empty());
    }
}

/// Steps at times of their own: what happened at one instant has no order to keep.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let trigger = prop::sample::select(vec![
        Trigger::Auto,
        Trigger::Retry,
        Trigger::Manual,
        Trigger::Test,
        Trigger::Replay,
    ]);
    let due = prop::option::of((0..500_i64).prop_map(Timestamp::from_millis));
    let event = prop_oneof![
        1 => Just(StepEvent::Succeeded),
        4 => due.clone().prop_map(|next| StepEvent::Failed { next }),
        4 => due.prop_map(|until| StepEvent::Parked { until }),
        2 => Just(StepEvent::Dead),
    ];
    prop::collection::vec((1..6_u32, trigger, event), 0..12).prop_map(|steps| {
        (0..)
            .zip(steps)
            .map(|(at, (attempt, trigger, event))| step(attempt, trigger, at, event))
            .collect()
    })
}

fn step(attempt: u32, trigger: Trigger, at: i64, event: StepEvent) -> Step {
    Step {
        attempt,
        trigger,
        at: Timestamp::from_millis(at),
        event,
    }
}

fn success(attempt: u32, trigger: Trigger, at: i64) -> Step {
    step(attempt, trigger, at, StepEvent::Succeeded)
}

fn failed(attempt: u32, trigger: Trigger, at: i64, next: i64) -> Step {
    let next = Some(Timestamp::from_millis(next));
    step(attempt, trigger, at, StepEvent::Failed { next })
}

fn last(attempt: u32, trigger: Trigger, at: i64) -> Step {
    step(attempt, trigger, at, StepEvent::Failed { next: None })
}

fn parked(attempt: u32, trigger: Trigger, at: i64, until: i64) -> Step {
    let until = Some(Timestamp::from_millis(until));
    step(attempt, trigger, at, StepEvent::Parked { until })
}

fn dead(attempt: u32, trigger: Trigger, at: i64) -> Step {
    step(attempt, trigger, at, StepEvent::Dead)
}

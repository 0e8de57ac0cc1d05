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

/// What happened, one step after the other, and where it left the job. A step is the attempt's trigger and
/// number, what became of it, when, and until when the job waits.
const TABLE: &[(&str, &str, &str)] = &[
    ("nothing is known", "", "pending"),
    (
        "parked first",
        "auto 1 parked @1 until 9",
        "pending until 9",
    ),
    (
        "parked twice",
        "auto 1 parked @1 until 9, auto 1 parked @9 until 20",
        "pending until 20",
    ),
    ("given up before any attempt", "auto 1 dead @1", "failed"),
    (
        "parked, then given up",
        "auto 1 parked @1 until 9, auto 1 dead @9",
        "failed",
    ),
    ("delivered at once", "auto 1 delivered @1", "delivered"),
    (
        "parked, then delivered",
        "auto 1 parked @1 until 9, auto 1 delivered @9",
        "delivered",
    ),
    (
        "failed once",
        "auto 1 failed @1 until 6",
        "retrying until 6",
    ),
    (
        "parked before the retry",
        "auto 1 failed @1 until 6, retry 2 parked @6 until 30",
        "retrying until 30",
    ),
    (
        "failed again after parking",
        "auto 1 failed @1 until 6, retry 2 parked @6 until 30, retry 2 failed @30 until 35",
        "retrying until 35",
    ),
    (
        "retries used up",
        "auto 1 failed @1 until 6, retry 2 failed @6, retry 2 dead @7",
        "failed",
    ),
    (
        "not retried, its dead letter still to come",
        "auto 1 failed @1",
        "failed",
    ),
    (
        "endpoint disabled while the retry waited",
        "auto 1 failed @1 until 6, retry 2 dead @6",
        "failed",
    ),
    (
        "an attempt repeated after a crash",
        "auto 1 failed @1 until 6, auto 1 failed @4 until 9",
        "retrying until 9",
    ),
    (
        "given up by one chain, delivered by another",
        "retry 3 delivered @5, retry 4 dead @90",
        "delivered",
    ),
    (
        "given up, then delivered by hand",
        "auto 1 failed @1, auto 1 dead @2, manual 2 delivered @50",
        "delivered",
    ),
    (
        "given up, then failed by hand",
        "auto 1 failed @1, auto 1 dead @2, manual 2 failed @50",
        "failed",
    ),
    (
        "given up, then given up by hand",
        "auto 1 failed @1, auto 1 dead @2, manual 2 failed @50, manual 2 dead @51",
        "failed",
    ),
    (
        "a hand's failure while the chain goes on",
        "auto 1 failed @1 until 300, manual 2 failed @50",
        "retrying until 300",
    ),
    (
        "a hand's dead letter while the chain goes on",
        "auto 1 failed @1 until 300, manual 2 failed @50, manual 2 dead @51",
        "retrying until 300",
    ),
    (
        "a hand's attempt is parked while the chain goes on",
        "auto 1 failed @1 until 300, manual 2 parked @50 until 60",
        "retrying until 60",
    ),
    (
        "a hand's attempt of a dead job is parked",
        "auto 1 failed @1, auto 1 dead @2, manual 2 parked @50 until 60",
        "retrying until 60",
    ),
    (
        "a hand's parked attempt has failed",
        "auto 1 dead @2, manual 2 parked @50 until 60, manual 2 failed @60",
        "failed",
    ),
    (
        "the policy started anew by hand",
        "auto 1 dead @2, manual 2 parked @50 until 60, manual 2 failed @60 until 65",
        "retrying until 65",
    ),
    (
        "the policy started anew by hand has run out",
        "auto 1 dead @2, manual 2 failed @60 until 65, retry 3 failed @65, retry 3 dead @66",
        "failed",
    ),
    ("a test that failed", "test 1 failed @1", "failed"),
    ("a test that succeeded", "test 1 delivered @1", "delivered"),
    (
        "a replay that waits",
        "replay 1 failed @1 until 6",
        "retrying until 6",
    ),
    (
        "within one millisecond",
        "auto 1 dead @1, auto 1 failed @1, auto 1 parked @1 until 9",
        "failed",
    ),
];

#[test]
fn a_job_stands_where_its_steps_left_it() {
    for (case, steps, expected) in TABLE {
        let steps: Vec<_> = (steps.split(", "))
            .filter(|step| !step.is_empty())
            .map(read)
            .collect();

        let found = standing(&steps);

        let until = (found.next_attempt_at)
            .map(|next| format!(" until {}", next.millis()))
            .unwrap_or_default();
        let found = format!("{}{until}", found.state.as_str());
        assert_eq!(found, *expected, "{case}");
    }
}

fn read(text: &str) -> Step {
    let words: Vec<_> = text.split(' ').collect();
    let time = |text: &str| Timestamp::from_millis(text.parse().unwrap());
    let until = words.get(5).map(|until| time(until));
    let event = match words[2] {
        "delivered" => StepEvent::Succeeded,
        "failed" => StepEvent::Failed { next: until },
        "parked" => StepEvent::Parked { until },
        "dead" => StepEvent::Dead,
        other => panic!("{other} is no step"),
    };
    Step {
        attempt: words[1].parse().unwrap(),
        trigger: Trigger::from_name(words[0]).unwrap(),
        at: time(words[3].strip_prefix('@').unwrap()),
        event,
    }
}

#[test]
fn the_deciding_step_is_named() {
    let gone = ["auto 1 dead @2", "auto 1 failed @1"].map(read);
    let parked = ["auto 1 failed @1 until 6", "retry 2 parked @6 until 9"].map(read);

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
            .map(|(at, (attempt, trigger, event))| Step {
                attempt,
                trigger,
                at: Timestamp::from_millis(at),
                event,
            })
            .collect()
    })
}

use std::{collections::HashSet, time::Duration};

use super::{
    Archived, InvalidPlan, KEPT_FOR, KEPT_MAX, Mode, Plan, Progress, Reason, Replay, State, Target,
    surplus, trace,
};
use crate::{
    attempt::Trigger,
    endpoint::Endpoint,
    event::BodyHash,
    job::Run,
    lease::LEASE,
    name::{EventId, EventName},
    time::Timestamp,
};

const NOW_MS: i64 = 1_773_483_705_102;
const DAY_MS: i64 = 86_400_000;

/// The bytes that versions in the field write: additive changes only.
const GOLDEN: &str = "{\"id\":\"rp_1\",\"organisationId\":\"acme\",\"webhookConfigId\":\"ep_1\",\
    \"mode\":\"undelivered\",\"from\":\"2026-03-13T10:21:45.102Z\",\
    \"to\":\"2026-03-14T10:21:45.102Z\",\"ratePerSecond\":100,\"state\":\"running\",\"total\":12,\
    \"done\":3,\"skipped\":4,\"eventsUntil\":77,\"place\":{\"acceptedAt\":\
    \"2026-03-13T10:21:46.102Z\",\"eventId\":\"evt-1\",\"bodyHash\":\
    \"e3b0c44298fc1c149afbf4c8996fb924\"},\"lease\":{\"owner\":\"a\",\"until\":\
    \"2026-03-14T10:21:55.102Z\"},\"createdAt\":\"2026-03-14T10:21:45.102Z\",\
    \"updatedAt\":\"2026-03-14T10:21:45.102Z\"}";

#[test]
fn a_plan_is_checked_field_by_field() {
    let plan = |from: i64, to: Option<i64>, rate| {
        let to = to.map(|ms| at(NOW_MS + ms));
        Plan::try_new(Mode::All, at(NOW_MS + from), to, rate, now())
    };
    let refused = |from, to, rate| plan(from, to, rate).unwrap_err();

    assert_eq!(plan(-1, None, None).unwrap().to, now());
    assert_eq!(plan(-1, None, None).unwrap().rate_per_second, 100);
    assert_eq!(plan(-DAY_MS, Some(DAY_MS), Some(1_000)).unwrap().to, now());
    assert_eq!(plan(-2, Some(-1), Some(1)).unwrap().to.millis(), NOW_MS - 1);
    assert_eq!(refused(1, None, None), InvalidPlan::Future);
    assert_eq!(refused(0, None, None), InvalidPlan::Empty);
    assert_eq!(refused(-1, Some(-1), None), InvalidPlan::Empty);
    assert_eq!(refused(-1, Some(-2), None), InvalidPlan::Empty);
    assert_eq!(refused(-367 * DAY_MS, None, None), InvalidPlan::Long);
    assert!(plan(-366 * DAY_MS, None, None).is_ok());
    assert_eq!(refused(-1, None, Some(0)), InvalidPlan::Rate);
    assert_eq!(refused(-1, None, Some(1_001)), InvalidPlan::Rate);
    for (fault, field) in [
        (InvalidPlan::Future, "from: "),
        (InvalidPlan::Empty, "from: "),
        (InvalidPlan::Long, "from: "),
        (InvalidPlan::Rate, "ratePerSecond: "),
    ] {
        assert!(fault.to_string().starts_with(field), "{fault}");
    }
}

#[test]
fn one_owner_at_a_time_holds_a_replay() {
    let free = replay();

    let held = free.claimed("a", now()).unwrap();
    let later = now().after(LEASE - Duration::from_millis(1));
    assert_eq!(held.claimed("b", later), None);
    assert_eq!(held.claimed("a", later), None);
    let renewed = held.renewed(later);
    assert_eq!(renewed.claimed("b", now().after(LEASE)), None);

    let taken = renewed.claimed("b", later.after(LEASE)).unwrap();
    assert_eq!(taken.lease.as_ref().unwrap().owner, "b");
    assert!(taken.released(now()).claimed("a", now()).is_some());
    assert_eq!(free.renewed(now()).lease, None, "nobody's stays nobody's");
}

#[test]
fn progress_adds_up_and_keeps_the_owner() {
    let begun = replay().claimed("a", now()).unwrap().begun(5, now());
    let place = event().place();
    let progress = |done, skipped| Progress {
        place: place.clone(),
        done,
        skipped,
    };

    let one = begun.advanced(progress(2, 1), now());
    let two = one.advanced(progress(3, 0), now());

    assert_eq!((begun.state, begun.total), (State::Running, 5));
    assert_eq!((one.total, one.done, one.skipped), (5, 2, 1));
    assert_eq!(
        (two.total, two.done, two.skipped),
        (6, 5, 1),
        "the count was too low"
    );
    assert_eq!(two.place, Some(place));
    assert_eq!(two.lease.as_ref().unwrap().owner, "a");
    assert_eq!(one.completed(now()).total, 3, "the count was too high");
}

#[test]
fn nothing_follows_the_end() {
    let running = replay().claimed("a", now()).unwrap().begun(5, now());
    let later = now().after(LEASE * 2);

    for (ended, state, reason) in [
        (running.completed(later), State::Done, None),
        (running.cancelled(later).unwrap(), State::Cancelled, None),
        (
            running.failed(Reason::ConfigDeleted, later),
            State::Failed,
            Some(Reason::ConfigDeleted),
        ),
    ] {
        assert_eq!((ended.state, ended.reason), (state, reason));
        assert_eq!((ended.finished_at, &ended.lease), (Some(later), &None));
        assert_eq!(ended.claimed("b", later.after(LEASE)), None);
        assert_eq!(ended.cancelled(later), None);
    }
    assert!(replay().cancelled(now()).is_some(), "a waiting one too");
}

#[test]
fn an_event_has_its_turn_if_the_endpoint_wants_it_and_it_is_not_settled() {
    let settled = HashSet::from(["evt-1".parse::<EventId>().unwrap()]);
    let nothing = HashSet::new();
    let check = |mode, events: &[&str], settled: &HashSet<EventId>, expected| {
        let mut replay = replay();
        replay.plan.mode = mode;
        assert_eq!(
            replay.takes(&endpoint(events), &event(), settled),
            expected,
            "{mode:?} {events:?} {settled:?}"
        );
    };

    check(Mode::All, &["a.b"], &nothing, true);
    check(Mode::All, &["*"], &settled, true);
    check(Mode::All, &["a.c"], &nothing, false);
    check(Mode::Undelivered, &["a.*"], &nothing, true);
    check(Mode::Undelivered, &["a.*"], &settled, false);
    check(Mode::Undelivered, &[], &nothing, false);
}

#[test]
fn a_deleted_or_disabled_endpoint_ends_a_replay() {
    let mut disabled = endpoint(&["*"]);
    disabled.is_enabled = false;

    assert_eq!(Replay::hindrance(Some(&endpoint(&[]))), None);
    assert_eq!(
        Replay::hindrance(Some(&disabled)),
        Some(Reason::ConfigDisabled)
    );
    assert_eq!(Replay::hindrance(None), Some(Reason::ConfigDeleted));
}

#[test]
fn a_job_is_a_first_attempt_with_an_id_of_the_replay() {
    let job = replay().job(&event(), 7);

    assert_eq!(job.id.as_str(), "evt-1:ep_1:rp_1");
    assert_eq!(
        (job.attempt, job.retry, job.hold, job.revision),
        (1, 0, 0, 7)
    );
    assert_eq!((job.trigger, job.run), (Trigger::Replay, Run::Policy));
    assert_eq!((job.due, &job.request), (None, &None));
    assert_eq!(job, replay().job(&event(), 7), "made twice it is the same");
    assert_eq!(trace(&job), trace(&replay().job(&event(), 7)));
}

#[test]
fn old_and_too_many_finished_replays_are_surplus() {
    let unfinished = replay();
    let fresh = replay().completed(now());
    let old = replay().completed(at(NOW_MS - 8 * DAY_MS));
    let edge = now().after(KEPT_FOR);
    let mut many = vec![fresh.clone(); KEPT_MAX];
    many.push(unfinished.clone());
    many.push(fresh.clone());

    assert_eq!(
        surplus([&unfinished, &fresh, &old], now()).collect::<Vec<_>>(),
        [&old]
    );
    assert_eq!(surplus([&fresh], edge).count(), 0);
    assert_eq!(
        surplus([&fresh], edge.after(Duration::from_millis(1))).count(),
        1
    );
    assert_eq!(surplus(&many, now()).count(), 1);
}

#[test]
fn the_form_is_pinned_and_keeps_fields_of_a_later_version() {
    let mut expected = replay().claimed("a", now()).unwrap().begun(12, now());
    (expected.done, expected.skipped) = (3, 4);
    expected.place = Some(event().place());

    assert_eq!(serde_json::to_string(&expected).unwrap(), GOLDEN);
    assert_eq!(serde_json::from_str::<Replay>(GOLDEN).unwrap(), expected);
    let later = GOLDEN.replacen('{', "{\"order\":\"strict\",", 1);
    let read: Replay = serde_json::from_str(&later).unwrap();
    let again: serde_json::Value = serde_json::to_value(read.renewed(now())).unwrap();
    assert_eq!(again["order"], "strict");
}

fn now() -> Timestamp {
    at(NOW_MS)
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn replay() -> Replay {
    let plan = Plan::try_new(Mode::Undelivered, at(NOW_MS - DAY_MS), None, None, now()).unwrap();
    let target = Target {
        organisation: "acme".parse().unwrap(),
        endpoint: "ep_1".parse().unwrap(),
    };
    Replay::new("rp_1".parse().unwrap(), target, plan, 77, now())
}

fn event() -> Archived<'static> {
    let id: &'static EventId = Box::leak(Box::new("evt-1".parse().unwrap()));
    let name: &'static EventName = Box::leak(Box::new("a.b".parse().unwrap()));
    Archived {
        id,
        name,
        category: Some("c"),
        source_id: None,
        content: Box::leak(Box::default()),
        body_hash: BodyHash::of(b""),
        accepted_at: at(NOW_MS - DAY_MS + 1_000),
    }
}

fn endpoint(events: &[&str]) -> Endpoint {
    let json = serde_json::json!({
        "id": "ep_1", "organisationId": "acme", "url": "https://a.example/", "events": events,
        "isEnabled": true, "timeoutMs": 10_000,
        "createdAt": now(), "updatedAt": now(),
    });
    serde_json::from_value(json).unwrap()
}

use std::{collections::BTreeMap, time::Duration};

use super::{
    Counts, Erasure, KEPT_FOR, LOOK_AGAIN_EVERY, PASS_EVERY, Pass, Place, QUIET, State, Target,
    Walk,
};
use crate::{lease::LEASE, time::Timestamp};

const CLEAN: Pass = Pass {
    found: false,
    is_whole: true,
};
const FOUND: Pass = Pass {
    found: true,
    is_whole: true,
};
const PARTIAL: Pass = Pass {
    found: false,
    is_whole: false,
};

#[test]
fn only_what_was_accepted_up_to_the_request_is_meant() {
    let erasure = erasure();
    let means = |organisation: &str, event: &str, at: i64| {
        let (organisation, event) = (organisation.parse().unwrap(), event.parse().unwrap());
        erasure.means(&organisation, &event, Timestamp::from_millis(at))
    };

    assert!(means("acme", "evt-1", 1_000));
    assert!(
        !means("acme", "evt-1", 1_001),
        "sent again under the same id"
    );
    assert!(!means("acme", "evt-2", 1_000));
    assert!(!means("other", "evt-1", 1_000), "somebody else's");
}

#[test]
fn one_at_a_time_makes_a_pass_that_is_due() {
    let erasure = erasure();
    let claimed = erasure.claimed("a", at(0)).unwrap();

    assert_eq!(claimed.claimed("b", at(1)), None);
    assert!(
        claimed.claimed("b", after(LEASE)).is_some(),
        "a has crashed"
    );
    let released = claimed.released(at(1));
    assert_eq!(released.claimed("b", at(2)), None, "not due yet");
    assert!(released.claimed("b", at(1).after(PASS_EVERY)).is_some());
}

#[test]
fn it_is_done_when_whole_passes_have_found_nothing_for_long_enough() {
    let quiet = QUIET.as_secs();
    let passes = |passes: &[(u64, Pass)]| {
        let start = erasure();
        passes.iter().fold(start, |erasure, (second, pass)| {
            let now = after(Duration::from_secs(*second));
            erasure.passed(*pass, &ends(20), now).unwrap()
        })
    };
    let check = |seen: &[(u64, Pass)], expected| {
        let state = passes(seen).state;
        assert_eq!(state, expected, "{seen:?}");
    };

    check(&[(0, CLEAN)], State::Running);
    check(&[(0, CLEAN), (quiet - 1, CLEAN)], State::Running);
    check(&[(0, CLEAN), (quiet, CLEAN)], State::Done);
    check(
        &[(0, CLEAN), (quiet - 1, FOUND), (quiet, CLEAN)],
        State::Running,
    );
    check(
        &[(0, CLEAN), (quiet - 1, PARTIAL), (quiet, CLEAN)],
        State::Running,
    );
    check(&[(0, FOUND), (5, CLEAN), (5 + quiet, CLEAN)], State::Done);
}

#[test]
fn what_is_done_is_looked_after_until_it_may_be_forgotten() {
    let done = erasure()
        .passed(CLEAN, &ends(20), at(0))
        .and_then(|erasure| erasure.passed(CLEAN, &ends(20), after(QUIET)))
        .unwrap();
    assert_eq!(done.finished_at, Some(after(QUIET)));
    assert_eq!(done.due_at, after(QUIET + LOOK_AGAIN_EVERY));

    let looked = done
        .passed(CLEAN, &ends(30), after(QUIET + LOOK_AGAIN_EVERY))
        .unwrap();
    assert_eq!(looked.state, State::Done);
    assert_eq!(looked.due_at, after(QUIET + 2 * LOOK_AGAIN_EVERY));

    let last = after(QUIET + KEPT_FOR);
    assert_eq!(looked.passed(CLEAN, &ends(30), last), None);
    let kept = looked.passed(FOUND, &ends(30), last).unwrap();
    assert_eq!(
        kept.due_at,
        last.after(PASS_EVERY),
        "not before a pass is clean"
    );
    assert_eq!(
        looked.passed(PARTIAL, &ends(30), last).unwrap().state,
        State::Done
    );
}

#[test]
fn the_next_pass_begins_where_the_last_one_ended() {
    let walk = |erasure: &Erasure, place| erasure.walks[&place];
    let erasure = erasure();
    assert_eq!(walk(&erasure, Place::Events), Walk { next: 0, end: 10 });
    assert_eq!(walk(&erasure, Place::Jobs), Walk { next: 1, end: 10 });

    let walked = erasure
        .begins_at(Place::Events, 4)
        .walked(Place::Events, 11, 1, at(5))
        .walked(Place::Jobs, 11, 0, at(5))
        .passed(FOUND, &ends(20), at(5))
        .unwrap();

    assert_eq!(
        walk(&walked, Place::Events),
        Walk { next: 11, end: 10 },
        "later events are others"
    );
    assert_eq!(walk(&walked, Place::Jobs), Walk { next: 11, end: 20 });
    assert_eq!(walked.erased.messages, 1);
}

#[test]
fn a_job_that_was_found_alive_may_have_been_attempted_since() {
    let erasure = erasure();

    let letter = erasure.walked(Place::Dead, 5, 1, at(9_000));
    assert_eq!(letter.attempts_until(), erasure.until.after(QUIET));
    let job = erasure.walked(Place::Retries, 5, 1, at(9_000));
    assert_eq!(job.attempts_until(), at(9_000).after(QUIET));
}

#[test]
fn the_form_is_read_back() {
    let erasure = erasure()
        .claimed("a", at(0))
        .unwrap()
        .walked(Place::Rejected, 3, 2, at(1))
        .cleaned(1, 4);
    assert_eq!(
        erasure.erased,
        Counts {
            messages: 2,
            bodies: 1,
            records: 4
        }
    );

    let text = serde_json::to_string(&erasure).unwrap();
    let newer = text.replacen('{', "{\"later\":1,", 1);

    assert!(
        text.contains("\"rejected\":{\"next\":3,\"end\":10}"),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<Erasure>(&text).unwrap(), erasure);
    let kept: Erasure = serde_json::from_str(&newer).unwrap();
    assert_eq!(kept.unknown["later"], 1);
}

fn erasure() -> Erasure {
    let target = Target {
        organisation: "acme".parse().unwrap(),
        event: "evt-1".parse().unwrap(),
        until: Timestamp::from_millis(1_000),
    };
    Erasure::new("er_1".parse().unwrap(), target, &ends(10), at(0))
}

fn ends(end: u64) -> BTreeMap<Place, u64> {
    Place::ALL.map(|place| (place, end)).into()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_000 + millis)
}

fn after(wait: Duration) -> Timestamp {
    at(0).after(wait)
}

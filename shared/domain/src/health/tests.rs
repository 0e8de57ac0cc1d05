use std::time::Duration;

use super::{Access, Change, Health, Rung, State, Tally, Verdict, after};
use crate::{
    outcome::{Answer, ErrorKind, Failure, Outcome},
    time::Timestamp,
};

const DAY: Duration = Duration::from_secs(86_400);
const DISABLE_AFTER: Option<Duration> = Some(Duration::from_secs(5 * 86_400));

#[test]
fn ten_failures_in_a_row_open_the_breaker_and_a_success_in_between_does_not() {
    let mut replica = Replica::default();
    for _ in 0..9 {
        replica.attempt(status(500), 1);
    }
    assert_eq!(replica.access(), Access::Free);
    replica.attempt(status(200), 1);
    for _ in 0..9 {
        replica.attempt(status(503), 1);
    }
    assert_eq!(replica.access(), Access::Free);

    replica.attempt(timeout(), 1);

    assert_eq!(
        replica.access(),
        Access::Closed {
            left: Duration::from_secs(5)
        }
    );
    assert_eq!(replica.signals, [Rung::Failing]);
}

#[test]
fn answers_that_refuse_the_event_do_not_open_the_breaker() {
    let mut replica = Replica::default();

    for _ in 0..1_000 {
        replica.attempt(status(404), 10);
    }

    assert_eq!(replica.access(), Access::Free);
    assert_eq!(replica.signals, [Rung::Failing]);
}

#[test]
fn probes_come_after_doubling_times_up_to_a_minute() {
    let mut replica = Replica::open();
    let mut waits = Vec::new();

    for _ in 0..6 {
        let Access::Closed { left } = replica.access() else {
            panic!("{:?}", replica.access());
        };
        waits.push(left.as_secs());
        replica.now = replica.now.after(left);
        assert_eq!(replica.access(), Access::Probe);
        replica.probe(status(500));
    }

    assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
}

#[test]
fn a_claimed_probe_keeps_others_away_until_it_must_have_ended() {
    let mut replica = Replica::open();
    replica.now = replica.now.after(Duration::from_secs(5));
    let health = replica.health.clone().unwrap();

    let claimed = health.probed(replica.now, Duration::from_secs(15));

    let soon = Access::Closed {
        left: Duration::from_secs(1),
    };
    assert_eq!(claimed.access(replica.now), soon);
    let ended = replica.now.after(Duration::from_secs(15));
    assert_eq!(claimed.access(ended), Access::Probe);
}

#[test]
fn a_probe_that_succeeds_closes_the_breaker_with_a_ramp() {
    let mut replica = Replica::open();
    replica.now = replica.now.after(Duration::from_secs(5));

    replica.probe(status(200));

    assert_eq!(replica.health.as_ref().unwrap().state, State::Closed);
    let rate = |seconds| match replica.at(seconds) {
        Access::Ramp { per_s, .. } => format!("{per_s:.0}"),
        other @ (Access::Free | Access::Closed { .. } | Access::Probe) => panic!("{other:?}"),
    };
    assert_eq!(
        [rate(0), rate(1), rate(5), rate(9)],
        ["10", "20", "320", "5120"]
    );
    assert_eq!(replica.at(10), Access::Free);
}

#[test]
fn a_probe_that_is_refused_closes_the_breaker_and_not_the_ladder() {
    let mut replica = Replica::open();
    replica.now = replica.now.after(Duration::from_secs(5));

    replica.probe(status(404));

    let health = replica.health.clone().unwrap();
    assert_eq!((health.state, health.rung), (State::Closed, Rung::Failing));
    assert!(health.failing_since.is_some());
    replica.attempt(status(500), 30);
    assert_eq!(replica.access(), Access::Free);
}

#[test]
fn an_endpoint_that_fails_again_soon_goes_on_with_longer_times() {
    let mut replica = Replica::open();
    replica.now = replica.now.after(Duration::from_secs(5));
    replica.probe(status(200));

    for _ in 0..10 {
        replica.attempt(status(500), 1);
    }

    assert_eq!(
        replica.access(),
        Access::Closed {
            left: Duration::from_secs(10)
        }
    );
}

#[test]
fn the_ladder_is_climbed_one_rung_at_a_time_with_a_warning_before_the_end() {
    let mut replica = Replica::open();
    let mut heights = Vec::new();

    for hour in 1..=130_u64 {
        replica.now = Timestamp::EPOCH.after(Duration::from_secs(hour * 3_600));
        let before = replica.signals.len();
        replica.probe(status(500));
        if replica.signals.len() > before {
            heights.push((hour, *replica.signals.last().unwrap()));
        }
    }

    assert_eq!(
        heights,
        [(96, Rung::AboutToBeDisabled), (120, Rung::Disabled)]
    );
    assert_eq!(replica.health.as_ref().unwrap().state, State::Disabled);
}

#[test]
fn rare_events_are_warned_about_all_the_same() {
    let mut replica = Replica::open();

    replica.now = replica.now.after(10 * DAY);
    replica.probe(status(500));
    assert_eq!(replica.signals.last(), Some(&Rung::AboutToBeDisabled));
    replica.attempt(status(500), 60);
    assert_eq!(replica.signals.last(), Some(&Rung::AboutToBeDisabled));
    replica.now = replica.now.after(DAY);
    replica.probe(status(500));

    assert_eq!(replica.signals.last(), Some(&Rung::Disabled));
}

#[test]
fn a_success_takes_an_endpoint_off_the_ladder() {
    let mut replica = Replica::open();
    replica.now = replica.now.after(DAY * 4);
    replica.probe(status(500));

    replica.probe(status(200));

    let health = replica.health.unwrap();
    assert_eq!((health.rung, health.failing_since), (Rung::None, None));
}

#[test]
fn gone_disables_at_once_and_never_disabling_still_signals() {
    let mut replica = Replica::default();
    replica.attempt_gone();
    assert_eq!(replica.signals, [Rung::Disabled]);

    let mut patient = Replica {
        disable_after: None,
        ..Replica::open()
    };
    patient.now = patient.now.after(DAY * 100);
    patient.probe(status(500));

    assert_eq!(patient.signals, [Rung::Failing]);
}

#[test]
fn a_clock_that_is_set_back_stops_an_endpoint_no_longer_than_a_probe() {
    let mut replica = Replica {
        now: Timestamp::EPOCH.after(DAY),
        ..Replica::default()
    };
    for _ in 0..10 {
        replica.attempt(status(500), 0);
    }
    let hour = Duration::from_secs(3_600);

    let before = Timestamp::EPOCH.after(DAY - hour);
    assert_eq!(
        replica.health.as_ref().unwrap().access(before),
        Access::Probe
    );

    replica.probe(status(200));
    assert_eq!(
        replica.health.as_ref().unwrap().access(before),
        Access::Free
    );
}

#[test]
fn what_failed_before_an_endpoint_came_back_counts_no_more() {
    let at = |seconds| Timestamp::EPOCH.after(Duration::from_secs(seconds));
    let back = Health::back(at(100));
    let check = |health: &Health, failed, expected| {
        assert_eq!(
            health.still_counts(at(failed), at(105)),
            expected,
            "{failed}"
        );
    };
    check(&back, 99, false);
    check(&back, 100, true);

    let failing = Health {
        failing_since: Some(at(50)),
        back_since: None,
        ..back.clone()
    };
    check(&failing, 60, true);
    let open = Health {
        state: State::Open,
        ..back
    };
    check(&open, 60, true);
    // Written by a clock that is ahead by an hour.
    check(&Health::back(at(3_700)), 60, true);
}

#[test]
fn a_replica_that_counted_failures_does_not_open_a_breaker_that_another_has_closed() {
    let mut other = Replica::open();
    let counted = other.tally;
    other.now = other.now.after(Duration::from_secs(5));
    other.probe(status(200));
    let mut replica = Replica {
        tally: counted,
        ..other
    };

    replica.attempt(status(500), 30);

    assert_eq!(replica.access(), Access::Free);
    assert_eq!(replica.health.unwrap().state, State::Closed);
}

#[test]
fn a_replica_that_sees_a_failure_now_and_then_does_not_know_what_others_saw() {
    let mut replica = Replica::default();

    replica.attempt(status(500), 0);
    replica.attempt(status(500), 3 * 86_400);
    assert_eq!(replica.signals, []);
    // Another replica has a success.
    let seen = replica.tally;
    replica.attempt(status(200), 60);
    replica.tally = seen;
    replica.attempt(status(500), 3 * 86_400);

    assert_eq!(replica.signals, []);
    assert_eq!(replica.access(), Access::Free);
}

#[test]
fn an_endpoint_of_rare_events_that_all_fail_is_failing_all_the_same() {
    let mut replica = Replica::default();

    for _ in 0..3 {
        replica.attempt(status(500), 3_600);
    }

    assert_eq!(replica.signals, [Rung::Failing]);
}

#[test]
fn the_form_is_pinned_and_keeps_what_it_does_not_know() {
    let text = "{\"state\":\"open\",\"since\":\"1970-01-01T00:00:09.000Z\",\"why\":\"HTTP 500: Internal Server Error\",\
        \"failingSince\":\"1970-01-01T00:00:00.000Z\",\"rung\":\"failing\",\"rungSince\":\"1970-01-01T00:00:09.000Z\",\
        \"probeAt\":\"1970-01-01T00:00:14.000Z\",\"trips\":0,\"mood\":\"low\"}";
    let health: Health = serde_json::from_str(text).unwrap();

    assert_eq!(serde_json::to_string(&health).unwrap(), text);
    assert_eq!(health.rung, Rung::Failing);
}

/// One replica and the health that it shares with others.
struct Replica {
    health: Option<Health>,
    tally: Option<Tally>,
    now: Timestamp,
    signals: Vec<Rung>,
    disable_after: Option<Duration>,
}

impl Default for Replica {
    fn default() -> Self {
        Self {
            health: None,
            tally: None,
            now: Timestamp::EPOCH,
            signals: Vec::new(),
            disable_after: DISABLE_AFTER,
        }
    }
}

impl Replica {
    fn open() -> Self {
        let mut replica = Self::default();
        for _ in 0..10 {
            replica.attempt(status(500), 0);
        }
        replica
    }

    fn attempt(&mut self, outcome: Outcome, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.take_in(&outcome, false, false);
    }

    fn attempt_gone(&mut self) {
        self.take_in(&status(410), false, true);
    }

    fn probe(&mut self, outcome: Outcome) {
        self.take_in(&outcome, true, false);
    }

    fn take_in(&mut self, outcome: &Outcome, is_probe: bool, is_gone: bool) {
        let before = self.tally.filter(|tally| {
            let health = self.health.as_ref();
            health.is_none_or(|health| health.still_counts(tally.since, self.now))
        });
        self.tally = Tally::after(before, outcome, self.now);
        let verdict = Verdict {
            outcome,
            tally: self.tally,
            is_probe,
            is_gone,
        };
        if let Some(Change { health, climbed }) =
            after(self.health.as_ref(), verdict, self.now, self.disable_after)
        {
            self.health = Some(health);
            self.signals.extend(climbed);
        }
    }

    fn access(&self) -> Access {
        self.at(0)
    }

    fn at(&self, seconds: u64) -> Access {
        let now = self.now.after(Duration::from_secs(seconds));
        self.health
            .as_ref()
            .map_or(Access::Free, |health| health.access(now))
    }
}

fn status(status: u16) -> Outcome {
    if status == 200 {
        return Outcome::Accepted { status };
    }
    Outcome::Rejected(Answer {
        status,
        asked_wait: None,
        non_retryable: false,
        broke_off: None,
    })
}

fn timeout() -> Outcome {
    Outcome::Failed(Failure {
        kind: ErrorKind::Timeout,
        message: "no complete answer".to_owned(),
    })
}

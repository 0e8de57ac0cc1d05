use std::{collections::VecDeque, time::Duration};

use super::{
    Draw, Effect, Flows, Limits, Moment, Parked, Regime, Share, Terms, Verdict, Visit, owner, share,
};
use crate::name::EndpointId;

const NO_LIMITS: Share = Share {
    limits: Limits {
        rate: None,
        in_flight: None,
    },
    replicas: 1,
};

#[test]
fn a_rate_is_kept_and_every_job_parked_once() {
    let share = limited(Some(100.0), None);
    let mut world = World::new(1_024, share);

    world.arrive(5_000, Duration::ZERO);
    world.run(Duration::from_secs(60), |_| Duration::from_millis(5));

    assert_eq!(world.started.len(), 5_000);
    for window in world.started.windows(1_000) {
        let took = window[999] - window[0];
        assert!(took >= Duration::from_millis(8_900), "{took:?} for 1,000");
    }
    let holds: u32 = world.holds.iter().sum();
    assert!(holds <= 5_000, "{holds} parkings");
    let last = *world.started.last().unwrap();
    assert!(last < Duration::from_secs(51), "{last:?}");
}

#[test]
fn requests_at_once_are_kept() {
    let mut world = World::new(1_024, limited(None, Some(7)));

    world.arrive(500, Duration::ZERO);
    world.run(Duration::from_secs(1_200), |_| Duration::from_secs(1));

    assert_eq!(world.started.len(), 500);
    assert_eq!(world.most_at_once, 7);
}

#[test]
fn a_quick_endpoint_that_is_flooded_parks_nothing() {
    let mut world = World::new(1_024, NO_LIMITS);

    for second in 0..5_u64 {
        for millisecond in 0..1_000 {
            world.arrive(5, Duration::from_millis(second * 1_000 + millisecond));
        }
    }
    world.run(Duration::from_secs(20), |_| Duration::from_millis(5));

    assert_eq!(world.started.len(), 25_000);
    let parked: u32 = world.holds.iter().sum();
    assert!(parked < 50, "{parked} parkings");
}

#[test]
fn an_endpoint_that_hangs_holds_few_places_and_few_messages() {
    let mut world = World::new(1_024, NO_LIMITS);

    world.arrive(20_000, Duration::ZERO);
    world.run_with(Duration::from_secs(300), |_| {
        (Duration::from_secs(10), Effect::Overloaded)
    });

    assert!(world.most_at_once <= 16, "{} at once", world.most_at_once);
    let holds: u32 = world.holds.iter().sum();
    assert!(
        holds <= 60_000,
        "{holds} parkings of 20,000 jobs in five minutes"
    );
}

#[test]
fn endpoints_that_hang_leave_half_of_the_places_together() {
    let mut flows = Flows::new(1_000);

    let started = hang(&mut flows, Duration::from_secs(10));

    assert!(started.len() <= 500, "{} of 1,000 places", started.len());
    assert!(started.len() > 300, "{}", started.len());
    assert_eq!(usize::try_from(flows.in_flight()).unwrap(), started.len());
}

#[test]
fn slow_endpoints_beside_unknown_ones_keep_to_the_same_half() {
    let mut flows = Flows::new(1_000);
    for n in 0..300 {
        assert_eq!(ask(&mut flows, n, Duration::ZERO), Verdict::Start);
        let end = Duration::from_secs(2);
        flows.finished(&endpoint(n), Duration::ZERO, end, Effect::Taken);
    }
    let now = Duration::from_secs(3);
    for n in 1_000..2_000 {
        let _verdict = ask(&mut flows, n, now);
    }
    for n in (0..300).chain(0..300).chain(0..300) {
        let _verdict = ask(&mut flows, n, now);
    }

    assert!(flows.in_flight() <= 500, "{}", flows.in_flight());
    assert!(flows.in_flight() > 400, "{}", flows.in_flight());
}

#[test]
fn a_new_endpoint_gets_its_chance_beside_many_that_hang() {
    let mut flows = Flows::new(1_000);
    let known = hang(&mut flows, Duration::from_secs(10));
    for (n, began) in &known {
        let ended = *began + Duration::from_secs(10);
        flows.finished(&endpoint(*n), *began, ended, Effect::Overloaded);
    }
    let now = Duration::from_secs(20);
    let again = known.iter().map(|(n, _)| ask(&mut flows, *n, now));
    assert!(again.filter(|verdict| *verdict == Verdict::Start).count() > 100);

    assert_eq!(ask(&mut flows, 9_999, now), Verdict::Start);
}

#[test]
fn concurrency_goes_down_on_overload_and_up_on_success() {
    let mut flows = Flows::new(1_024);
    let mut now = Duration::ZERO;
    let mut round = |flows: &mut Flows, effect| {
        let mut begun = 0;
        while ask(flows, 1, now) == Verdict::Start {
            begun += 1;
        }
        let began = now;
        now += Duration::from_millis(50);
        for _ in 0..begun {
            flows.finished(&endpoint(1), began, now, effect);
        }
        now += Duration::from_millis(50);
        // Whoever waits in its place has gone elsewhere meanwhile.
        begun
    };

    let up: Vec<u32> = (0..6).map(|_| round(&mut flows, Effect::Taken)).collect();
    let down: Vec<u32> = (0..4)
        .map(|_| round(&mut flows, Effect::Overloaded))
        .collect();
    let again: Vec<u32> = (0..3).map(|_| round(&mut flows, Effect::Taken)).collect();

    assert!(up.is_sorted() && up[5] > 4 * up[0], "{up:?}");
    assert!(
        down.is_sorted_by(|a, b| a >= b) && down[3] <= down[0] / 4,
        "{down:?}"
    );
    assert!(again.is_sorted(), "{again:?}");
}

#[test]
fn what_is_stopped_is_looked_at_evenly_from_when_it_may_go_on() {
    let mut flows = Flows::new(1_024);
    let stopped = Regime::Stopped {
        left: Duration::from_secs(5),
        why: Parked::Breaker,
    };

    let waits: Vec<Duration> = (0..10_000)
        .map(|_| {
            match flows.ask(
                &endpoint(1),
                Visit::default(),
                terms(stopped),
                at(Duration::ZERO, 0.5),
            ) {
                Verdict::Park { wait, .. } => wait,
                other @ (Verdict::Start | Verdict::Wait { .. }) => panic!("{other:?}"),
            }
        })
        .collect();

    assert!(waits[0] >= Duration::from_secs(5));
    let per_second = |second: u64| {
        let range = Duration::from_secs(second)..Duration::from_secs(second + 1);
        waits.iter().filter(|wait| range.contains(*wait)).count()
    };
    assert!((99..=101).contains(&per_second(10)), "{}", per_second(10));
    assert_eq!(flows.parked(&endpoint(1)), 10_000);
}

#[test]
fn a_million_waiting_jobs_are_looked_at_a_hundred_a_second() {
    let mut flows = Flows::new(1_024);
    let stopped = Regime::Stopped {
        left: Duration::from_secs(5),
        why: Parked::Breaker,
    };
    let mut chance = 0.0;
    let mut looks = vec![0_u32; 12_000];
    for _ in 0..1_000_000 {
        chance = (chance + 0.618_033_988_75_f64).fract();
        let verdict = flows.ask(
            &endpoint(1),
            Visit::default(),
            terms(stopped),
            at(Duration::ZERO, chance),
        );
        let Verdict::Park { wait, .. } = verdict else {
            panic!("{verdict:?}");
        };
        looks[usize::try_from(wait.as_secs()).unwrap()] += 1;
    }

    let most = looks.iter().max().unwrap();
    assert!(*most <= 350, "{most} in one second");
}

#[test]
fn recovery_is_a_ramp() {
    let mut flows = Flows::new(1_024);
    let mut started = 0;
    for millisecond in 0..1_000 {
        let now = Duration::from_millis(millisecond);
        let ramp = Regime::Recovering {
            rate: 10.0,
            left: Duration::from_secs(9),
        };
        for _ in 0..10 {
            match flows.ask(&endpoint(1), Visit::default(), terms(ramp), at(now, 0.5)) {
                Verdict::Start => {
                    started += 1;
                    flows.finished(&endpoint(1), now, now, Effect::Taken);
                }
                Verdict::Wait { .. } => started += 1,
                Verdict::Park { wait, why } => {
                    assert_eq!(why, Parked::Recovering);
                    assert!(wait >= Duration::from_secs(9), "{wait:?}");
                }
            }
        }
    }

    assert!((10..=12).contains(&started), "{started}");
}

#[test]
fn replicas_share_limits_and_the_owner_has_what_cannot_be_shared() {
    let limits = |rate, in_flight| Limits { rate, in_flight };
    let part = |limits, replicas, is_owner| share(limits, replicas, is_owner).map(|s| s.limits);

    let whole = limits(Some(100.0), Some(10));
    assert_eq!(part(whole, 4, false), Some(limits(Some(25.0), Some(2))));
    assert_eq!(part(whole, 0, false), Some(whole));
    let small = limits(Some(2.0), None);
    assert_eq!(part(small, 4, false), None);
    assert_eq!(part(small, 4, true), Some(small));
    assert_eq!(part(limits(None, Some(3)), 4, false), None);
    assert_eq!(
        part(limits(Some(0.5), None), 1, false),
        Some(limits(Some(0.5), None))
    );
    assert_eq!(part(Limits::default(), 4, false), Some(Limits::default()));
}

#[test]
fn owners_are_spread_and_stay_when_another_replica_leaves() {
    let four: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let three = four[..3].to_vec();
    let mut owned = [0_u32; 4];
    for n in 0..4_000 {
        let of_four = owner(&endpoint(n), &four).unwrap();
        owned[four.iter().position(|name| name == of_four).unwrap()] += 1;
        if of_four != "d" {
            assert_eq!(owner(&endpoint(n), &three), Some(of_four));
        }
    }

    assert!(owned.iter().all(|n| (800..1_200).contains(n)), "{owned:?}");
    assert_eq!(owner(&endpoint(1), &[]), None);
}

/// Asks for 500 endpoints that never answer, ten times a second; returns what started.
fn hang(flows: &mut Flows, until: Moment) -> Vec<(u32, Moment)> {
    let mut started = Vec::new();
    let mut now = Duration::ZERO;
    while now < until {
        flows.tick(now);
        for n in 0..500 {
            if ask(flows, n, now) == Verdict::Start {
                started.push((n, now));
            }
        }
        now += Duration::from_millis(100);
    }
    started
}

fn ask(flows: &mut Flows, n: u32, now: Moment) -> Verdict {
    flows.ask(
        &endpoint(n),
        Visit::default(),
        terms(Regime::Normal),
        at(now, 0.5),
    )
}

fn terms(regime: Regime) -> Terms {
    Terms {
        share: NO_LIMITS,
        regime,
    }
}

fn at(now: Moment, chance: f64) -> Draw {
    Draw { now, chance }
}

fn limited(rate: Option<f64>, in_flight: Option<u32>) -> Share {
    Share {
        limits: Limits { rate, in_flight },
        replicas: 1,
    }
}

fn endpoint(n: u32) -> EndpointId {
    format!("ep_{n}").parse().unwrap()
}

/// One endpoint with jobs that come, wait, are parked and come back, in steps of a millisecond.
struct World {
    flows: Flows,
    share: Share,
    coming: Vec<(Moment, Visit)>,
    started: Vec<Moment>,
    holds: Vec<u32>,
    most_at_once: u32,
}

impl World {
    fn new(places: u32, share: Share) -> Self {
        Self {
            flows: Flows::new(places),
            share,
            coming: Vec::new(),
            started: Vec::new(),
            holds: Vec::new(),
            most_at_once: 0,
        }
    }

    fn arrive(&mut self, jobs: u32, at: Moment) {
        self.coming
            .extend((0..jobs).map(|_| (at, Visit::default())));
    }

    fn run(&mut self, until: Moment, takes: impl Fn(Moment) -> Duration) {
        self.run_with(until, |now| (takes(now), Effect::Taken));
    }

    fn run_with(&mut self, until: Moment, attempt: impl Fn(Moment) -> (Duration, Effect)) {
        let mut later = std::collections::BTreeMap::<Moment, Vec<Visit>>::new();
        for (at, visit) in self.coming.drain(..) {
            later.entry(at).or_default().push(visit);
        }
        let mut under_way: VecDeque<(Moment, Moment, Effect)> = VecDeque::new();
        let (step, mut now) = (Duration::from_millis(1), Duration::ZERO);
        let mut chance = 0.0;
        while now < until {
            while let Some(&(ends, began, effect)) = under_way.front().filter(|(e, ..)| *e <= now) {
                under_way.pop_front();
                self.flows.finished(&endpoint(1), began, ends, effect);
            }
            let mut due = std::mem::take(&mut later);
            later = due.split_off(&(now + Duration::from_nanos(1)));
            for mut visit in due.into_values().flatten() {
                chance = (chance + 0.618_033_988_75_f64).fract();
                let terms = Terms {
                    share: self.share,
                    regime: Regime::Normal,
                };
                match self.flows.ask(&endpoint(1), visit, terms, at(now, chance)) {
                    Verdict::Start => {
                        self.started.push(now);
                        self.holds.push(visit.hold);
                        let (takes, effect) = attempt(now);
                        under_way.push_back((now + takes, now, effect));
                        let at_once = u32::try_from(under_way.len()).unwrap();
                        self.most_at_once = self.most_at_once.max(at_once);
                    }
                    Verdict::Wait {
                        at_most, has_turn, ..
                    } => {
                        let again = at_most.min(step);
                        visit.waited += again;
                        visit.has_turn = has_turn;
                        later
                            .entry(now + if has_turn { at_most } else { again })
                            .or_default()
                            .push(visit);
                    }
                    Verdict::Park { wait, .. } => {
                        let hold = visit.hold + 1;
                        let parked = Visit {
                            hold,
                            ..Visit::default()
                        };
                        later.entry(now + wait).or_default().push(parked);
                    }
                }
            }
            now += step;
        }
        self.holds
            .extend(later.into_values().flatten().map(|visit| visit.hold));
    }
}

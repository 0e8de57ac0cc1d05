//! Crowds of jobs over minutes: limits that change, jobs that come by other ways, many endpoints at once.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Draw, Effect, Flows, Limits, Moment, Parked, Regime, Share, Terms, Verdict, Visit, elsewhere,
};
use crate::name::EndpointId;

const QUICK: Duration = Duration::from_millis(5);
/// How long a message is under way to the broker and back.
const UNDER_WAY: Duration = Duration::from_millis(1);
const TICK: Duration = Duration::from_millis(500);

#[test]
fn a_limit_that_is_raised_makes_nobody_wait_for_turns_of_the_old_one() {
    let mut crowd = Crowd::new(limited(Some(1.0), None), QUICK);
    crowd.arrive(600, Duration::ZERO);
    crowd.run(s(10));

    crowd.share = limited(Some(1_000.0), None);
    for n in 0..1_000 {
        crowd.arrive(1, s(10) + Duration::from_millis(10) * n);
    }
    crowd.run(s(21));

    let fresh = crowd.starts.iter().filter(|start| start.born >= s(10));
    assert_eq!(fresh.count(), 1_000);
}

#[test]
fn a_limit_that_is_lowered_holds_for_those_who_wait() {
    let mut crowd = Crowd::new(limited(Some(1_000.0), None), QUICK);
    crowd.arrive(20_000, Duration::ZERO);
    crowd.run(s(2));
    let before = crowd.starts.len();

    crowd.share = limited(Some(1.0), None);
    crowd.run(s(12));

    let started = crowd.starts.len() - before;
    // The few that wait where they are keep the turns that they have.
    assert!(started <= 12 + 51, "{started} in ten seconds");
}

#[test]
fn a_rate_is_kept_whichever_way_jobs_come_back() {
    let mut crowd = Crowd::new(limited(Some(2.0), None), QUICK);
    crowd.arrive(600, Duration::ZERO);
    crowd.run(s(10));

    // Passed on by other replicas, and never parked here.
    crowd.arrive_held(200, s(10), 1);
    crowd.run(s(20));

    let most = crowd.most_in(s(5));
    assert!(most <= 13, "{most} in five seconds");
}

#[test]
fn a_rate_is_kept_where_more_wait_than_turns_are_promised() {
    let mut crowd = Crowd::new(limited(Some(10.0), None), QUICK);

    crowd.arrive(20_000, Duration::ZERO);
    crowd.run(s(2_100));

    assert_eq!(crowd.starts.len(), 20_000);
    let most = crowd.most_in(s(10));
    assert!(most <= 112, "{most} in ten seconds");
}

#[test]
fn a_rate_is_kept_after_a_stop() {
    let mut crowd = Crowd::new(limited(Some(10.0), None), QUICK);
    crowd.arrive(6_000, Duration::ZERO);
    crowd.run(s(5));
    crowd.regime = Regime::Stopped {
        left: s(60),
        why: Parked::Breaker,
    };
    for n in 0..5_000 {
        crowd.arrive(1, s(5) + Duration::from_millis(10) * n);
    }
    crowd.run(s(65));

    crowd.regime = Regime::Normal;
    crowd.run(s(1_300));

    assert_eq!(crowd.starts.len(), 11_000);
    let most = crowd.most_in(s(10));
    assert!(most <= 112, "{most} in ten seconds");
}

#[test]
fn turns_that_a_stall_made_late_do_not_come_together() {
    for rate in [2_u32, 10, 100] {
        let mut crowd = Crowd::new(limited(Some(f64::from(rate)), None), QUICK);
        crowd.arrive(60 * rate, Duration::ZERO);
        crowd.run(s(10));

        crowd.stall_until(s(14));
        crowd.run(s(90));

        assert_eq!(crowd.starts.len(), usize::try_from(60 * rate).unwrap());
        for (window, most) in [(1, 2 * rate), (5, 6 * rate)] {
            let found = crowd.most_in(s(window));
            let most = usize::try_from(most).unwrap() + 1;
            assert!(found <= most, "{found} in {window} s at {rate}/s");
        }
    }
}

#[test]
fn a_rate_is_used_though_all_come_late() {
    let mut crowd = Crowd::new(limited(Some(10.0), None), QUICK);
    crowd.under_way = s(3);

    crowd.arrive(600, Duration::ZERO);
    crowd.run(s(70));

    assert_eq!(crowd.starts.len(), 600);
}

#[test]
fn a_rate_whose_turns_are_hours_apart_is_not_forgotten() {
    let mut crowd = Crowd::new(limited(Some(0.000_5), None), QUICK);

    crowd.arrive(3, Duration::ZERO);
    crowd.run(s(9_000));

    let at: Vec<u64> = crowd
        .starts
        .iter()
        .map(|start| start.at.as_secs())
        .collect();
    assert_eq!(at, [0, 2_000, 4_000]);
}

#[test]
fn being_passed_on_between_replicas_is_no_reason_to_wait_longer() {
    let mut crowd = Crowd::new(limited(None, Some(2)), Duration::from_millis(200));
    crowd.replicas = 4;

    crowd.arrive(1_000, Duration::ZERO);
    crowd.run(s(150));

    assert_eq!(crowd.starts.len(), 1_000, "100 s are enough for them");
}

#[test]
fn thousands_of_endpoints_that_begin_at_once_are_soon_known() {
    let mut crowd = Crowd::new(limited(None, None), Duration::from_millis(200));

    for n in 0..5_000_u32 {
        crowd.arrive_at(n, Duration::from_micros(125) * n);
    }
    crowd.run(s(15));

    assert_eq!(crowd.starts.len(), 5_000);
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
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

#[derive(Debug, Clone, Copy)]
struct Waiting {
    endpoint: u32,
    born: Moment,
    visit: Visit,
}

enum Next {
    Ask(Waiting),
    End { endpoint: u32, began: Moment },
    Tick,
}

struct Start {
    at: Moment,
    born: Moment,
}

/// One replica; each thing happens at its time.
struct Crowd {
    flows: Flows,
    share: Share,
    regime: Regime,
    /// How many replicas a job may come to, of which this one sends.
    replicas: u32,
    takes: Duration,
    /// How long a parked job is under way.
    under_way: Duration,
    now: Moment,
    agenda: BTreeMap<(Moment, u64), Next>,
    count: u64,
    chance: f64,
    starts: Vec<Start>,
}

impl Crowd {
    fn new(share: Share, takes: Duration) -> Self {
        let mut crowd = Self {
            flows: Flows::new(1_024),
            share,
            regime: Regime::Normal,
            replicas: 1,
            takes,
            under_way: UNDER_WAY,
            now: Duration::ZERO,
            agenda: BTreeMap::new(),
            count: 0,
            chance: 0.0,
            starts: Vec::new(),
        };
        crowd.plan(TICK, Next::Tick);
        crowd
    }

    fn arrive(&mut self, jobs: u32, at: Moment) {
        self.arrive_held(jobs, at, 0);
    }

    fn arrive_held(&mut self, jobs: u32, at: Moment, hold: u32) {
        for _ in 0..jobs {
            self.plan_job(1, at, hold);
        }
    }

    fn arrive_at(&mut self, endpoint: u32, at: Moment) {
        self.plan_job(endpoint, at, 0);
    }

    fn plan_job(&mut self, endpoint: u32, at: Moment, hold: u32) {
        let visit = Visit {
            hold,
            ..Visit::default()
        };
        let born = at;
        self.plan(
            at,
            Next::Ask(Waiting {
                endpoint,
                born,
                visit,
            }),
        );
    }

    /// Lets nobody ask until then.
    fn stall_until(&mut self, until: Moment) {
        for (at, next) in std::mem::take(&mut self.agenda) {
            let at = match next {
                Next::Ask(_) => at.0.max(until),
                Next::End { .. } | Next::Tick => at.0,
            };
            self.plan(at, next);
        }
    }

    fn plan(&mut self, at: Moment, next: Next) {
        self.count += 1;
        self.agenda.insert((at, self.count), next);
    }

    fn run(&mut self, until: Moment) {
        while let Some(entry) = self.agenda.first_entry().filter(|e| e.key().0 <= until) {
            self.now = entry.key().0;
            match entry.remove() {
                Next::Ask(job) => self.ask(job),
                Next::End { endpoint: n, began } => {
                    let now = self.now;
                    self.flows.finished(&endpoint(n), began, now, Effect::Taken);
                }
                Next::Tick => {
                    self.flows.tick(self.now);
                    self.plan(self.now + TICK, Next::Tick);
                }
            }
        }
        self.now = until;
    }

    fn ask(&mut self, job: Waiting) {
        match self.verdict(job) {
            Verdict::Start => {
                let (at, born) = (self.now, job.born);
                self.starts.push(Start { at, born });
                let endpoint = job.endpoint;
                self.plan(
                    at + self.takes,
                    Next::End {
                        endpoint,
                        began: at,
                    },
                );
            }
            Verdict::Wait {
                at_most,
                has_turn,
                until_ended,
            } => {
                let wait = if until_ended {
                    at_most.min(UNDER_WAY)
                } else {
                    at_most
                };
                let visit = Visit {
                    waited: job.visit.waited + wait,
                    has_turn,
                    ..job.visit
                };
                self.plan(self.now + wait, Next::Ask(Waiting { visit, ..job }));
            }
            Verdict::Park { wait, .. } => {
                let visit = Visit {
                    hold: job.visit.hold + 1,
                    ..Visit::default()
                };
                let back = self.now + wait + self.under_way;
                self.plan(back, Next::Ask(Waiting { visit, ..job }));
            }
        }
    }

    fn verdict(&mut self, job: Waiting) -> Verdict {
        if job.visit.waited.is_zero() && self.draw() * f64::from(self.replicas) >= 1.0 {
            return elsewhere(job.visit.hold);
        }
        let terms = Terms {
            share: self.share,
            regime: self.regime,
        };
        let draw = Draw {
            now: self.now,
            chance: self.draw(),
        };
        self.flows
            .ask(&endpoint(job.endpoint), job.visit, terms, draw)
    }

    fn draw(&mut self) -> f64 {
        self.chance = (self.chance + 0.618_033_988_75_f64).fract();
        self.chance
    }

    /// Returns the most starts within so long.
    fn most_in(&self, window: Duration) -> usize {
        let at: Vec<Moment> = self.starts.iter().map(|start| start.at).collect();
        let within = |from: usize| at[from..].partition_point(|time| *time <= at[from] + window);
        (0..at.len()).map(within).max().unwrap_or(0)
    }
}

//! Whether a job may start now: the flow of every endpoint, and those who wait for their turn in it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{
    flow::{self, Draw, Effect, Flows, Moment, Parked, Regime, Share, Terms, Visit},
    health::{Access, PROBE_LOOK},
    job::Job,
    name::EndpointId,
    outcome::Outcome,
    time::Timestamp,
};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{health::Keeper, peers::Peers, targets::Target};

/// How often everything that is under way is looked at anew.
const TICK: Duration = Duration::from_millis(500);
/// What a probe may take beyond the endpoint's time-out before another one is let through.
const PROBE_MARGIN: Duration = Duration::from_secs(5);

/// The traffic of this replica.
#[derive(Debug)]
pub(crate) struct Traffic {
    state: Mutex<State>,
    peers: Arc<Peers>,
    keeper: Arc<Keeper>,
    /// Where moments count from.
    origin: Instant,
}

#[derive(Debug)]
struct State {
    flows: Flows,
    /// Told when an attempt of the endpoint ends, for endpoints with jobs that wait for that.
    ended: HashMap<EndpointId, Arc<Notify>>,
}

/// Whether a job may start.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It may.
    Start(Pass),
    /// It has waited where it is and is to ask again: its endpoint may have changed meanwhile.
    Again,
    /// It is parked.
    Park {
        /// For how long.
        wait: Duration,
        /// Why.
        why: Parked,
    },
}

/// A job that asks for its turn. Dropped while it waits, it waits no longer.
#[derive(Debug)]
pub(crate) struct Visitor {
    traffic: Arc<Traffic>,
    endpoint: EndpointId,
    visit: Visit,
    is_waiting: bool,
}

/// An attempt under way. Dropped before [`Pass::ended`], it was cut off, and nothing is learnt from it.
#[derive(Debug)]
pub(crate) struct Pass {
    traffic: Arc<Traffic>,
    endpoint: EndpointId,
    began: Moment,
    /// Whether it probes an endpoint whose breaker is open.
    pub(crate) is_probe: bool,
    effect: Option<Effect>,
}

impl Traffic {
    pub(crate) fn new(places: usize, peers: Arc<Peers>, keeper: Arc<Keeper>) -> Self {
        Self {
            state: Mutex::new(State {
                flows: Flows::new(u32::try_from(places).unwrap_or(u32::MAX)),
                ended: HashMap::new(),
            }),
            peers,
            keeper,
            origin: Instant::now(),
        }
    }

    /// Lets a job ask for its turn.
    pub(crate) fn visitor(self: &Arc<Self>, job: &Job) -> Visitor {
        Visitor {
            traffic: Arc::clone(self),
            endpoint: job.endpoint.clone(),
            visit: Visit {
                hold: job.hold,
                ..Visit::default()
            },
            is_waiting: false,
        }
    }

    /// Asks once; where the answer is to wait for the end of another attempt, returns what tells of it.
    fn ask(
        &self,
        endpoint: &EndpointId,
        visit: Visit,
        terms: Terms,
    ) -> (flow::Verdict, Option<Arc<Notify>>) {
        let draw = Draw {
            now: self.now(),
            chance: lifecycle::entropy::unit(),
        };
        let mut state = self.state.lock();
        let verdict = state.flows.ask(endpoint, visit, terms, draw);
        let waits_for_end = matches!(
            verdict,
            flow::Verdict::Wait {
                until_ended: true,
                ..
            }
        );
        let ended =
            waits_for_end.then(|| Arc::clone(state.ended.entry(endpoint.clone()).or_default()));
        (verdict, ended)
    }

    /// Returns what the endpoint gets at the moment, or `None` if this job is its probe.
    async fn regime(&self, target: &Target, share: Share) -> Option<Regime> {
        let endpoint = &target.endpoint;
        if endpoint.is_paused {
            return Some(stopped(Duration::ZERO, Parked::Paused));
        }
        let Some(stored) = self.keeper.of(&endpoint.id) else {
            return Some(Regime::Normal);
        };
        let now = Timestamp::from_millis(lifecycle::clock::now_ms());
        match stored.health.access(now) {
            Access::Free => Some(Regime::Normal),
            Access::Ramp { per_s, left } => Some(Regime::Recovering {
                rate: per_s / f64::from(share.replicas),
                left,
            }),
            Access::Closed { left } => Some(stopped(left, Parked::Breaker)),
            Access::Probe => {
                let longest = target.timeout + PROBE_MARGIN;
                let is_ours = self.keeper.claim_probe(endpoint, &stored, longest).await;
                (!is_ours).then(|| stopped(PROBE_LOOK, Parked::Breaker))
            }
        }
    }

    fn probe(self: &Arc<Self>, endpoint: &EndpointId, visit: Visit) -> Pass {
        self.state.lock().flows.started(endpoint, visit, self.now());
        self.pass(endpoint, true)
    }

    fn pass(self: &Arc<Self>, endpoint: &EndpointId, is_probe: bool) -> Pass {
        Pass {
            traffic: Arc::clone(self),
            endpoint: endpoint.clone(),
            began: self.now(),
            is_probe,
            effect: None,
        }
    }

    fn finished(&self, endpoint: &EndpointId, began: Moment, effect: Option<Effect>) {
        let now = self.now();
        let mut state = self.state.lock();
        match effect {
            Some(effect) => state.flows.finished(endpoint, began, now, effect),
            None => state.flows.cut_off(endpoint, now),
        }
        if let Some(ended) = state.ended.get(endpoint) {
            ended.notify_one();
            // A success may have made room for one more.
            if effect == Some(Effect::Taken) {
                ended.notify_one();
            }
        }
    }

    /// Looks at everything anew until `stop`.
    pub(crate) async fn keep_time(self: Arc<Self>, stop: CancellationToken) {
        let ticking = async {
            loop {
                tokio::time::sleep(TICK).await;
                let now = self.now();
                let mut state = self.state.lock();
                state.flows.tick(now);
                state.ended.retain(|_, ended| Arc::strong_count(ended) > 1);
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = ticking => {}
        }
    }

    fn now(&self) -> Moment {
        self.origin.elapsed()
    }
}

impl Visitor {
    /// Asks whether the job may start. One whose turn is near waits for it here.
    pub(crate) async fn ask(&mut self, target: &Target) -> Admission {
        let traffic = Arc::clone(&self.traffic);
        let Some(share) = traffic.peers.share(&target.endpoint) else {
            return parked(flow::elsewhere(self.visit.hold));
        };
        let Some(regime) = traffic.regime(target, share).await else {
            self.is_waiting = false;
            return Admission::Start(traffic.probe(&self.endpoint, self.visit));
        };
        let terms = Terms { share, regime };
        let (verdict, ended) = traffic.ask(&self.endpoint, self.visit, terms);
        self.is_waiting = false;
        match verdict {
            flow::Verdict::Start => Admission::Start(traffic.pass(&self.endpoint, false)),
            flow::Verdict::Wait {
                at_most, has_turn, ..
            } => {
                self.is_waiting = true;
                let began = Instant::now();
                wait(at_most, ended).await;
                self.visit.waited += began.elapsed().max(Duration::from_nanos(1));
                self.visit.has_turn = has_turn;
                Admission::Again
            }
            flow::Verdict::Park { .. } => parked(verdict),
        }
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        if self.is_waiting {
            let now = self.traffic.now();
            self.traffic.state.lock().flows.gone(&self.endpoint, now);
        }
    }
}

impl Pass {
    /// Takes in how the attempt ended.
    pub(crate) fn ended(mut self, outcome: &Outcome) {
        self.effect = Some(Effect::of(outcome));
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.traffic
            .finished(&self.endpoint, self.began, self.effect);
    }
}

fn stopped(left: Duration, why: Parked) -> Regime {
    Regime::Stopped { left, why }
}

fn parked(verdict: flow::Verdict) -> Admission {
    match verdict {
        flow::Verdict::Park { wait, why } => Admission::Park { wait, why },
        flow::Verdict::Start | flow::Verdict::Wait { .. } => Admission::Park {
            wait: Duration::ZERO,
            why: Parked::Elsewhere,
        },
    }
}

/// Waits so long, or until an attempt of the endpoint ends, if that is what is waited for.
async fn wait(at_most: Duration, ended: Option<Arc<Notify>>) {
    match ended {
        Some(ended) => {
            let _elapsed = tokio::time::timeout(at_most, ended.notified()).await;
        }
        None => tokio::time::sleep(at_most).await,
    }
}

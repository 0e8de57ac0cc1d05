//! Whether a job may start, as `traffic.rs` asks the rules.

use std::{collections::VecDeque, rc::Rc, time::Duration};

use domain::{
    endpoint::Endpoint,
    flow::{self, Draw, Effect, Limits, Parked, Regime, Share, Terms, Verdict, Visit},
    health::{Access, PROBE_LOOK},
    name::EndpointId,
};

use super::{Attempt, Doing, Next, Replica, Task, Waiting};
use crate::outside::{Mistake, Outside};

/// What a probe may take beyond the endpoint's time-out before another one is let through.
const PROBE_MARGIN: Duration = Duration::from_secs(5);

impl Replica {
    /// Decides whether a job may start.
    pub(super) fn admit(
        &mut self,
        task: &Task,
        endpoint: Rc<Endpoint>,
        visit: Visit,
        outside: &mut Outside,
    ) -> Next {
        let Some(share) = self.share(&endpoint, outside) else {
            self.goes(&endpoint.id, visit, outside);
            let verdict = flow::elsewhere(task.job.hold);
            return self.park(task, parking(verdict), outside);
        };
        let waiting = Waiting {
            endpoint,
            share,
            visit,
            since: outside.agenda.now,
            until_ended: false,
        };
        self.ask(task, waiting, outside)
    }

    /// Asks once more after a wait in its place, of its endpoint as it is now.
    pub(super) fn ask_again(
        &mut self,
        id: u64,
        task: &Task,
        waiting: &Waiting,
        outside: &mut Outside,
    ) -> Next {
        if let Some((tasks, _)) = self.waiting.get_mut(&waiting.endpoint.id) {
            tasks.retain(|other| *other != id);
        }
        let waited = outside.agenda.now.since(waiting.since);
        let mut visit = waiting.visit;
        visit.waited += waited.max(Duration::from_nanos(1));
        self.deliver(task, visit, outside)
    }

    /// Takes note that a job that waited in its place does so no longer.
    pub(super) fn goes(&mut self, endpoint: &EndpointId, visit: Visit, outside: &Outside) {
        if !visit.waited.is_zero() {
            let now = self.moment(outside.agenda.now);
            self.flows.gone(endpoint, now);
        }
    }

    fn ask(&mut self, task: &Task, mut waiting: Waiting, outside: &mut Outside) -> Next {
        let (now, share, visit) = (outside.agenda.now, waiting.share, waiting.visit);
        let endpoint = Rc::clone(&waiting.endpoint);
        let Some(regime) = self.regime(&endpoint, share, outside) else {
            self.flows.started(&endpoint.id, visit, self.moment(now));
            return self.start(task, endpoint, true, outside);
        };
        let draw = Draw {
            now: self.moment(now),
            chance: outside.agenda.random.unit(),
        };
        let terms = Terms { share, regime };
        let verdict = self.flows.ask(&endpoint.id, visit, terms, draw);
        match verdict {
            Verdict::Start => self.start(task, endpoint, false, outside),
            Verdict::Wait {
                at_most,
                has_turn,
                until_ended,
            } => {
                waiting.visit.has_turn = has_turn;
                waiting.since = now;
                waiting.until_ended = until_ended;
                (Doing::Waiting(waiting), at_most)
            }
            Verdict::Park { .. } => self.park(task, parking(verdict), outside),
        }
    }

    /// Returns what this replica may use of an endpoint's limits, as `peers.rs` does.
    fn share(&self, endpoint: &Endpoint, outside: &Outside) -> Option<Share> {
        let rate = endpoint
            .rate_limit
            .filter(|_| !outside.makes(Mistake::IgnoresRates));
        let limits = Limits {
            rate,
            in_flight: endpoint.max_in_flight,
        };
        if outside.makes(Mistake::ForgetsPeers) {
            return flow::share(limits, 1, true);
        }
        let is_owner = flow::owner(&endpoint.id, &self.living) == Some(self.name.as_str());
        flow::share(limits, u32::try_from(self.living.len()).unwrap(), is_owner)
    }

    /// Returns what the endpoint gets at the moment, or `None` if this job is its probe.
    fn regime(
        &mut self,
        endpoint: &Endpoint,
        share: Share,
        outside: &mut Outside,
    ) -> Option<Regime> {
        if endpoint.is_paused && !outside.makes(Mistake::IgnoresPauses) {
            return Some(stopped(Duration::ZERO, Parked::Paused));
        }
        let Some(stored) = self.healths.get(&endpoint.id).cloned() else {
            return Some(Regime::Normal);
        };
        match stored.value.access(outside.agenda.now) {
            Access::Free => Some(Regime::Normal),
            Access::Ramp { per_s, left } => Some(Regime::Recovering {
                rate: per_s / f64::from(share.replicas),
                left,
            }),
            Access::Closed { left } => Some(stopped(left, Parked::Breaker)),
            Access::Probe => {
                let timeout = Duration::from_millis(endpoint.timeout_ms.into());
                let longest = timeout + PROBE_MARGIN;
                let is_ours = outside.makes(Mistake::ProbesUnasked)
                    || self.claim_probe(endpoint, &stored, longest, outside);
                (!is_ours).then(|| stopped(PROBE_LOOK, Parked::Breaker))
            }
        }
    }

    /// Takes in the end of an attempt, and wakes who waited for it.
    pub(super) fn finished(&mut self, attempt: &Attempt, effect: Effect, outside: &mut Outside) {
        let endpoint = &attempt.endpoint.id;
        let began = self.moment(attempt.began);
        let now = self.moment(outside.agenda.now);
        if !(outside.makes(Mistake::IgnoresPlaces) && effect == Effect::Overloaded) {
            self.flows.finished(endpoint, began, now, effect);
        } else {
            self.flows.cut_off(endpoint, now);
        }
        self.wake(endpoint, outside);
        // A success may have made room for one more.
        if effect == Effect::Taken {
            self.wake(endpoint, outside);
        }
    }

    fn wake(&mut self, endpoint: &EndpointId, outside: &mut Outside) {
        let Some((tasks, has_ended)) = self.waiting.get_mut(endpoint) else {
            return;
        };
        match tasks.pop_front() {
            Some(task) => self.go_on_after(task, Duration::ZERO, outside),
            None => *has_ended = true,
        }
    }

    /// Enters a task among those who wait for the end of another attempt; returns whether one has ended
    /// that nobody waited for.
    pub(super) fn is_woken(&mut self, endpoint: &EndpointId, task: u64) -> bool {
        let (tasks, has_ended) = self
            .waiting
            .entry(endpoint.clone())
            .or_insert_with(|| (VecDeque::new(), false));
        if std::mem::take(has_ended) {
            return true;
        }
        tasks.push_back(task);
        false
    }
}

fn stopped(left: Duration, why: Parked) -> Regime {
    Regime::Stopped { left, why }
}

fn parking(verdict: Verdict) -> (Duration, Parked) {
    match verdict {
        Verdict::Park { wait, why } => (wait, why),
        Verdict::Start | Verdict::Wait { .. } => (Duration::ZERO, Parked::Elsewhere),
    }
}

//! What was promised, checked at every step.

mod limits;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{
    endpoint::Endpoint,
    flow::LONGEST_WAIT_FOR_END,
    health,
    job::Job,
    name::EndpointId,
    outcome::{ErrorKind, Outcome},
    retry::Reason,
    time::Timestamp,
};

use self::limits::Limits;
use crate::{broker::Broker, receiver::Behaviour};

/// How long a change takes to be known everywhere, with what may be waiting in its place then.
const KNOWN_AFTER: Duration = LONGEST_WAIT_FOR_END.saturating_add(Duration::from_millis(200));
/// The same, if the broker may have been away meanwhile.
const KNOWN_AT_LAST_AFTER: Duration = Duration::from_secs(15);
/// How long limits may be overrun after a change of replicas: a heartbeat, and a look at it.
const SHARED_ANEW_AFTER: Duration = Duration::from_millis(6_000);
/// A time-out that makes an endpoint slow by the first attempt that reaches it.
const TELLING_TIMEOUT: Duration = Duration::from_secs(6);

/// Turns that were promised may be taken so much later, by the grain and the lateness of waits.
const LATE: Duration = Duration::from_millis(2_500);
/// The same, when a replica has pulled nothing for a while: what came due meanwhile comes together.
const LATE_AFTER_STALL: Duration = Duration::from_millis(5_500);
/// How long what a stall has brought together may show.
const STALLED_FOR: Duration = Duration::from_secs(15);

/// What is known of one run of a job.
#[derive(Debug, Default)]
struct Life {
    /// How often something happened that may repeat an attempt: a crash, a lost ack, a redelivery.
    disturbances: u32,
    /// How often each attempt was started.
    starts: BTreeMap<u32, u32>,
    recorded: BTreeSet<u32>,
    is_taken: bool,
    is_delivered: bool,
    is_dead: bool,
}

/// An attempt under way.
#[derive(Debug, Clone)]
pub(crate) struct UnderWay {
    pub(crate) replica: u32,
    pub(crate) endpoint: EndpointId,
    pub(crate) began: Timestamp,
    pub(crate) is_probe: bool,
    /// Whether its replica had seen that the endpoint hangs.
    hangs: bool,
}

/// An attempt that is about to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) replica: u32,
    pub(crate) job: &'a Job,
    pub(crate) is_probe: bool,
}

/// What is known of one endpoint.
#[derive(Debug)]
struct Conduct {
    behaviour: Behaviour,
    behaves_since: Timestamp,
    changed_at: Timestamp,
    limits: Limits,
    /// Retries that were allowed, with the time from which on.
    max_retries: Vec<(Timestamp, u32)>,
    /// Replicas that have seen it hang, and when last.
    hung_for: BTreeMap<u32, Timestamp>,
    /// The opening of the breaker that the probe under way belongs to.
    probed: Option<(u64, Timestamp)>,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) runs: usize,
    pub(crate) delivered: usize,
    pub(crate) dead: usize,
    pub(crate) disturbed: usize,
    pub(crate) attempts: usize,
    pub(crate) probes: usize,
    pub(crate) parkings: usize,
    pub(crate) duplicates: usize,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    /// The first promise that was broken.
    pub(crate) fault: Option<String>,
    pub(crate) summary: Summary,
    places: usize,
    lives: BTreeMap<String, Life>,
    conducts: BTreeMap<EndpointId, Conduct>,
    under_way: BTreeMap<u64, UnderWay>,
    /// Until when replicas may disagree on who there is.
    unsteady_until: Timestamp,
    /// When a replica last began to publish something again, and therefore to pull nothing.
    stalled_at: Option<Timestamp>,
    count: u64,
}

impl Ledger {
    pub(crate) fn new(places: u32, now: Timestamp) -> Self {
        Self {
            fault: None,
            summary: Summary::default(),
            places: usize::try_from(places).unwrap(),
            lives: BTreeMap::new(),
            conducts: BTreeMap::new(),
            under_way: BTreeMap::new(),
            unsteady_until: now.after(SHARED_ANEW_AFTER),
            stalled_at: None,
            count: 0,
        }
    }

    /// Notes that something happened that may repeat what was being done for a job.
    pub(crate) fn disturbed(&mut self, job: &Job) {
        self.life(job).disturbances += 1;
    }

    pub(crate) fn replicas_changed(&mut self, now: Timestamp) {
        self.unsteady_until = now.after(SHARED_ANEW_AFTER);
    }

    /// Notes that a replica pulls nothing while it publishes something again.
    pub(crate) fn stalled(&mut self, now: Timestamp) {
        self.stalled_at = Some(now);
    }

    /// Forgets what was under way in a replica that is no more.
    pub(crate) fn crashed(&mut self, replica: u32) {
        self.under_way
            .retain(|_, attempt| attempt.replica != replica);
        for conduct in self.conducts.values_mut() {
            conduct.probed = conduct
                .probed
                .filter(|(id, _)| self.under_way.contains_key(id));
        }
    }

    pub(crate) fn configured(&mut self, endpoint: &Endpoint, now: Timestamp) {
        let conduct = self
            .conducts
            .entry(endpoint.id.clone())
            .or_insert_with(|| Conduct {
                behaviour: Behaviour::Up,
                behaves_since: now,
                changed_at: now,
                limits: Limits::default(),
                max_retries: Vec::new(),
                hung_for: BTreeMap::new(),
                probed: None,
            });
        conduct.changed_at = now;
        conduct.limits.set(endpoint);
        conduct.max_retries.push((now, endpoint.max_retries()));
    }

    pub(crate) fn behaves(&mut self, endpoint: &EndpointId, behaviour: Behaviour, now: Timestamp) {
        let conduct = self.conducts.get_mut(endpoint).unwrap();
        conduct.behaviour = behaviour;
        conduct.behaves_since = now;
        conduct.hung_for.clear();
    }

    pub(crate) fn in_flight(&self, endpoint: &EndpointId) -> usize {
        self.under_way
            .values()
            .filter(|attempt| attempt.endpoint == *endpoint)
            .count()
    }

    /// Checks an attempt that starts; returns what to end it with.
    pub(crate) fn starts(&mut self, start: Start<'_>, broker: &Broker, now: Timestamp) -> u64 {
        self.summary.attempts += 1;
        self.summary.probes += usize::from(start.is_probe);
        self.check_numbers(start, now);
        self.check_access(start, broker, now);
        let hangs = self.hangs(start, now);
        self.count += 1;
        let attempt = UnderWay {
            replica: start.replica,
            endpoint: start.job.endpoint.clone(),
            began: now,
            is_probe: start.is_probe,
            hangs,
        };
        self.under_way.insert(self.count, attempt);
        if !start.is_probe {
            self.check_limits(start, now);
            self.check_places(start.replica, hangs);
        }
        self.count
    }

    pub(crate) fn ends(&mut self, id: u64, job: &Job, outcome: &Outcome, now: Timestamp) {
        let Some(attempt) = self.under_way.remove(&id) else {
            return;
        };
        self.life(job).is_taken |= outcome.is_success();
        let conduct = self.conducts.get_mut(&attempt.endpoint).unwrap();
        if conduct.probed.is_some_and(|(probe, _)| probe == id) {
            conduct.probed = None;
        }
        let took = now.since(attempt.began);
        let hung = conduct.behaviour == Behaviour::Hanging
            && attempt.began >= conduct.behaves_since
            && outcome.error_kind() == Some(ErrorKind::Timeout)
            && took >= TELLING_TIMEOUT;
        if hung {
            conduct.hung_for.insert(attempt.replica, now);
        }
    }

    pub(crate) fn recorded(&mut self, job: &Job, is_success: bool) {
        let life = self.life(job);
        life.recorded.insert(job.attempt);
        life.is_delivered |= is_success;
    }

    /// Checks a retry that is about to be stored, after an attempt that began then.
    pub(crate) fn retries(&mut self, job: &Job, next: &Job, began: Timestamp) {
        let in_force = &self.conducts[&job.endpoint].max_retries;
        let is_old = |since: &Timestamp| since.after(KNOWN_AT_LAST_AFTER) < began;
        let before = in_force.iter().rev().find(|(since, _)| is_old(since));
        let meanwhile = in_force.iter().filter(|(since, _)| !is_old(since));
        let most = meanwhile.chain(before).map(|(_, most)| *most).max();
        if most.is_none_or(|most| next.retry > most) {
            self.broken(format!(
                "{} is retry {} of {most:?}",
                next.waiting_id(),
                next.retry
            ));
        }
        if (next.attempt, next.retry, next.hold) != (job.attempt + 1, job.retry + 1, 0) {
            self.broken(format!(
                "{} follows {}",
                next.waiting_id(),
                job.waiting_id()
            ));
        }
        self.check_recorded(job);
    }

    /// Checks a parking that is about to be stored.
    pub(crate) fn parks(&mut self, job: &Job, next: &Job) {
        self.summary.parkings += 1;
        if (next.attempt, next.retry, next.hold) != (job.attempt, job.retry, job.hold + 1) {
            self.broken(format!(
                "{} is parked as {}",
                job.waiting_id(),
                next.waiting_id()
            ));
        }
    }

    /// Notes that the dead letter of a job is stored.
    pub(crate) fn buried(&mut self, job: &Job) {
        self.life(job).is_dead = true;
    }

    /// Checks why a job is given up.
    pub(crate) fn gives_up(&mut self, job: &Job, reason: Reason, broker: &Broker, now: Timestamp) {
        let found = broker.endpoints.get(&job.endpoint);
        let fits = match reason {
            Reason::EndpointDeleted => found.is_none(),
            Reason::EndpointDisabled => found.is_none_or(|entry| !entry.value.is_enabled),
            Reason::Exhausted | Reason::NotRetried | Reason::NonRetryable | Reason::Gone => {
                self.check_recorded(job);
                true
            }
            // Every handler of the model comes to its end.
            Reason::Poison => false,
            Reason::ManualRetryFailed | Reason::Backlog => true,
        };
        if !fits && self.is_known(&job.endpoint, broker, now) {
            self.broken(format!(
                "{} is a dead letter: {}",
                job.waiting_id(),
                reason.as_str()
            ));
        }
    }

    /// Notes a publish that was answered as a duplicate, the first time that it was made.
    pub(crate) fn duplicate(&mut self, job: &Job) {
        self.summary.duplicates += 1;
        if self.life(job).disturbances == 0 {
            self.broken(format!("{} is swallowed as a duplicate", job.waiting_id()));
        }
    }

    /// Checks that a job whose message has just left the queues is somewhere.
    pub(crate) fn left(&mut self, job: &Job, broker: &Broker) {
        let run = job.run_id();
        let life = &self.lives[&run];
        if !(life.is_delivered || life.is_dead || broker.holds(&run)) {
            self.broken(format!("{} is lost", job.waiting_id()));
        }
    }

    /// Notes a job that fan-out has made.
    pub(crate) fn made(&mut self, job: &Job, is_repeated: bool) {
        self.life(job).disturbances += u32::from(is_repeated);
    }

    /// Checks what must be true when time has run out.
    pub(crate) fn finish(&mut self, broker: &Broker) -> Summary {
        let left = broker.left();
        if !left.is_empty() {
            self.broken(format!(
                "{} jobs still wait: {:?}",
                left.len(),
                &left[..left.len().min(5)]
            ));
        }
        let homeless = self
            .lives
            .iter()
            .find(|(_, life)| !life.is_delivered && !life.is_dead);
        if let Some((run, _)) = homeless {
            self.broken(format!("{run} is neither delivered nor a dead letter"));
        }
        let count = |is: fn(&Life) -> bool| self.lives.values().filter(|life| is(life)).count();
        Summary {
            runs: self.lives.len(),
            delivered: count(|life| life.is_delivered),
            dead: count(|life| life.is_dead),
            disturbed: count(|life| life.disturbances > 0),
            ..self.summary
        }
    }

    fn check_numbers(&mut self, start: Start<'_>, now: Timestamp) {
        let job = start.job;
        let life = self.life(job);
        let is_next = job.attempt == 1 || life.recorded.contains(&(job.attempt - 1));
        let starts = life.starts.entry(job.attempt).or_default();
        *starts += 1;
        let (starts, allowed) = (*starts, 1 + life.disturbances);
        let is_late = life.is_taken && life.disturbances == 0;
        if !is_next {
            self.broken(format!(
                "{} starts without the one before",
                job.waiting_id()
            ));
        }
        if starts > allowed {
            self.broken(format!(
                "{} starts for the {starts}th time",
                job.waiting_id()
            ));
        }
        if is_late {
            self.broken(format!("{} starts after a success", job.waiting_id()));
        }
        if !job.remaining(now).is_zero() {
            self.broken(format!("{} starts before it is due", job.waiting_id()));
        }
    }

    fn check_access(&mut self, start: Start<'_>, broker: &Broker, now: Timestamp) {
        let endpoint = &start.job.endpoint;
        let allowed = broker
            .endpoints
            .get(endpoint)
            .is_some_and(|entry| entry.value.is_enabled && !entry.value.is_paused);
        if !allowed && self.is_known(endpoint, broker, now) {
            self.broken(format!("{endpoint} gets a request though it is stopped"));
        }
        let Some(health) = broker
            .healths
            .get(endpoint)
            .map(|entry| entry.value.clone())
        else {
            return;
        };
        let conduct = self.conducts.get_mut(endpoint).unwrap();
        if health.state != health::State::Open {
            return;
        }
        if start.is_probe {
            let id = self.count + 1;
            let opening = health.since;
            if conduct
                .probed
                .replace((id, opening))
                .is_some_and(|(_, before)| before == opening)
            {
                self.broken(format!("{endpoint} gets two probes at once"));
            }
        } else if health.since.max(broker.up_since).after(KNOWN_AFTER) < now {
            self.broken(format!(
                "{endpoint} gets a request though its breaker is open"
            ));
        }
    }

    fn check_limits(&mut self, start: Start<'_>, now: Timestamp) {
        let endpoint = &start.job.endpoint;
        let conduct = self.conducts.get_mut(endpoint).unwrap();
        let steady_from = self
            .unsteady_until
            .max(conduct.changed_at.after(KNOWN_AFTER));
        let at_once = self.under_way.values().filter(|attempt| {
            attempt.endpoint == *endpoint && attempt.began > steady_from && !attempt.is_probe
        });
        let is_late = self
            .stalled_at
            .is_some_and(|at| now.since(at) < STALLED_FOR);
        let late = if is_late { LATE_AFTER_STALL } else { LATE };
        let broken = conduct
            .limits
            .check((at_once.count(), late), now, steady_from);
        if let Some(broken) = broken {
            self.broken(format!("{endpoint} gets too much: {broken}"));
        }
    }

    /// What hangs, and is known to hang, starts on at most half of the places.
    fn check_places(&mut self, replica: u32, hangs: bool) {
        let hanging = self.under_way.values();
        let hanging = hanging
            .filter(|attempt| attempt.replica == replica && attempt.hangs)
            .count();
        if hangs && hanging > self.places / 2 {
            self.broken(format!(
                "{hanging} of {} places of replica {replica} hang",
                self.places
            ));
        }
    }

    fn hangs(&self, start: Start<'_>, now: Timestamp) -> bool {
        let conduct = &self.conducts[&start.job.endpoint];
        // After a quarter of an hour without a word it is a stranger again.
        let recent = Duration::from_secs(600);
        let last = conduct.hung_for.get(&start.replica);
        conduct.behaviour == Behaviour::Hanging
            && last.is_some_and(|last| now.since(*last) < recent)
    }

    /// Forgets the probe under way: a person has reset the breaker.
    pub(crate) fn reset(&mut self, endpoint: &EndpointId) {
        self.conducts.get_mut(endpoint).unwrap().probed = None;
    }

    fn check_recorded(&mut self, job: &Job) {
        if !self.life(job).recorded.contains(&job.attempt) {
            self.broken(format!(
                "{} goes on before it is recorded",
                job.waiting_id()
            ));
        }
    }

    /// Returns whether the endpoint's config has been the same for long enough to be known.
    fn is_known(&self, endpoint: &EndpointId, broker: &Broker, now: Timestamp) -> bool {
        let changed_at = self.conducts[endpoint].changed_at;
        changed_at.max(broker.up_since).after(KNOWN_AFTER) < now
    }

    fn life(&mut self, job: &Job) -> &mut Life {
        self.lives.entry(job.run_id()).or_default()
    }

    fn broken(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }
}

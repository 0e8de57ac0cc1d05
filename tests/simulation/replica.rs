//! A replica of delivery: the shell around the pure rules, in the order of `worker.rs` and `traffic.rs`.
//!
//! Everything that takes time there (a request, a publish, an ack) is an event here, so a crash can come
//! between any two of them.

mod admission;
mod keeper;
mod publishing;

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use domain::{
    dispatch::{self, Follow, Step},
    endpoint::Endpoint,
    flow::{Effect, Flows, Moment, Parked, Share, Visit},
    health::{Health, Tally},
    job::Job,
    name::EndpointId,
    outcome::{self, Exchange, Outcome},
    retry::Reason,
    time::Timestamp,
};
use jetstream::{
    consumer::Settlement,
    retry_lane::Cargo,
    wire::{self, TraceHeaders},
};

use self::publishing::Publishing;
use crate::{
    agenda::{Entry, Event, News},
    broker::{Handed, Stream},
    ledger::Start,
    outside::{Mistake, Outside},
};

/// How often everything under way is looked at anew.
const TICK: Duration = Duration::from_millis(500);
/// How long a job is parked at first for want of something of ours.
const UNUSABLE: Duration = Duration::from_secs(5);
const UNUSABLE_DOUBLINGS: u32 = 7;
/// The longest that a record waits for company, in milliseconds.
const BATCH_AGE_MS: u64 = 10;

/// One replica.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) is_draining: bool,
    /// From when on it pulls.
    pub(crate) pulls_from: Timestamp,
    /// The replicas that it knows of.
    pub(crate) living: Vec<String>,
    tasks: BTreeMap<u64, Task>,
    /// Publishes that are being tried again.
    stalls: usize,
    flows: Flows,
    ticked_at: Timestamp,
    /// Where moments count from.
    origin: Timestamp,
    endpoints: BTreeMap<EndpointId, Entry<Rc<Endpoint>>>,
    healths: BTreeMap<EndpointId, Entry<Health>>,
    tallies: BTreeMap<EndpointId, Tally>,
    /// Tasks that wait for the end of another attempt of their endpoint, and whether one has ended that
    /// nobody waited for.
    waiting: BTreeMap<EndpointId, (VecDeque<u64>, bool)>,
    count: u64,
}

/// One message that is being handled.
#[derive(Debug)]
struct Task {
    handed: Handed,
    job: Job,
    cargo: Cargo,
    /// Counts the events that make it go on; only the latest does.
    turn: u64,
    doing: Doing,
}

/// Where a task stands: what is done next when it goes on.
#[derive(Debug)]
enum Doing {
    Begin,
    /// Waits for its turn in its place.
    Waiting(Waiting),
    /// The request is under way.
    Attempting(Attempt),
    /// The record is under way, and this follows.
    Recording(Attempt, Outcome, Follow),
    /// What follows is under way.
    Publishing(Publishing),
    /// The settlement is under way.
    Settling(Settlement),
}

#[derive(Debug)]
struct Waiting {
    endpoint: Rc<Endpoint>,
    share: Share,
    visit: Visit,
    since: Timestamp,
    /// Whether the end of another attempt ends the wait.
    until_ended: bool,
}

#[derive(Debug)]
struct Attempt {
    endpoint: Rc<Endpoint>,
    /// Under which the ledger knows it.
    id: u64,
    began: Timestamp,
    is_probe: bool,
    exchange: Exchange,
}

/// What a task does next, and how long it takes to get there.
type Next = (Doing, Duration);

impl Replica {
    /// Starts a replica that knows what the buckets hold.
    pub(crate) fn new(id: u32, outside: &mut Outside) -> Self {
        let now = outside.agenda.now;
        outside.watchers.insert(id, now);
        let name = format!("replica-{id}");
        let places = if outside.makes(Mistake::IgnoresPlaces) {
            outside.setting.places * 8
        } else {
            outside.setting.places
        };
        Self {
            id,
            living: vec![name.clone()],
            name,
            is_draining: false,
            pulls_from: now.after(outside.agenda.random.millis(50, 500)),
            tasks: BTreeMap::new(),
            stalls: 0,
            flows: Flows::new(places),
            ticked_at: now,
            origin: now,
            endpoints: outside.broker.endpoints.all().clone(),
            healths: outside.broker.healths.all().clone(),
            tallies: BTreeMap::new(),
            waiting: BTreeMap::new(),
            count: 0,
        }
    }

    /// Returns whether it asks for messages of a lane.
    pub(crate) fn pulls(&self, lane: Stream, outside: &Outside) -> bool {
        let handled = self
            .tasks
            .values()
            .filter(|task| task.handed.lane == lane)
            .count();
        !self.is_draining
            && self.stalls == 0
            && self.pulls_from <= outside.agenda.now
            && handled < usize::try_from(outside.setting.places).unwrap()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Takes a message.
    pub(crate) fn take(&mut self, handed: Handed, outside: &mut Outside) {
        let mut job = wire::job::decode(&handed.header).unwrap();
        if outside.makes(Mistake::CountsDeliveries) {
            job.attempt = u32::try_from(handed.deliveries).unwrap();
        }
        let cargo = Cargo {
            body: Bytes::new(),
            trace: TraceHeaders::default(),
            previous: Some(handed.header.clone()),
        };
        let task = Task {
            handed,
            job,
            cargo,
            turn: 0,
            doing: Doing::Begin,
        };
        self.count += 1;
        self.tasks.insert(self.count, task);
        let wait = outside.agenda.random.millis(1, 3);
        self.go_on_after(self.count, wait, outside);
    }

    /// Lets a task go on, unless it has gone on for another reason.
    pub(crate) fn goes_on(&mut self, id: u64, turn: u64, outside: &mut Outside) {
        if self.tasks.get(&id).is_none_or(|task| task.turn != turn) {
            return;
        }
        let now = outside.agenda.now;
        if now.since(self.ticked_at) >= TICK {
            self.ticked_at = now;
            self.flows.tick(self.moment(now));
            self.waiting.retain(|_, (tasks, _)| !tasks.is_empty());
        }
        let Some(mut task) = self.tasks.remove(&id) else {
            return;
        };
        let doing = std::mem::replace(&mut task.doing, Doing::Begin);
        let (doing, wait) = match doing {
            Doing::Begin => self.begin(&task, outside),
            Doing::Waiting(waiting) => self.ask_again(id, &task, &waiting, outside),
            Doing::Attempting(attempt) => self.attempted(&task, attempt, outside),
            Doing::Recording(attempt, outcome, follow) => {
                self.recorded(&task, attempt, (outcome, follow), outside)
            }
            Doing::Publishing(publishing) => self.published(&task, publishing, outside),
            Doing::Settling(settlement) => return settle(&task, settlement, outside),
        };
        let is_woken = matches!(&doing, Doing::Waiting(waiting)
            if waiting.until_ended && self.is_woken(&waiting.endpoint.id, id));
        task.doing = doing;
        self.tasks.insert(id, task);
        let wait = if is_woken { Duration::ZERO } else { wait };
        self.go_on_after(id, wait, outside);
    }

    fn go_on_after(&mut self, id: u64, wait: Duration, outside: &mut Outside) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.turn += 1;
            let next = Event::Continue {
                replica: self.id,
                task: id,
                turn: task.turn,
            };
            outside.agenda.after(wait, next);
        }
    }

    fn begin(&mut self, task: &Task, outside: &mut Outside) -> Next {
        let (job, now) = (&task.job, outside.agenda.now);
        match dispatch::step(job, now, false) {
            Step::Early(remaining) => settles(Settlement::NakAfter(remaining)),
            Step::Poison => self.give_up(task, job, Reason::Poison, outside),
            Step::Due => {
                let visit = Visit {
                    hold: job.hold,
                    ..Visit::default()
                };
                self.deliver(task, visit, outside)
            }
        }
    }

    fn deliver(&mut self, task: &Task, visit: Visit, outside: &mut Outside) -> Next {
        let job = &task.job;
        let known = self
            .endpoints
            .get(&job.endpoint)
            .filter(|entry| entry.revision >= job.revision);
        let found = match known {
            Some(entry) => Some(Rc::clone(&entry.value)),
            None if !outside.broker.is_up => {
                self.goes(&job.endpoint, visit, outside);
                let wait = UNUSABLE * 2_u32.pow(job.hold.min(UNUSABLE_DOUBLINGS));
                return self.park(task, (wait, Parked::Unusable), outside);
            }
            None => outside
                .broker
                .endpoints
                .get(&job.endpoint)
                .map(|entry| Rc::clone(&entry.value)),
        };
        match found {
            None => {
                self.goes(&job.endpoint, visit, outside);
                self.give_up(task, job, Reason::EndpointDeleted, outside)
            }
            Some(endpoint) if !endpoint.is_enabled => {
                self.goes(&job.endpoint, visit, outside);
                self.give_up(task, job, Reason::EndpointDisabled, outside)
            }
            Some(endpoint) => self.admit(task, endpoint, visit, outside),
        }
    }

    /// Sends the request.
    fn start(
        &mut self,
        task: &Task,
        endpoint: Rc<Endpoint>,
        is_probe: bool,
        outside: &mut Outside,
    ) -> Next {
        let now = outside.agenda.now;
        let start = Start {
            replica: self.id,
            job: &task.job,
            is_probe,
        };
        let id = outside.ledger.starts(start, &outside.broker, now);
        let behaviour = outside.behaviours[&endpoint.id];
        let under_way = outside.ledger.in_flight(&endpoint.id);
        let timeout = Duration::from_millis(endpoint.timeout_ms.into());
        let (takes, exchange) = behaviour.exchange(under_way, timeout, &mut outside.agenda.random);
        outside.tell(|| {
            format!(
                "replica {} starts {} (hold {}, probe {is_probe}), {behaviour:?}, {under_way} under way",
                self.id,
                task.job.waiting_id(),
                task.job.hold
            )
        });
        let attempt = Attempt {
            endpoint,
            id,
            began: now,
            is_probe,
            exchange,
        };
        (Doing::Attempting(attempt), takes)
    }

    /// Takes in the end of the request, and decides what follows.
    fn attempted(&mut self, task: &Task, attempt: Attempt, outside: &mut Outside) -> Next {
        let (job, now) = (&task.job, outside.agenda.now);
        let outcome = outcome::classify(attempt.exchange.clone());
        outside.ledger.ends(attempt.id, job, &outcome, now);
        self.finished(&attempt, Effect::of(&outcome), outside);
        let endpoint = &attempt.endpoint;
        let more = u32::from(outside.makes(Mistake::RetriesOnceMore));
        let policy = (&endpoint.retry_policy, endpoint.max_retries() + more);
        let jitter = outside.agenda.random.unit();
        let follow = dispatch::follow(job, policy, &outcome, now, jitter);
        outside.tell(|| {
            let text = outcome.error_message().unwrap_or_default();
            format!(
                "replica {} ends {}: {text} → {follow:?}",
                self.id,
                job.waiting_id()
            )
        });
        let is_gone = follow == Follow::DeadLetter(Reason::Gone);
        self.keep_health(&attempt, &outcome, is_gone, outside);
        if outside.makes(Mistake::SettlesFirst) {
            settle(task, Settlement::Ack, outside);
        }
        if outside.makes(Mistake::RecordsLast) {
            let next = self.follow(task, &attempt, follow, outside);
            outside.ledger.recorded(job, outcome.is_success());
            return next;
        }
        let wait = outside.agenda.random.millis(1, BATCH_AGE_MS + 3);
        (Doing::Recording(attempt, outcome, follow), wait)
    }

    /// Tries to store the record; goes on when it is stored.
    fn recorded(
        &mut self,
        task: &Task,
        attempt: Attempt,
        (outcome, follow): (Outcome, Follow),
        outside: &mut Outside,
    ) -> Next {
        if !outside.broker.is_up {
            let wait = Duration::from_millis(500);
            return (Doing::Recording(attempt, outcome, follow), wait);
        }
        outside.ledger.recorded(&task.job, outcome.is_success());
        self.follow(task, &attempt, follow, outside)
    }

    /// Does what follows from an attempt.
    fn follow(
        &mut self,
        task: &Task,
        attempt: &Attempt,
        follow: Follow,
        outside: &mut Outside,
    ) -> Next {
        match follow {
            Follow::Delivered | Follow::Nothing => settles(Settlement::Ack),
            Follow::Retry(next) => {
                outside.ledger.retries(&task.job, &next, attempt.began);
                self.wait(task, &next, outside)
            }
            Follow::DeadLetter(reason) => self.give_up(task, &task.job, reason, outside),
        }
    }

    /// Learns from the watch.
    pub(crate) fn learns(&mut self, news: News) {
        match news {
            News::Endpoint(id, Some(entry)) => drop(self.endpoints.insert(id, entry)),
            News::Endpoint(id, None) => drop(self.endpoints.remove(&id)),
            News::Health(id, Some(entry)) => drop(self.healths.insert(id, entry)),
            News::Health(id, None) => drop(self.healths.remove(&id)),
        }
    }

    /// Leaves everything as it is: it crashes.
    pub(crate) fn crash(self, outside: &mut Outside) {
        outside.watchers.remove(&self.id);
        outside.ledger.crashed(self.id);
        for task in self.tasks.into_values() {
            outside.ledger.disturbed(&task.job);
            outside.broker.abandoned(&task.handed, &mut outside.agenda);
        }
    }

    /// Hands back what it has not done: its grace is over.
    pub(crate) fn leave(self, outside: &mut Outside) {
        outside.watchers.remove(&self.id);
        outside.ledger.crashed(self.id);
        for task in self.tasks.into_values() {
            outside.ledger.disturbed(&task.job);
            settle(&task, Settlement::NakAfter(Duration::ZERO), outside);
        }
    }

    fn moment(&self, now: Timestamp) -> Moment {
        now.since(self.origin)
    }
}

/// Tells the broker about a message, if it hears it.
fn settle(task: &Task, settlement: Settlement, outside: &mut Outside) {
    let sequence = task.handed.sequence;
    if !outside.broker.is_up || outside.is_lost() {
        outside.tell(|| format!("{settlement:?} of {} is lost", task.job.waiting_id()));
        outside.ledger.disturbed(&task.job);
        outside.broker.abandoned(&task.handed, &mut outside.agenda);
        return;
    }
    match settlement {
        Settlement::Ack => {
            if let Some(job) = outside.broker.ack(sequence) {
                outside.ledger.left(&job, &outside.broker);
            }
        }
        Settlement::NakAfter(wait) => outside.broker.nak(sequence, wait, &mut outside.agenda),
    }
}

fn settles(settlement: Settlement) -> Next {
    (Doing::Settling(settlement), Duration::from_millis(1))
}

//! One run: replicas around a broker, and everything that may happen to them.

use std::{collections::BTreeMap, time::Duration};

use domain::time::Timestamp;

use crate::{
    agenda::{Agenda, Event},
    broker::LANES,
    ledger::Summary,
    outside::{Mistake, Outside, Setting},
    plan::Plan,
    replica::Replica,
};

/// How long a crashed replica counts as living: its heartbeats end by their age.
const HEARTBEAT_MS: (u64, u64) = (4_000, 5_000);
/// How long it takes at most to look at the heartbeats, in milliseconds.
const LOOK_MS: u64 = 600;
/// After so many steps the plan is cut short.
const STEPS_MAX: u64 = 30_000;
/// After so many steps a run that has not come to its end never will.
const STEPS_LIMIT: u64 = 400_000;

/// A promise that was broken.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) fault: String,
    pub(crate) story: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) outside: Outside,
    pub(crate) replicas: BTreeMap<u32, Replica>,
    plan: Plan,
    /// Replicas by name, with the time until which they count as living, if that is limited.
    heartbeats: BTreeMap<String, Option<Timestamp>>,
    count: u32,
}

/// Runs the simulation of a seed; the last `telling` steps can be told.
pub(crate) fn run(seed: u64, mistake: Option<Mistake>, telling: usize) -> Result<Summary, Broken> {
    let mut world = World::new(seed, mistake, telling);
    while let Some(event) = world.outside.agenda.next() {
        world.outside.steps += 1;
        world.happens(event);
        world.hand_out();
        if world.outside.steps == STEPS_MAX {
            world.plan.cut_short();
        }
        if let Some(late) = world.lateness() {
            world.outside.ledger.fault.get_or_insert(late);
        }
        if world.outside.ledger.fault.is_some() {
            break;
        }
    }
    let summary = world.outside.ledger.finish(&world.outside.broker);
    match world.outside.ledger.fault.take() {
        None => Ok(summary),
        Some(fault) => Err(Broken {
            fault,
            story: world.outside.story(),
        }),
    }
}

impl World {
    fn new(seed: u64, mistake: Option<Mistake>, telling: usize) -> Self {
        let mut agenda = Agenda::new(seed);
        let random = &mut agenda.random;
        let setting = Setting {
            mistake,
            places: random.pick(&[16, 16, 32, 64]),
            crowd: random.pick(&[0, 0, 20_000]),
            keeps_schedules: !random.one_in(5),
            disable_after: random.pick(&[None, Some(Duration::from_secs(3_600))]),
        };
        let replicas = 1 + random.below(3);
        let mut outside = Outside::new(agenda, setting, telling);
        outside.loses_one_in = outside.agenda.random.pick(&[None, Some(300), Some(30)]);
        let plan = Plan::new(&mut outside);
        let mut world = Self {
            outside,
            replicas: BTreeMap::new(),
            plan,
            heartbeats: BTreeMap::new(),
            count: 0,
        };
        for _ in 0..replicas {
            world.join();
        }
        world
            .outside
            .agenda
            .after(Duration::from_secs(1), Event::Act);
        world
    }

    fn happens(&mut self, event: Event) {
        let outside = &mut self.outside;
        match event {
            Event::Act => self.act(),
            Event::Continue {
                replica,
                task,
                turn,
            } => {
                if let Some(replica) = self.replicas.get_mut(&replica) {
                    replica.goes_on(task, turn, outside);
                }
                self.leave_if_done(replica);
            }
            Event::Available {
                sequence,
                generation,
            } => outside.broker.available(sequence, generation),
            Event::Fire {
                subject,
                generation,
            } => outside
                .broker
                .fire(&subject, generation, &mut outside.agenda),
            // The watch is quiet while the broker is away.
            Event::Learn { .. } if !outside.broker.is_up => {
                outside.agenda.after(Duration::from_millis(200), event);
            }
            Event::Learn { replica, news } => {
                if let Some(replica) = self.replicas.get_mut(&replica) {
                    replica.learns(news);
                }
            }
            Event::Look { replica } => self.look(replica),
            Event::Pull => {}
            Event::BrokerBack => self.broker_back(),
            Event::Join => self.join(),
            Event::GraceEnds { replica } => self.leave(replica),
            Event::FanOut { event } => self.plan.fan_out(&event, true, outside),
        }
    }

    /// Hands messages to whoever asks for them.
    fn hand_out(&mut self) {
        for lane in LANES {
            while self.outside.broker.has_ready(lane) {
                let asking = self
                    .replicas
                    .values()
                    .filter(|replica| replica.pulls(lane, &self.outside));
                let asking: Vec<u32> = asking.map(|replica| replica.id).collect();
                if asking.is_empty() {
                    break;
                }
                let id = self.outside.agenda.random.pick(&asking);
                let now = self.outside.agenda.now;
                if let Some(handed) = self.outside.broker.hand_out(lane, now)
                    && let Some(replica) = self.replicas.get_mut(&id)
                {
                    replica.take(handed, &mut self.outside);
                }
            }
        }
    }

    fn act(&mut self) {
        if let Some(act) = self.plan.next(&self.replicas, &mut self.outside) {
            self.outside.tell(|| format!("{act:?}"));
            act.perform(self);
        }
    }

    pub(crate) fn publish(&mut self, count: u64) {
        self.plan.publish(count, &mut self.outside);
    }

    /// Starts a replica, as soon as the broker is there.
    pub(crate) fn join(&mut self) {
        if !self.outside.broker.is_up {
            self.outside
                .agenda
                .after(Duration::from_secs(1), Event::Join);
            return;
        }
        self.count += 1;
        let replica = Replica::new(self.count, &mut self.outside);
        self.heartbeats.insert(replica.name.clone(), None);
        let pull = replica.pulls_from;
        self.outside.agenda.at(pull, Event::Pull);
        self.replicas.insert(self.count, replica);
        self.shared_anew(Duration::ZERO);
    }

    pub(crate) fn crash(&mut self, id: u32) {
        let Some(replica) = self.replicas.remove(&id) else {
            return;
        };
        let random = &mut self.outside.agenda.random;
        let counts = random.millis(HEARTBEAT_MS.0, HEARTBEAT_MS.1);
        let until = self.outside.agenda.now.after(counts);
        if !replica.is_draining {
            self.heartbeats.insert(replica.name.clone(), Some(until));
        }
        replica.crash(&mut self.outside);
        self.shared_anew(counts);
    }

    pub(crate) fn drain(&mut self, id: u32, grace: Duration) {
        let Some(replica) = self.replicas.get_mut(&id) else {
            return;
        };
        replica.is_draining = true;
        self.heartbeats.remove(&replica.name);
        self.outside
            .agenda
            .after(grace, Event::GraceEnds { replica: id });
        self.shared_anew(Duration::ZERO);
        self.leave_if_done(id);
    }

    fn leave_if_done(&mut self, id: u32) {
        let is_done = |replica: &Replica| replica.is_draining && replica.is_idle();
        if self.replicas.get(&id).is_some_and(is_done) {
            self.leave(id);
        }
    }

    fn leave(&mut self, id: u32) {
        if let Some(replica) = self.replicas.remove(&id) {
            replica.leave(&mut self.outside);
        }
    }

    /// Everybody looks at the heartbeats soon after they have changed.
    fn shared_anew(&mut self, after: Duration) {
        let outside = &mut self.outside;
        outside.ledger.replicas_changed(outside.agenda.now);
        for replica in self.replicas.keys() {
            let wait = after + outside.agenda.random.millis(1, LOOK_MS);
            outside
                .agenda
                .after(wait, Event::Look { replica: *replica });
        }
    }

    fn look(&mut self, id: u32) {
        let now = self.outside.agenda.now;
        let living = self.heartbeats.iter();
        let living = living.filter(|(_, until)| until.is_none_or(|until| until > now));
        let mut living: Vec<String> = living.map(|(name, _)| name.clone()).collect();
        // The end of a heartbeat is seen at the next look after it.
        if let Some(end) = self.heartbeats.values().flatten().find(|end| **end > now) {
            let look = end.after(self.outside.agenda.random.millis(1, LOOK_MS));
            self.outside.agenda.at(look, Event::Look { replica: id });
        }
        if let Some(replica) = self.replicas.get_mut(&id) {
            if let Err(at) = living.binary_search(&replica.name) {
                living.insert(at, replica.name.clone());
            }
            replica.living = living;
        }
    }

    pub(crate) fn broker_goes(&mut self, away: Duration) {
        if self.outside.broker.is_up {
            self.outside.broker.is_up = false;
            self.outside.agenda.after(away, Event::BrokerBack);
        }
    }

    /// Leases have lapsed meanwhile: everybody sees only itself at first, and pulls again within a beat.
    fn broker_back(&mut self) {
        let outside = &mut self.outside;
        let away = outside.agenda.now.since(outside.broker.up_since);
        for job in outside.broker.come_back(&mut outside.agenda) {
            outside.ledger.disturbed(&job);
        }
        for replica in self.replicas.values_mut() {
            let wait = outside.agenda.random.millis(20, 1_000);
            replica.pulls_from = outside.agenda.now.after(wait);
            outside.agenda.at(replica.pulls_from, Event::Pull);
            if away > Duration::from_secs(4) {
                replica.living = vec![replica.name.clone()];
            }
        }
        self.shared_anew(Duration::from_millis(500));
    }

    /// Returns what is wrong if the run should have come to its end by now.
    fn lateness(&self) -> Option<String> {
        let outside = &self.outside;
        let is_late = self
            .plan
            .ends_by()
            .is_some_and(|end| outside.agenda.now > end);
        if is_late || outside.steps > STEPS_LIMIT {
            let left = outside.broker.left();
            return (!left.is_empty()).then(|| {
                let some = &left[..left.len().min(5)];
                format!(
                    "{} jobs wait for ever after {} steps: {some:?}",
                    left.len(),
                    outside.steps
                )
            });
        }
        None
    }
}

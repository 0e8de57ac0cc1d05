//! The virtual clock, and everything that is going to happen.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use domain::{endpoint::Endpoint, event, health::Health, name::EndpointId, time::Timestamp};

use crate::random::Random;

/// Something that happens.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Somebody does something: the next step of the plan.
    Act,
    /// A job goes on, if nothing else made it go on before.
    Continue { replica: u32, task: u64, turn: u64 },
    /// A message may be handed out again, if nothing became of it meanwhile.
    Available { sequence: u64, generation: u64 },
    /// A schedule is due, if it was not replaced.
    Fire { subject: String, generation: u64 },
    /// The watch tells a replica something.
    Learn { replica: u32, news: News },
    /// A replica looks at the heartbeats.
    Look { replica: u32 },
    /// Replicas that did not pull may do so.
    Pull,
    /// The broker is back.
    BrokerBack,
    /// A replica starts.
    Join,
    /// The grace of a draining replica is over.
    GraceEnds { replica: u32 },
    /// Fan-out takes an event once more.
    FanOut { event: Rc<event::Event> },
}

/// What a watch tells; `None` for what was deleted.
#[derive(Debug, Clone)]
pub(crate) enum News {
    Endpoint(EndpointId, Option<Entry<Rc<Endpoint>>>),
    Health(EndpointId, Option<Entry<Health>>),
}

/// A value with its revision.
#[derive(Debug, Clone)]
pub(crate) struct Entry<T> {
    pub(crate) value: T,
    pub(crate) revision: u64,
}

#[derive(Debug)]
pub(crate) struct Agenda {
    pub(crate) now: Timestamp,
    pub(crate) random: Random,
    ahead: BTreeMap<(Timestamp, u64), Event>,
    count: u64,
}

impl Agenda {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Timestamp::from_millis(1_800_000_000_000),
            random: Random::new(seed),
            ahead: BTreeMap::new(),
            count: 0,
        }
    }

    pub(crate) fn at(&mut self, time: Timestamp, event: Event) {
        self.count += 1;
        self.ahead.insert((time.max(self.now), self.count), event);
    }

    /// Whatever waits, waits for whole milliseconds, and at least for one.
    pub(crate) fn after(&mut self, wait: Duration, event: Event) {
        let millis = wait + Duration::from_nanos(999_999);
        let time = self.now.after(millis.max(Duration::from_millis(1)));
        self.at(time, event);
    }

    /// Goes on to the next event.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let ((time, _), event) = self.ahead.pop_first()?;
        self.now = time;
        Some(event)
    }
}

//! Flow control: how many requests an endpoint gets at once and a second, and where the rest waits.
//!
//! A job that may start, starts. One whose turn comes within moments waits where it is. Any
//! other is parked until its estimated turn, so that it holds no place that another endpoint could use.
//! Nothing here is stored: a new replica begins anew and learns within moments.
//!
//! **Invariant:** attempts of endpoints that are slow or not known yet never start on more than half of
//! the places, and no endpoint starts on more than a quarter.

mod endpoint;
mod pace;

use std::{collections::HashMap, time::Duration};

use self::endpoint::Flow;
use crate::{
    name::EndpointId,
    outcome::{ErrorKind, Outcome},
};

/// A time on a clock that only goes forward, counted from the start of the process.
pub type Moment = Duration;

/// The longest that any number of jobs waits where it is for its turns within a rate.
pub const LONGEST_WAIT_FOR_TURN: Duration = Duration::from_millis(100);
/// The longest that any number of jobs waits where it is for other attempts to end. A quick endpoint that is
/// flooded is done with all of them sooner, even on a machine that is busy.
pub const LONGEST_WAIT_FOR_END: Duration = Duration::from_millis(250);
/// The longest that a few jobs of an endpoint wait where they are: a twentieth of the places each, and a
/// quarter all together. Parked jobs come back in bunches, as schedules have a grain of a second.
pub const LONGEST_WAIT_OF_A_FEW: Duration = Duration::from_millis(1_200);
/// How many parked jobs of one endpoint are looked at a second, over all replicas, while none may start.
pub const LOOKS_PER_S: f64 = 100.0;
/// The longest that a job is parked, unless so many wait that looking at each would take longer.
pub const LONGEST_PARKING: Duration = Duration::from_secs(600);
/// The shortest that a job is parked.
const SHORTEST_PARKING: Duration = Duration::from_secs(1);
/// How often a job goes on to another replica, in search of the one that sends for its endpoint, before it
/// pauses.
const FORWARDS: u32 = 16;
/// How long an endpoint of which nothing is heard is remembered.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(900);

/// An endpoint's own limits, for the whole installation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Requests per second.
    pub rate: Option<f64>,
    /// Requests under way at once.
    pub in_flight: Option<u32>,
}

/// What one replica may use of an endpoint's limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The limits.
    pub limits: Limits,
    /// How many replicas there are.
    pub replicas: u32,
}

/// Whether an endpoint gets anything at the moment, apart from its limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Regime {
    /// It does.
    Normal,
    /// It has just come back: it gets so many requests a second from this replica, for so long.
    Recovering {
        /// Requests per second.
        rate: f64,
        /// Until when, from now.
        left: Duration,
    },
    /// It does not, for as long as that.
    Stopped {
        /// Until when, from now, if that is known.
        left: Duration,
        /// Why.
        why: Parked,
    },
}

/// The terms on which an endpoint gets its requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// What this replica may use of its limits.
    pub share: Share,
    /// Whether it gets anything.
    pub regime: Regime,
}

/// When it is, and a random number that spreads what would come together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// When it is.
    pub now: Moment,
    /// From 0 to 1 (excluded).
    pub chance: f64,
}

/// Why a job is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parked {
    /// The endpoint's requests per second are used up.
    RateLimit,
    /// The endpoint has as many requests under way as it may.
    InFlight,
    /// The endpoint's breaker is open.
    Breaker,
    /// The endpoint has just come back and gets its jobs little by little.
    Recovering,
    /// The endpoint is paused.
    Paused,
    /// Another replica sends for this endpoint.
    Elsewhere,
    /// Something of ours is missing, such as the key to the endpoint's secrets.
    Unusable,
}

impl Parked {
    /// All reasons, in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::RateLimit,
        Self::InFlight,
        Self::Breaker,
        Self::Recovering,
        Self::Paused,
        Self::Elsewhere,
        Self::Unusable,
    ];

    /// Returns the name as it stands in records and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RateLimit => "rate-limit",
            Self::InFlight => "in-flight",
            Self::Breaker => "breaker",
            Self::Recovering => "recovering",
            Self::Paused => "paused",
            Self::Elsewhere => "elsewhere",
            Self::Unusable => "unusable",
        }
    }
}

/// A job that asks whether it may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Visit {
    /// How often it was parked before.
    pub hold: u32,
    /// How long it has waited in its place.
    pub waited: Duration,
    /// Whether its turn within the rate limit is reserved.
    pub has_turn: bool,
}

/// Whether a job may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may, and counts as under way until [`Flows::finished`].
    Start,
    /// It is to ask again.
    Wait {
        /// When, at the latest.
        at_most: Duration,
        /// Whether its turn within the rate limit is reserved now.
        has_turn: bool,
        /// Whether the end of another attempt ends the wait; if not, its turn does.
        until_ended: bool,
    },
    /// It is to be parked.
    Park {
        /// For how long.
        wait: Duration,
        /// Why.
        why: Parked,
    },
}

/// What an attempt tells about how much its endpoint can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It took the event: it may get more at once.
    Taken,
    /// It said 429, or did not answer in time: it gets less at once.
    Overloaded,
    /// Neither.
    Other,
}

impl Effect {
    /// Returns what an outcome says.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted { .. } => Self::Taken,
            Outcome::Rejected(answer) if answer.status == 429 => Self::Overloaded,
            Outcome::Failed(failure) if failure.kind == ErrorKind::Timeout => Self::Overloaded,
            Outcome::Rejected(_) | Outcome::Failed(_) => Self::Other,
        }
    }
}

/// How quickly an endpoint answers, as far as its use of places goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Nothing is known yet.
    Unknown,
    /// Mostly above a second.
    Slow,
    /// Mostly within a second.
    Quick,
}

/// How many attempts are under way, by the class of their endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct UnderWay {
    unknown: u32,
    slow: u32,
    quick: u32,
}

/// The flow of all endpoints in one replica.
#[derive(Debug)]
pub struct Flows {
    places: u32,
    under_way: UnderWay,
    /// How many jobs of all endpoints wait in their places.
    waiting: u32,
    of: HashMap<EndpointId, Flow>,
}

/// Returns what a replica may use of an endpoint's limits, or `None` if another one sends for it.
///
/// Each of `replicas` takes its part. Where that is less than one request, only the endpoint's owner
/// sends, and has the limit for itself.
#[must_use]
pub fn share(limits: Limits, replicas: u32, is_owner: bool) -> Option<Share> {
    let replicas = replicas.max(1);
    let rate = limits.rate.map(|rate| rate / f64::from(replicas));
    let in_flight = limits.in_flight.map(|limit| limit / replicas);
    let too_small = rate.is_some_and(|rate| rate < 1.0) || in_flight == Some(0);
    match (too_small && replicas > 1, is_owner) {
        (false, _) => Some(Share {
            limits: Limits { rate, in_flight },
            replicas,
        }),
        (true, true) => Some(Share {
            limits,
            replicas: 1,
        }),
        (true, false) => None,
    }
}

/// Returns which of the replicas owns an endpoint: the same one wherever it is asked, and as few
/// endpoints as possible change owners when a replica joins or leaves (rendezvous hashing).
#[must_use]
pub fn owner<'a>(endpoint: &EndpointId, replicas: &'a [String]) -> Option<&'a str> {
    replicas
        .iter()
        .max_by_key(|replica| (weight(endpoint.as_str(), replica), replica.as_str()))
        .map(String::as_str)
}

/// FNV-1a over both texts, mixed once more: neighbouring texts must not have neighbouring weights.
fn weight(endpoint: &str, replica: &str) -> u64 {
    let hash = endpoint
        .bytes()
        .chain([0])
        .chain(replica.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

/// Returns how a job is parked that belongs to another replica.
///
/// It goes on to the next one at once, so that it does not wait long for the right one to take it, and
/// pauses now and then, in case there is none.
#[must_use]
pub fn elsewhere(hold: u32) -> Verdict {
    let wait = if hold % FORWARDS < FORWARDS - 1 {
        Duration::ZERO
    } else {
        SHORTEST_PARKING
    };
    Verdict::Park {
        wait,
        why: Parked::Elsewhere,
    }
}

impl Flows {
    /// Makes the flows of a replica with so many places.
    #[must_use]
    pub fn new(places: u32) -> Self {
        Self {
            places: places.max(1),
            under_way: UnderWay::default(),
            waiting: 0,
            of: HashMap::new(),
        }
    }

    /// Asks whether a job may start.
    pub fn ask(
        &mut self,
        endpoint: &EndpointId,
        visit: Visit,
        Terms { share, regime }: Terms,
        draw: Draw,
    ) -> Verdict {
        self.with(endpoint, draw.now, |flow, room| {
            flow.arrived(visit);
            match regime {
                Regime::Normal => flow.ask(visit, share, room, draw),
                Regime::Recovering { rate, left } => {
                    flow.ask_recovering(visit, share, (rate, left, room), draw)
                }
                Regime::Stopped { left, why } => flow.stopped(visit, share, (left, why), draw),
            }
        })
    }

    /// Counts an attempt as under way that starts whatever the limits say: a probe.
    pub fn started(&mut self, endpoint: &EndpointId, visit: Visit, now: Moment) {
        self.with(endpoint, now, |flow, _| {
            flow.arrived(visit);
            flow.start(now);
        });
    }

    /// Takes in the end of an attempt that began at `began`.
    pub fn finished(&mut self, endpoint: &EndpointId, began: Moment, now: Moment, effect: Effect) {
        self.with(endpoint, now, |flow, _| flow.finished(began, now, effect));
    }

    /// Counts an attempt as ended of which nothing is known: it was cut off.
    pub fn cut_off(&mut self, endpoint: &EndpointId, now: Moment) {
        self.with(endpoint, now, |flow, _| flow.leave());
    }

    /// Takes note that a job that waited in its place does so no longer, and does not ask again.
    pub fn gone(&mut self, endpoint: &EndpointId, now: Moment) {
        self.with(endpoint, now, |flow, _| {
            flow.waiting = flow.waiting.saturating_sub(1);
        });
    }

    /// Looks at everything that is under way anew, and forgets endpoints of which nothing was heard for
    /// long. To be called about once a second.
    pub fn tick(&mut self, now: Moment) {
        let places = &mut self.under_way;
        self.of.retain(|_, flow| {
            let before = (flow.class, flow.in_flight);
            flow.classify(now);
            places.moved(before, (flow.class, flow.in_flight));
            !flow.is_forgotten(now, FORGOTTEN_AFTER)
        });
    }

    /// Returns how many attempts are under way.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.under_way.total()
    }

    /// Returns about how many jobs of an endpoint this replica has parked.
    #[must_use]
    pub fn parked(&self, endpoint: &EndpointId) -> u64 {
        self.of.get(endpoint).map_or(0, |flow| flow.parked)
    }

    fn with<T>(
        &mut self,
        endpoint: &EndpointId,
        now: Moment,
        act: impl FnOnce(&mut Flow, &Room) -> T,
    ) -> T {
        let flow = self
            .of
            .entry(endpoint.clone())
            .or_insert_with(|| Flow::new(now));
        let before = (flow.class, flow.in_flight);
        flow.classify(now);
        self.under_way.moved(before, (flow.class, flow.in_flight));
        let before = (flow.class, flow.in_flight);
        let waited = flow.waiting;
        let room = Room::new(self.places, self.under_way, self.waiting);
        let result = act(flow, &room);
        flow.classify(now);
        self.under_way.moved(before, (flow.class, flow.in_flight));
        self.waiting = self.waiting.saturating_sub(waited) + flow.waiting;
        result
    }
}

impl UnderWay {
    fn of(&mut self, class: Class) -> &mut u32 {
        match class {
            Class::Unknown => &mut self.unknown,
            Class::Slow => &mut self.slow,
            Class::Quick => &mut self.quick,
        }
    }

    fn moved(&mut self, before: (Class, u32), after: (Class, u32)) {
        let from = self.of(before.0);
        *from = from.saturating_sub(before.1);
        *self.of(after.0) += after.1;
    }

    fn total(self) -> u32 {
        self.unknown + self.slow + self.quick
    }
}

/// The places that an endpoint may use, by what is under way.
///
/// A part of what is free, not of what there is: however many endpoints want more than their share, each
/// leaves something to the next.
#[derive(Debug, Clone, Copy)]
struct Room {
    places: u32,
    under_way: UnderWay,
    waiting: u32,
}

impl Room {
    /// The most attempts of an endpoint of which nothing is known yet.
    const UNKNOWN: u32 = 16;

    fn new(places: u32, under_way: UnderWay, waiting: u32) -> Self {
        Self {
            places,
            under_way,
            waiting,
        }
    }

    /// Returns the longest that one more job of an endpoint waits where it is, of which `own` wait already,
    /// when any number may wait for `anyway`.
    fn longest_wait(&self, own: u32, anyway: Duration) -> Duration {
        let is_few = own < self.places / 20 && self.waiting < self.places / 4;
        if is_few {
            LONGEST_WAIT_OF_A_FEW
        } else {
            anyway
        }
    }

    /// Returns how many attempts an endpoint of that class may have under way that has `own` now.
    fn of(&self, class: Class, own: u32) -> u32 {
        let part = |share: u32| (self.places / share).max(1);
        let UnderWay { unknown, slow, .. } = self.under_way;
        let is_first = own == 0;
        match class {
            Class::Unknown => {
                let free = part(2).saturating_sub(unknown + slow);
                // Of many that begin at once, each is heard of soon: one answer makes it known.
                (free / 8).clamp(u32::from(free > 0), Self::UNKNOWN)
            }
            Class::Slow => {
                // An eighth is left to those of which nothing is known yet: they may be quick.
                let theirs = (part(2) - part(8).min(part(2) - 1)).saturating_sub(slow);
                let free = theirs.min(part(2).saturating_sub(unknown + slow));
                // Whoever has nothing under way gets one, as long as there is any room at all.
                (free / 2).max(u32::from(is_first && free > 0))
            }
            Class::Quick => {
                let free = self.places.saturating_sub(self.under_way.total());
                (free / 2).clamp(1, part(4))
            }
        }
    }
}

#[cfg(test)]
mod crowd_tests;
#[cfg(test)]
mod tests;

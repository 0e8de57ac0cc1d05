//! A model of the broker: two work queues, message ids, schedules, dead letters and two buckets.

use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use domain::{endpoint::Endpoint, health::Health, job::Job, name::EndpointId, time::Timestamp};
use jetstream::{
    publisher::Outgoing,
    topology::ACK_WAIT,
    wire::{self, JOB_HEADER},
};

use crate::agenda::{Agenda, Entry, Event};

/// How long message ids are remembered.
const WINDOW: Duration = Duration::from_secs(60);
/// How often a living task tells that it is at work.
const PROGRESS_EVERY_MS: u128 = 10_000;

/// Where a message is published to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    Jobs,
    Retries,
    Dead,
}

/// The lanes that replicas pull from.
pub(crate) const LANES: [Stream; 2] = [Stream::Jobs, Stream::Retries];

/// The answer to a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PubAck {
    Stored,
    Duplicate,
}

/// A message that was handed out.
#[derive(Debug, Clone)]
pub(crate) struct Handed {
    pub(crate) sequence: u64,
    pub(crate) lane: Stream,
    pub(crate) header: String,
    pub(crate) deliveries: u64,
    pub(crate) at: Timestamp,
}

#[derive(Debug)]
struct Message {
    lane: Stream,
    header: String,
    job: Job,
    deliveries: u64,
    /// Counts up whenever its place changes, so that an event about an earlier place is void.
    generation: u64,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Ready,
    Out,
    Delayed(Timestamp),
}

#[derive(Debug)]
struct Schedule {
    header: String,
    job: Job,
    generation: u64,
}

/// A bucket with revisions.
#[derive(Debug)]
pub(crate) struct Bucket<T> {
    entries: BTreeMap<EndpointId, Entry<T>>,
    revision: u64,
}

#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) is_up: bool,
    /// Since when it is up.
    pub(crate) up_since: Timestamp,
    pub(crate) endpoints: Bucket<Rc<Endpoint>>,
    pub(crate) healths: Bucket<Health>,
    messages: BTreeMap<u64, Message>,
    ready: BTreeMap<Stream, VecDeque<u64>>,
    schedules: BTreeMap<String, Schedule>,
    /// Until when an id is remembered.
    ids: BTreeMap<(Stream, String), Timestamp>,
    /// How many messages of a run are in the queues.
    homes: BTreeMap<String, u32>,
    /// Published while it was away, to be stored when it is back.
    late: Vec<Outgoing>,
    count: u64,
}

impl<T: Clone> Bucket<T> {
    fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            revision: 0,
        }
    }

    pub(crate) fn get(&self, id: &EndpointId) -> Option<&Entry<T>> {
        self.entries.get(id)
    }

    pub(crate) fn all(&self) -> &BTreeMap<EndpointId, Entry<T>> {
        &self.entries
    }

    /// Writes if the revision is still the expected one; `None` expects nothing to be there.
    pub(crate) fn write(
        &mut self,
        id: &EndpointId,
        value: T,
        expected: Option<u64>,
    ) -> Option<Entry<T>> {
        let found = self.entries.get(id).map(|entry| entry.revision);
        (found == expected).then(|| self.put(id, value))
    }

    pub(crate) fn put(&mut self, id: &EndpointId, value: T) -> Entry<T> {
        self.revision += 1;
        let entry = Entry {
            value,
            revision: self.revision,
        };
        self.entries.insert(id.clone(), entry.clone());
        entry
    }

    pub(crate) fn delete(&mut self, id: &EndpointId) {
        self.revision += 1;
        self.entries.remove(id);
    }
}

impl Broker {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            is_up: true,
            up_since: now,
            endpoints: Bucket::new(),
            healths: Bucket::new(),
            messages: BTreeMap::new(),
            ready: LANES.map(|lane| (lane, VecDeque::new())).into(),
            schedules: BTreeMap::new(),
            ids: BTreeMap::new(),
            homes: BTreeMap::new(),
            late: Vec::new(),
            count: 0,
        }
    }

    /// Returns whether a message of the run is in a queue.
    pub(crate) fn holds(&self, run: &str) -> bool {
        self.homes.contains_key(run)
    }

    /// Returns what is left in the queues, as text.
    pub(crate) fn left(&self) -> Vec<String> {
        let queued = self.messages.values().map(|message| {
            format!(
                "{} {:?} {:?}",
                message.job.waiting_id(),
                message.lane,
                message.place
            )
        });
        let scheduled = self.schedules.keys().cloned();
        queued.chain(scheduled).collect()
    }

    pub(crate) fn publish(&mut self, message: &Outgoing, agenda: &mut Agenda) -> PubAck {
        let stream = stream(&message.subject);
        let id = (stream, message.message_id.clone());
        if self.ids.get(&id).is_some_and(|until| *until > agenda.now) {
            return PubAck::Duplicate;
        }
        self.ids.insert(id, agenda.now.after(WINDOW));
        let header = header(message, JOB_HEADER).unwrap();
        let job = wire::job::decode(&header).unwrap();
        match (stream, header_time(message)) {
            (Stream::Dead, _) => {}
            (Stream::Jobs | Stream::Retries, None) => {
                self.moved_in(&job);
                self.queue(stream, header, job);
            }
            (Stream::Jobs | Stream::Retries, Some(due)) => {
                self.schedule(message.subject.clone(), (header, job), due, agenda);
            }
        }
        PubAck::Stored
    }

    fn queue(&mut self, lane: Stream, header: String, job: Job) {
        self.count += 1;
        let message = Message {
            lane,
            header,
            job,
            deliveries: 0,
            generation: 0,
            place: Place::Ready,
        };
        self.messages.insert(self.count, message);
        self.ready.get_mut(&lane).unwrap().push_back(self.count);
    }

    /// One subject holds one schedule: the second one replaces the first.
    fn schedule(
        &mut self,
        subject: String,
        (header, job): (String, Job),
        due: Timestamp,
        agenda: &mut Agenda,
    ) {
        self.count += 1;
        let generation = self.count;
        let time = due.after(agenda.random.millis(0, 250));
        agenda.at(
            time,
            Event::Fire {
                subject: subject.clone(),
                generation,
            },
        );
        self.moved_in(&job);
        let schedule = Schedule {
            header,
            job,
            generation,
        };
        if let Some(replaced) = self.schedules.insert(subject, schedule) {
            self.moved_out(&replaced.job);
        }
    }

    /// Turns a schedule into a message of the retry lane.
    pub(crate) fn fire(&mut self, subject: &str, generation: u64, agenda: &mut Agenda) {
        if self
            .schedules
            .get(subject)
            .is_none_or(|found| found.generation != generation)
        {
            return;
        }
        if !self.is_up {
            let event = Event::Fire {
                subject: subject.to_owned(),
                generation,
            };
            agenda.after(Duration::from_secs(2), event);
            return;
        }
        if let Some(Schedule { header, job, .. }) = self.schedules.remove(subject) {
            self.queue(Stream::Retries, header, job);
        }
    }

    pub(crate) fn has_ready(&self, lane: Stream) -> bool {
        self.is_up && self.ready.get(&lane).is_some_and(|ready| !ready.is_empty())
    }

    pub(crate) fn hand_out(&mut self, lane: Stream, now: Timestamp) -> Option<Handed> {
        let sequence = self.ready.get_mut(&lane)?.pop_front()?;
        let message = self.messages.get_mut(&sequence)?;
        message.deliveries += 1;
        message.generation += 1;
        message.place = Place::Out;
        Some(Handed {
            sequence,
            lane,
            header: message.header.clone(),
            deliveries: message.deliveries,
            at: now,
        })
    }

    /// Removes a message; returns its job if it was there.
    pub(crate) fn ack(&mut self, sequence: u64) -> Option<Job> {
        let message = self.messages.remove(&sequence)?;
        if message.place == Place::Ready {
            self.ready
                .get_mut(&message.lane)?
                .retain(|ready| *ready != sequence);
        }
        self.moved_out(&message.job);
        Some(message.job)
    }

    /// Delays a message; below two seconds a delay may take 1.6 s longer.
    pub(crate) fn nak(&mut self, sequence: u64, wait: Duration, agenda: &mut Agenda) {
        let late = match wait.as_millis() {
            0 => Duration::ZERO,
            1..2_000 => agenda.random.millis(0, 1_600),
            _ => agenda.random.millis(0, 2),
        };
        let until = agenda.now.after(wait + late + Duration::from_micros(999));
        self.delay(sequence, until, agenda);
    }

    /// Notes that nobody will settle what was handed out: the ack wait hands it out again.
    pub(crate) fn abandoned(&mut self, handed: &Handed, agenda: &mut Agenda) {
        let worked =
            agenda.now.since(handed.at).as_millis() / PROGRESS_EVERY_MS * PROGRESS_EVERY_MS;
        let progress = handed
            .at
            .after(Duration::from_millis(u64::try_from(worked).unwrap()));
        if let Some(message) = self.messages.get(&handed.sequence)
            && message.deliveries == handed.deliveries
        {
            let generation = message.generation;
            let available = Event::Available {
                sequence: handed.sequence,
                generation,
            };
            agenda.at(progress.after(ACK_WAIT), available);
        }
    }

    fn delay(&mut self, sequence: u64, until: Timestamp, agenda: &mut Agenda) {
        if let Some(message) = self.messages.get_mut(&sequence)
            && message.place != Place::Ready
        {
            message.place = Place::Delayed(until);
            message.generation += 1;
            let generation = message.generation;
            agenda.at(
                until,
                Event::Available {
                    sequence,
                    generation,
                },
            );
        }
    }

    /// Makes a message ready whose delay or ack wait is over.
    pub(crate) fn available(&mut self, sequence: u64, generation: u64) {
        if let Some(message) = self.messages.get_mut(&sequence)
            && message.generation == generation
        {
            message.place = Place::Ready;
            message.generation += 1;
            self.ready
                .get_mut(&message.lane)
                .unwrap()
                .push_back(sequence);
        }
    }

    /// Takes a publish that nobody hears the answer of, for when it is back.
    pub(crate) fn publish_late(&mut self, message: Outgoing) {
        self.late.push(message);
    }

    /// Comes back: delays may be up to 0.7 s short, and some of what is out is handed out once more.
    /// Returns the jobs of those.
    pub(crate) fn come_back(&mut self, agenda: &mut Agenda) -> Vec<Job> {
        self.is_up = true;
        self.up_since = agenda.now;
        for message in std::mem::take(&mut self.late) {
            self.publish(&message, agenda);
        }
        let mut again = Vec::new();
        let sequences: Vec<u64> = self.messages.keys().copied().collect();
        for sequence in sequences {
            let message = &self.messages[&sequence];
            match message.place {
                Place::Delayed(until) if agenda.random.one_in(2) => {
                    let early = agenda.random.millis(0, 700);
                    let until = until.millis() - i64::try_from(early.as_millis()).unwrap();
                    self.delay(sequence, Timestamp::from_millis(until), agenda);
                }
                Place::Out if agenda.random.one_in(4) => {
                    again.push(message.job.clone());
                    self.available(sequence, message.generation);
                }
                Place::Ready | Place::Out | Place::Delayed(_) => {}
            }
        }
        again
    }

    fn moved_in(&mut self, job: &Job) {
        *self.homes.entry(job.run_id()).or_default() += 1;
    }

    fn moved_out(&mut self, job: &Job) {
        let run = job.run_id();
        let left = self.homes.get(&run).map_or(0, |count| count - 1);
        if left == 0 {
            self.homes.remove(&run);
        } else {
            self.homes.insert(run, left);
        }
    }
}

fn stream(subject: &str) -> Stream {
    match subject.split('.').nth(1) {
        Some("jobs") => Stream::Jobs,
        Some("retries" | "scheduled") => Stream::Retries,
        Some("dead") => Stream::Dead,
        other => panic!("nothing is published to {other:?}"),
    }
}

fn header(message: &Outgoing, name: &str) -> Option<String> {
    wire::header(Some(&message.headers), name).map(str::to_owned)
}

/// Returns when a scheduled message fires.
fn header_time(message: &Outgoing) -> Option<Timestamp> {
    let schedule = header(message, "Nats-Schedule")?;
    let Some(Ok(time)) = schedule.strip_prefix("@at ").map(Timestamp::parse) else {
        panic!("no broker takes the schedule {schedule}");
    };
    Some(time)
}

//! What people, producers, endpoints and machines do, drawn from the seed.

mod act;

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use domain::{
    endpoint::{Endpoint, EventPattern},
    event::Event as Sent,
    job::Job,
    matching::{Index, Match},
    name::{EndpointId, OrganisationId},
    retry::{Delay, Preset, RetryPolicy},
    time::Timestamp,
};
use jetstream::retry_lane::{self, Cargo};
use jetstream::{publisher::Outgoing, wire::TraceHeaders};

pub(crate) use self::act::Act;
use crate::{
    agenda::Event, broker::PubAck, outside::Outside, random::Random, receiver::Behaviour,
    replica::Replica,
};

/// How long after the last act everything must have come to its end, beside what the limits cost.
const GENEROUS: Duration = Duration::from_secs(8 * 86_400);
/// The names that events have.
const NAMES: [&str; 3] = ["reward.earned", "reward.lost", "challenge-completion"];

#[derive(Debug)]
pub(crate) struct Plan {
    organisation: OrganisationId,
    endpoints: Vec<EndpointId>,
    acts_left: u64,
    events: u64,
    ends_by: Option<Timestamp>,
}

impl Plan {
    /// Makes the endpoints, and draws how much will happen.
    pub(crate) fn new(outside: &mut Outside) -> Self {
        let organisation: OrganisationId = "acme".parse().unwrap();
        let count = 2 + outside.agenda.random.below(5);
        let endpoints: Vec<EndpointId> = (0..count)
            .map(|n| format!("ep_{n}").parse().unwrap())
            .collect();
        for id in &endpoints {
            let endpoint = endpoint(id, &organisation, &mut outside.agenda.random);
            outside.configure(endpoint);
            outside.behaviours.insert(id.clone(), Behaviour::Up);
        }
        Self {
            organisation,
            endpoints,
            acts_left: 30 + outside.agenda.random.below(50),
            events: 0,
            ends_by: None,
        }
    }

    /// Returns by when everything must have come to its end, once nothing more happens.
    pub(crate) fn ends_by(&self) -> Option<Timestamp> {
        self.ends_by
    }

    /// Nothing more happens but the end.
    pub(crate) fn cut_short(&mut self) {
        self.acts_left = 0;
    }

    /// Draws the next act, and when the one after it comes.
    pub(crate) fn next(
        &mut self,
        replicas: &BTreeMap<u32, Replica>,
        outside: &mut Outside,
    ) -> Option<Act> {
        if self.acts_left == 0 {
            self.end(replicas.is_empty(), outside);
            return None;
        }
        self.acts_left -= 1;
        let longest = outside
            .agenda
            .random
            .pick(&[20, 1_000, 1_000, 20_000, 20_000, 100_000, 1_000_000]);
        let wait = outside.agenda.random.millis(1, longest);
        outside.agenda.after(wait, Event::Act);
        let ids: Vec<u32> = replicas
            .values()
            .filter(|r| !r.is_draining)
            .map(|r| r.id)
            .collect();
        Act::draw(&self.endpoints, &ids, outside)
    }

    /// Everything is up and allowed from now on, and stays so.
    fn end(&mut self, is_deserted: bool, outside: &mut Outside) {
        if !outside.broker.is_up {
            outside.agenda.after(Duration::from_secs(1), Event::Act);
            return;
        }
        outside.tell(|| "from here on everything is up".to_owned());
        outside.loses_one_in = None;
        for id in self.endpoints.clone() {
            act::behave(&id, Behaviour::Up, outside);
            act::let_go_on(&id, outside);
        }
        if is_deserted {
            outside.agenda.after(Duration::ZERO, Event::Join);
        }
        self.ends_by = Some(outside.agenda.now.after(GENEROUS));
    }

    /// Accepts events, and makes jobs of them.
    pub(crate) fn publish(&mut self, count: u64, outside: &mut Outside) {
        for _ in 0..count {
            self.events += 1;
            let name = outside.agenda.random.pick(&NAMES);
            let text = format!(
                "{{\"id\":\"evt-{}\",\"eventSubCategory\":\"{name}\"}}",
                self.events
            );
            let sent = Sent::read(
                &self.organisation,
                &Bytes::from(text),
                outside.agenda.now,
                1_000,
            );
            let event = Rc::new(sent.unwrap());
            self.fan_out(&event, false, outside);
            if outside.agenda.random.one_in(50) {
                let wait = outside.agenda.random.millis(1_000, 120_000);
                outside.agenda.after(wait, Event::FanOut { event });
            }
        }
    }

    /// Makes jobs of an event, as fan-out does.
    pub(crate) fn fan_out(&self, event: &Rc<Sent>, is_repeated: bool, outside: &mut Outside) {
        if !outside.broker.is_up {
            let event = Event::FanOut {
                event: Rc::clone(event),
            };
            outside.agenda.after(Duration::from_secs(1), event);
            return;
        }
        let all = outside.broker.endpoints.all().values();
        let all: Vec<(Rc<Endpoint>, u64)> = all
            .map(|entry| (Rc::clone(&entry.value), entry.revision))
            .collect();
        let index = Index::new(
            all.iter()
                .map(|(endpoint, revision)| (&**endpoint, *revision)),
        );
        let found = index.matches(&event.name, None);
        let found: BTreeSet<&EndpointId> = found.iter().map(|found| &found.endpoint).collect();
        for (endpoint, revision) in &all {
            if found.contains(&endpoint.id) {
                let found = Match {
                    endpoint: endpoint.id.clone(),
                    revision: *revision,
                };
                make(event, &found, is_repeated, outside);
            }
        }
    }
}

/// Stores the job of one event for one endpoint, as fan-out does.
fn make(event: &Sent, found: &Match, is_repeated: bool, outside: &mut Outside) {
    let job = Job::first(event, event.body_hash(), found, outside.agenda.now);
    let cargo = Cargo {
        body: Bytes::new(),
        trace: TraceHeaders::default(),
        previous: None,
    };
    let message = Outgoing {
        subject: outside.names.job(&job.endpoint),
        message_id: job.id.as_str().to_owned(),
        headers: retry_lane::job_headers(&job, &cargo),
        payload: Bytes::new(),
    };
    outside.ledger.made(&job, is_repeated);
    let answer = outside.broker.publish(&message, &mut outside.agenda);
    // The answer may be lost: the same again is a duplicate.
    if outside.is_lost() {
        assert_eq!(
            outside.broker.publish(&message, &mut outside.agenda),
            PubAck::Duplicate
        );
    }
    if answer == PubAck::Stored {
        outside.tell(|| format!("{} is accepted", job.id));
    }
}

/// Draws an endpoint's config.
pub(crate) fn endpoint(
    id: &EndpointId,
    organisation: &OrganisationId,
    random: &mut Random,
) -> Endpoint {
    let patterns = ["*", "reward.*", "challenge-completion"];
    Endpoint {
        id: id.clone(),
        organisation_id: organisation.clone(),
        url: "https://example.com/".to_owned(),
        events: vec![EventPattern::parse(random.pick(&patterns)).unwrap()],
        entity_filters: BTreeMap::new(),
        http_method: Default::default(),
        is_enabled: true,
        is_paused: false,
        max_retries: random.pick(&[None, None, Some(0), Some(1), Some(5)]),
        headers: Vec::new(),
        signing: Default::default(),
        client_certificate: None,
        ca_certificate: None,
        oauth2: None,
        secrets: Vec::new(),
        retry_policy: policy(random),
        timeout_ms: random.pick(&[10_000, 10_000, 30_000, 2_000]),
        rate_limit: random.pick(&[None, None, Some(0.5), Some(2.0), Some(5.0), Some(20.0)]),
        max_in_flight: random.pick(&[None, None, Some(1), Some(3), Some(8)]),
        description: None,
        metadata: BTreeMap::new(),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        unknown: BTreeMap::new(),
    }
}

fn policy(random: &mut Random) -> RetryPolicy {
    let preset = random.pick(&[
        Preset::Nudj,
        Preset::Nudj,
        Preset::Qstash,
        Preset::StandardWebhooks,
        Preset::Custom,
    ]);
    let delay = random.pick(&[
        Delay::Fixed(200),
        Delay::Fixed(3_000),
        Delay::Exponential {
            base: 100,
            factor: 3.0,
            cap: 60_000,
        },
        Delay::Schedule(vec![0, 1_500, 70_000]),
    ]);
    RetryPolicy {
        preset,
        delay: (preset == Preset::Custom).then_some(delay),
        ..RetryPolicy::default()
    }
}

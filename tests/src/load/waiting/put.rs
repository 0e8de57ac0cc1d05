//! Jobs that wait, put into their wait just as delivery does after a failed attempt.

use std::{
    collections::VecDeque,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use bytes::Bytes;
use domain::{
    attempt::Trigger,
    content::Content,
    event::BodyHash,
    job::{Job, Run},
    name::{EndpointId, EventId, EventName, JobId, OrganisationId},
    time::Timestamp,
};
use jetstream::{
    connection::ServerVersion,
    publisher::{Error, Publisher, Stored},
    retry_lane::{self, Cargo},
    wire::TraceHeaders,
};
use serde_json::Value;

use crate::load::{
    finding::Settings,
    installation::{Installation, connect},
    payload::Mark,
    site::Site,
    tally::Tally,
};

/// How many jobs are on their way to the broker at once.
const ON_THEIR_WAY: usize = 1_000;

/// Puts so many jobs of the configured endpoint into their wait until `due`, and counts them as accepted.
///
/// # Errors
/// The broker keeps no schedules, or does not store a job.
pub(super) async fn put(
    installation: &Installation,
    settings: &Settings,
    site: &Site,
    (config, jobs, due): (&Value, u64, Instant),
) -> anyhow::Result<()> {
    let broker = connect(&installation.stack.broker_ref().url()).await?;
    anyhow::ensure!(
        broker.server_version() >= ServerVersion::SCHEDULES,
        "this broker keeps no schedules"
    );
    let publisher = Publisher::new(&broker);
    let tally = &site.tally;
    let first = first(&installation.bench.id, config, due)?;
    let mark_due = due.duration_since(tally.origin());
    let mut pending = VecDeque::with_capacity(ON_THEIR_WAY);
    for number in 0..jobs {
        let mark = Mark {
            number,
            due: mark_due,
        };
        let (job, cargo) = job(&first, tally, (mark, settings.payload_bytes))?;
        let waiting = retry_lane::choose(job.remaining(now()?), number, true);
        let message = retry_lane::message(&broker.names, &job, &cargo, waiting);
        if pending.len() == ON_THEIR_WAY
            && let Some(oldest) = pending.pop_front()
        {
            stored(tally, mark_due, oldest).await?;
        }
        pending.push_back((number, publisher.send(message).await?));
    }
    for oldest in pending {
        stored(tally, mark_due, oldest).await?;
    }
    Ok(())
}

/// What all jobs have in common: a first retry that is due.
fn first(organisation: &str, config: &Value, due: Instant) -> anyhow::Result<Job> {
    let endpoint: EndpointId = config["id"].as_str().unwrap_or_default().parse()?;
    let organisation: OrganisationId = organisation.parse()?;
    let event: EventId = "late".parse()?;
    let name: EventName = "late".parse()?;
    let wait = due.saturating_duration_since(Instant::now());
    Ok(Job {
        id: JobId::of(&event, &endpoint),
        organisation,
        endpoint,
        revision: config["revision"].as_u64().unwrap_or_default(),
        event,
        name,
        category: Some("load".to_owned()),
        content: Content::default(),
        body_hash: BodyHash::of(b""),
        accepted_at: now()?,
        attempt: 2,
        retry: 1,
        hold: 0,
        due: Some(now()?.after(wait)),
        trigger: Trigger::Retry,
        run: Run::Policy,
        request: None,
    })
}

fn job(first: &Job, tally: &Tally, (mark, size): (Mark, usize)) -> anyhow::Result<(Job, Cargo)> {
    let mut body = String::with_capacity(size);
    tally.form().write(&mut body, mark, size);
    let event: EventId = format!("late-{:010}", mark.number).parse()?;
    let job = Job {
        id: JobId::of(&event, &first.endpoint),
        event,
        body_hash: BodyHash::of(body.as_bytes()),
        ..first.clone()
    };
    let cargo = Cargo {
        body: Bytes::from(body),
        trace: TraceHeaders::new(None, None),
        previous: None,
    };
    Ok((job, cargo))
}

async fn stored(
    tally: &Tally,
    due: Duration,
    (number, ack): (u64, impl Future<Output = Result<Stored, Error>>),
) -> anyhow::Result<()> {
    ack.await.context("put a job into its wait")?;
    tally.accepted(number, 1, due);
    Ok(())
}

fn now() -> anyhow::Result<Timestamp> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Timestamp::from_millis(i64::try_from(since.as_millis())?))
}

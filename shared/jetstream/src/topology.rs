//! The streams, consumers and buckets as data, and the one function that makes them.
//!
//! [`ensure`] creates what is missing and reports what differs. It never changes what exists:
//! updating a work-queue stream has dropped messages on older servers, and an operator's own limits
//! are the operator's.

use std::{sync::atomic::Ordering, time::Duration};

use async_nats::jetstream::{
    self, consumer,
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};

use crate::{
    connection::{Broker, ServerVersion},
    patience::patiently,
    subject::{Bucket, Durable, Stream},
};

pub mod survey;

/// How long a message may go without an ack or a sign of progress.
pub const ACK_WAIT: Duration = Duration::from_secs(30);
/// How long a replica is believed to live after its last heartbeat.
pub const REPLICA_TTL: Duration = Duration::from_secs(5);

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

/// Limits that an operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of `EVENTS`; `None` leaves it to the broker's storage.
    pub events_max_bytes: Option<u64>,
    /// The most bytes of `ATTEMPTS`: how long records may wait for the store.
    pub attempts_max_bytes: Option<u64>,
    /// Jobs that may be handed out and not yet settled, over all replicas of delivery.
    pub jobs_in_flight: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            events_max_bytes: None,
            attempts_max_bytes: None,
            jobs_in_flight: 20_000,
        }
    }
}

/// What [`ensure`] found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What was missing and is there.
    pub created: Vec<String>,
    /// What is there and differs.
    pub drift: Vec<Drift>,
}

/// A setting that differs from what this version would make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The stream, consumer or bucket.
    pub object: String,
    /// The setting.
    pub setting: &'static str,
    /// What this version would set.
    pub expected: String,
    /// What is set.
    pub found: String,
}

/// The topology could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server is older than 2.10.
    #[error("nats-server {}.{} is too old: 2.10 or later is needed", .0.0, .0.1)]
    ServerTooOld(ServerVersion),
    /// An object could not be read or made.
    #[error("{action} {object}: {reason}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// With what.
        object: String,
        /// What the broker said.
        reason: String,
    },
}

/// Makes every stream, consumer and bucket that is missing, and reports what differs.
///
/// Several processes may call it at once.
///
/// # Errors
/// [`Error`] when the broker is too old or refuses.
pub async fn ensure(broker: &Broker, limits: &Limits) -> Result<Report, Error> {
    let version = broker.server_version();
    if version < ServerVersion::MINIMUM {
        return Err(Error::ServerTooOld(version));
    }
    if version < ServerVersion::SCHEDULES {
        tracing::warn!(
            server = format!("{}.{}", version.0, version.1),
            "message schedules are not safe before nats-server 2.14: long waits use delayed naks"
        );
    }
    patiently("topology", || make(broker, limits)).await
}

async fn make(broker: &Broker, limits: &Limits) -> Result<Report, Error> {
    let mut report = Report::default();
    for stream in Stream::ALL {
        let wanted = stream_config(broker, stream, limits);
        ensure_stream(broker, wanted, &mut report).await?;
    }
    for bucket in Bucket::ALL {
        ensure_bucket(broker, bucket, &mut report).await?;
    }
    for durable in Durable::ALL {
        ensure_consumer(broker, durable, limits, &mut report).await?;
    }
    for drift in &report.drift {
        tracing::warn!(
            object = drift.object,
            setting = drift.setting,
            expected = drift.expected,
            found = drift.found,
            "topology differs from what this version would make"
        );
    }
    Ok(report)
}

/// Returns the configuration that this version gives a stream.
fn stream_config(broker: &Broker, stream: Stream, limits: &Limits) -> Config {
    let bytes = |limit: Option<u64>| limit.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
    let base = Config {
        name: broker.names.stream(stream),
        subjects: broker.names.subjects(stream),
        storage: StorageType::File,
        num_replicas: broker.replicas,
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        allow_direct: true,
        ..Config::default()
    };
    let queue = Config {
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        duplicate_window: MINUTE,
        ..base.clone()
    };
    match stream {
        Stream::Events => Config {
            max_age: 3 * DAY,
            discard: DiscardPolicy::New,
            duplicate_window: 10 * MINUTE,
            max_bytes: bytes(limits.events_max_bytes),
            ..base
        },
        Stream::Jobs => queue,
        Stream::Attempts => Config {
            max_bytes: bytes(limits.attempts_max_bytes),
            ..queue
        },
        // The server refuses `discard: new` beside schedules, so this stream has no limit to hit.
        Stream::Retries => Config {
            discard: DiscardPolicy::Old,
            allow_message_schedules: broker.server_version() >= ServerVersion::SCHEDULES,
            ..queue
        },
        Stream::Dead => Config {
            max_age: 30 * DAY,
            discard: DiscardPolicy::New,
            duplicate_window: MINUTE,
            ..base
        },
        Stream::Rejected | Stream::Signals => Config {
            max_age: 7 * DAY,
            duplicate_window: MINUTE,
            ..base
        },
    }
}

fn consumer_config(broker: &Broker, durable: Durable, limits: &Limits) -> consumer::pull::Config {
    let max_ack_pending = match durable {
        Durable::FanOut | Durable::EventArchive | Durable::LogWriter => 20_000,
        Durable::Delivery => i64::from(limits.jobs_in_flight.max(20_000)),
        Durable::DeliveryRetries => 200_000,
    };
    consumer::pull::Config {
        durable_name: Some(durable.name().to_owned()),
        ack_policy: consumer::AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        max_ack_pending,
        filter_subject: broker.names.filter(durable).unwrap_or_default(),
        ..consumer::pull::Config::default()
    }
}

async fn ensure_stream(broker: &Broker, wanted: Config, report: &mut Report) -> Result<(), Error> {
    let name = wanted.name.clone();
    match broker.context.get_stream(&name).await {
        Ok(stream) => {
            let found = &stream.cached_info().config;
            note_schedules(broker, found);
            compare_streams(&wanted, found, &mut report.drift);
            Ok(())
        }
        Err(error) if is_missing(&error) => {
            // Creating with the same configuration twice is no error, so racing processes agree.
            note_schedules(broker, &wanted);
            broker
                .context
                .create_stream(wanted)
                .await
                .map_err(refused("create stream", &name))?;
            report.created.push(name);
            Ok(())
        }
        Err(error) => Err(refused("read stream", &name)(error)),
    }
}

/// Remembers whether the retries stream takes schedules: one that an older server made does not.
fn note_schedules(broker: &Broker, stream: &Config) {
    if stream.name == broker.names.stream(Stream::Retries) {
        broker
            .takes_schedules
            .store(stream.allow_message_schedules, Ordering::Relaxed);
    }
}

fn is_missing(error: &jetstream::context::GetStreamError) -> bool {
    matches!(error.kind(), jetstream::context::GetStreamErrorKind::JetStream(ref error)
        if error.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND)
}

fn compare_streams(wanted: &Config, found: &Config, drift: &mut Vec<Drift>) {
    let mut compare = |setting, expected: String, found: String| {
        if expected != found {
            drift.push(Drift {
                object: wanted.name.clone(),
                setting,
                expected,
                found,
            });
        }
    };
    compare(
        "subjects",
        wanted.subjects.join(","),
        found.subjects.join(","),
    );
    compare(
        "retention",
        format!("{:?}", wanted.retention),
        format!("{:?}", found.retention),
    );
    compare(
        "discard",
        format!("{:?}", wanted.discard),
        format!("{:?}", found.discard),
    );
    compare(
        "max_age",
        format!("{:?}", wanted.max_age),
        format!("{:?}", found.max_age),
    );
    compare(
        "max_bytes",
        wanted.max_bytes.to_string(),
        found.max_bytes.to_string(),
    );
    compare(
        "max_msgs",
        wanted.max_messages.to_string(),
        found.max_messages.to_string(),
    );
    compare(
        "storage",
        format!("{:?}", wanted.storage),
        format!("{:?}", found.storage),
    );
    compare(
        "replicas",
        wanted.num_replicas.to_string(),
        found.num_replicas.to_string(),
    );
    compare(
        "duplicate_window",
        format!("{:?}", wanted.duplicate_window),
        format!("{:?}", found.duplicate_window),
    );
    compare(
        "allow_msg_schedules",
        wanted.allow_message_schedules.to_string(),
        found.allow_message_schedules.to_string(),
    );
}

async fn ensure_bucket(broker: &Broker, bucket: Bucket, report: &mut Report) -> Result<(), Error> {
    let name = broker.names.bucket(bucket);
    if let Ok(store) = broker.context.get_key_value(&name).await {
        let replicas = store.stream.cached_info().config.num_replicas;
        compare_replicas(broker, &name, replicas, &mut report.drift);
        return Ok(());
    }
    let config = jetstream::kv::Config {
        bucket: name.clone(),
        history: if bucket == Bucket::Endpoints { 8 } else { 1 },
        max_age: max_age(bucket),
        storage: StorageType::File,
        num_replicas: broker.replicas,
        ..jetstream::kv::Config::default()
    };
    broker
        .context
        .create_key_value(config)
        .await
        .map_err(refused("create bucket", &name))?;
    report.created.push(name);
    Ok(())
}

fn max_age(bucket: Bucket) -> Duration {
    match bucket {
        Bucket::Replicas => REPLICA_TTL,
        // No message is handed out again so late without having been handled in between.
        Bucket::Suspects => DAY,
        Bucket::Endpoints
        | Bucket::Tokens
        | Bucket::Health
        | Bucket::EventTypes
        | Bucket::Replays
        | Bucket::Erasures
        | Bucket::Organisations => Duration::ZERO,
    }
}

fn compare_replicas(broker: &Broker, bucket: &str, found: usize, drift: &mut Vec<Drift>) {
    if found != broker.replicas {
        drift.push(Drift {
            object: bucket.to_owned(),
            setting: "replicas",
            expected: broker.replicas.to_string(),
            found: found.to_string(),
        });
    }
}

/// Returns what a consumer is called beside streams and buckets.
fn consumer_object(broker: &Broker, durable: Durable) -> String {
    let stream = broker.names.stream(durable.stream());
    format!("{stream}/{}", durable.name())
}

async fn ensure_consumer(
    broker: &Broker,
    durable: Durable,
    limits: &Limits,
    report: &mut Report,
) -> Result<(), Error> {
    let wanted = consumer_config(broker, durable, limits);
    let object = consumer_object(broker, durable);
    let stream = broker
        .context
        .get_stream(broker.names.stream(durable.stream()))
        .await
        .map_err(refused("read stream of consumer", &object))?;
    let Ok(info) = stream.consumer_info(durable.name()).await else {
        stream
            .create_consumer(wanted)
            .await
            .map_err(refused("create consumer", &object))?;
        report.created.push(object);
        return Ok(());
    };
    compare_consumers(&object, &wanted, &info.config, &mut report.drift);
    Ok(())
}

fn compare_consumers(
    object: &str,
    wanted: &consumer::pull::Config,
    found: &consumer::Config,
    drift: &mut Vec<Drift>,
) {
    let mut compare = |setting, expected: String, found: String| {
        if expected != found {
            drift.push(Drift {
                object: object.to_owned(),
                setting,
                expected,
                found,
            });
        }
    };
    compare(
        "ack_wait",
        format!("{:?}", wanted.ack_wait),
        format!("{:?}", found.ack_wait),
    );
    compare(
        "max_deliver",
        wanted.max_deliver.to_string(),
        found.max_deliver.to_string(),
    );
    compare(
        "max_ack_pending",
        wanted.max_ack_pending.to_string(),
        found.max_ack_pending.to_string(),
    );
    compare(
        "filter_subject",
        wanted.filter_subject.clone(),
        found.filter_subject.clone(),
    );
}

fn refused<E: std::fmt::Display>(
    action: &'static str,
    object: &str,
) -> impl FnOnce(E) -> Error + use<E> {
    let object = object.to_owned();
    move |error| Error::Refused {
        action,
        object,
        reason: error.to_string(),
    }
}

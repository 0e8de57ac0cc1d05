//! Looks at the topology and changes nothing.

use async_nats::jetstream::{consumer, context, stream};
use domain::time::Timestamp;

use super::{
    Drift, Error, Limits, compare_consumers, compare_replicas, compare_streams, consumer_config,
    consumer_object, is_missing, refused, stream_config,
};
use crate::{
    connection::Broker,
    progress::timestamp,
    subject::{Bucket, Durable, Stream},
};

/// Everything that there should be, and how it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The streams, buckets and consumers, in this order.
    pub objects: Vec<Object>,
    /// What is there and differs from what this version would make.
    pub drift: Vec<Drift>,
}

/// A stream, bucket or consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name on the broker; a consumer's with that of its stream.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How it is; `None` if it is missing.
    pub state: Option<State>,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A stream.
    Stream(Stream),
    /// A key-value bucket.
    Bucket(Bucket),
    /// A durable consumer.
    Consumer(Durable),
}

/// How an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A stream or bucket.
    Stored {
        /// How many messages it holds.
        messages: u64,
        /// How many bytes they take.
        bytes: u64,
        /// The most bytes they may take, if there is such a limit.
        max_bytes: Option<u64>,
        /// When its oldest message was stored, by the broker's clock.
        oldest: Option<Timestamp>,
    },
    /// A consumer.
    Consuming {
        /// Messages that it has not handed out.
        pending: u64,
        /// Messages that are handed out, or wait to be handed out again.
        in_flight: u64,
        /// How many requests for messages wait on it: none if nobody reads.
        readers: u64,
    },
}

impl Survey {
    /// Returns the names of what is missing.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let missing = self.objects.iter().filter(|object| object.state.is_none());
        missing.map(|object| object.name.as_str())
    }
}

/// Looks at every stream, bucket and consumer.
///
/// # Errors
/// [`Error::Refused`] when the broker does not tell.
pub async fn survey(broker: &Broker, limits: &Limits) -> Result<Survey, Error> {
    let mut survey = Survey::default();
    for stream in Stream::ALL {
        let wanted = stream_config(broker, stream, limits);
        let found = look(broker, &wanted.name).await?;
        if let Some(info) = &found {
            compare_streams(&wanted, &info.config, &mut survey.drift);
        }
        survey.objects.push(Object {
            name: wanted.name,
            kind: Kind::Stream(stream),
            state: found.as_ref().map(stored),
        });
    }
    for bucket in Bucket::ALL {
        let name = broker.names.bucket(bucket);
        let found = look(broker, &format!("KV_{name}")).await?;
        if let Some(info) = &found {
            let replicas = info.config.num_replicas;
            compare_replicas(broker, &name, replicas, &mut survey.drift);
        }
        survey.objects.push(Object {
            name,
            kind: Kind::Bucket(bucket),
            state: found.as_ref().map(stored),
        });
    }
    for durable in Durable::ALL {
        look_at_consumer(broker, durable, limits, &mut survey).await?;
    }
    Ok(survey)
}

async fn look(broker: &Broker, name: &str) -> Result<Option<stream::Info>, Error> {
    match broker.context.get_stream(name).await {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(refused("read stream", name)(error)),
    }
}

async fn look_at_consumer(
    broker: &Broker,
    durable: Durable,
    limits: &Limits,
    survey: &mut Survey,
) -> Result<(), Error> {
    let name = consumer_object(broker, durable);
    let stream = broker.names.stream(durable.stream());
    let found = match broker.context.get_stream(&stream).await {
        Ok(stream) => match stream.consumer_info(durable.name()).await {
            Ok(info) => Some(info),
            Err(error) if error.kind() == context::ConsumerInfoErrorKind::NotFound => None,
            Err(error) => return Err(refused("read consumer", &name)(error)),
        },
        Err(error) if is_missing(&error) => None,
        Err(error) => return Err(refused("read stream of consumer", &name)(error)),
    };
    if let Some(info) = &found {
        let wanted = consumer_config(broker, durable, limits);
        compare_consumers(&name, &wanted, &info.config, &mut survey.drift);
    }
    survey.objects.push(Object {
        name,
        kind: Kind::Consumer(durable),
        state: found.as_ref().map(consuming),
    });
    Ok(())
}

fn stored(info: &stream::Info) -> State {
    State::Stored {
        messages: info.state.messages,
        bytes: info.state.bytes,
        max_bytes: u64::try_from(info.config.max_bytes)
            .ok()
            .filter(|max| *max > 0),
        oldest: (info.state.messages > 0).then(|| timestamp(info.state.first_timestamp)),
    }
}

fn consuming(info: &consumer::Info) -> State {
    State::Consuming {
        pending: info.num_pending,
        in_flight: u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX),
        readers: u64::try_from(info.num_waiting).unwrap_or(u64::MAX),
    }
}

//! A plain NATS client for tests: publishes as any producer would and looks into streams.

use std::{collections::BTreeMap, time::Duration};

use async_nats::{HeaderMap, jetstream};
use bytes::Bytes;
use futures::StreamExt as _;

use crate::eventually;

const PUBLISH_BOUND: Duration = Duration::from_secs(10);
/// How long one request for messages stands.
const FETCH_EXPIRES: Duration = Duration::from_millis(250);

/// A connection of the test's own to the broker.
#[derive(Clone, Debug)]
pub struct BrokerClient {
    context: jetstream::Context,
}

/// A message as a stream holds it.
#[derive(Clone, Debug)]
pub struct StoredMessage {
    /// Place in the stream, from 1.
    pub sequence: u64,
    /// Subject it was published to.
    pub subject: String,
    /// Headers in no particular order; a repeated name appears once, with its first value.
    pub headers: Vec<(String, String)>,
    /// Payload.
    pub body: Bytes,
}

impl StoredMessage {
    /// Returns the value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl BrokerClient {
    /// Connects to a server that is up: to one of several, if the URL names them with commas between.
    ///
    /// # Panics
    /// Panics when it is not.
    pub async fn connect(url: &str) -> Self {
        let mut options = async_nats::ConnectOptions::new().max_reconnects(None);
        if let Some((user, password)) = login(url) {
            options = options.user_and_password(user.to_owned(), password.to_owned());
        }
        let client = options
            .connect(url.split(',').collect::<Vec<_>>())
            .await
            .unwrap_or_else(|error| panic!("connect to {url}: {error}"));
        Self {
            context: jetstream::new(client),
        }
    }

    /// Publishes and waits for the acknowledgement; answers the place in the stream.
    ///
    /// # Errors
    /// Says why the stream did not take the message.
    pub async fn publish(
        &self,
        subject: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<u64, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        let sent = self
            .context
            .publish_with_headers(subject.to_owned(), map, body.into());
        let acknowledged = async { sent.await.map_err(text)?.await.map_err(text) };
        let ack = tokio::time::timeout(PUBLISH_BOUND, acknowledged)
            .await
            .map_err(text)??;
        Ok(ack.sequence)
    }

    /// Returns how many messages a stream holds, or nothing when there is no such stream.
    pub async fn count(&self, stream: &str) -> Option<u64> {
        let stream = self.context.get_stream(stream).await.ok()?;
        Some(stream.cached_info().state.messages)
    }

    /// Returns how many messages a durable consumer has not finished with: not handed out, or not acknowledged.
    pub async fn unsettled(&self, stream: &str, durable: &str) -> Option<u64> {
        let stream = self.context.get_stream(stream).await.ok()?;
        let info = stream.consumer_info(durable).await.ok()?;
        Some(info.num_pending + u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX))
    }

    /// Returns how many times a durable consumer has handed out a message, whichever it was.
    ///
    /// # Panics
    /// Panics when there is no such consumer.
    pub async fn handed_out(&self, stream: &str, durable: &str) -> u64 {
        let opened = self.context.get_stream(stream).await;
        let opened = opened.unwrap_or_else(|error| panic!("open stream {stream}: {error}"));
        let info = opened.consumer_info(durable).await;
        let info = info.unwrap_or_else(|error| panic!("look at consumer {durable}: {error}"));
        info.delivered.consumer_sequence
    }

    /// Takes what a durable consumer hands out and hands it back at once, until `messages` of them were handed out so
    /// many times each.
    ///
    /// # Panics
    /// Panics when that takes longer than `bound`, or there is no such consumer.
    pub async fn hand_back(
        &self,
        (stream, durable): (&str, &str),
        messages: usize,
        times: i64,
        bound: Duration,
    ) {
        let opened = self.context.get_stream(stream).await;
        let opened = opened.unwrap_or_else(|error| panic!("open stream {stream}: {error}"));
        let consumer = opened
            .get_consumer::<jetstream::consumer::pull::Config>(durable)
            .await
            .unwrap_or_else(|error| panic!("open consumer {durable}: {error}"));
        let mut counts = BTreeMap::new();
        let what = format!("{durable} hands out {messages} messages {times} times");
        eventually(&what, bound, async || {
            let batch = consumer.fetch().max_messages(messages);
            let batch = batch.expires(FETCH_EXPIRES).messages().await;
            let mut batch = batch.map_err(text)?;
            while let Some(message) = batch.next().await {
                let message = message.map_err(text)?;
                let info = message.info().map_err(text)?;
                counts.insert(info.stream_sequence, info.delivered);
                let handed_back = message.ack_with(jetstream::AckKind::Nak(None)).await;
                handed_back.map_err(text)?;
            }
            let done = counts.values().filter(|count| **count >= times).count();
            if done == messages {
                Ok(())
            } else {
                Err(format!("{counts:?}"))
            }
        })
        .await;
    }

    /// Bounds how many messages a stream may hold; it refuses more, and -1 is no bound.
    ///
    /// # Panics
    /// Panics when there is no such stream, or the broker refuses.
    pub async fn allow(&self, stream: &str, messages: i64) {
        let opened = self.context.get_stream(stream).await;
        let opened = opened.unwrap_or_else(|error| panic!("open stream {stream}: {error}"));
        let mut config = opened.cached_info().config.clone();
        config.max_messages = messages;
        let updated = self.context.update_stream(config).await;
        updated.unwrap_or_else(|error| panic!("bound stream {stream}: {error}"));
    }

    /// Returns all messages of a stream in their order.
    ///
    /// # Panics
    /// Panics when there is no such stream.
    pub async fn messages(&self, stream: &str) -> Vec<StoredMessage> {
        let opened = self.context.get_stream(stream).await;
        let opened = opened.unwrap_or_else(|error| panic!("open stream {stream}: {error}"));
        let state = &opened.cached_info().state;
        let mut messages = Vec::new();
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            // A gap: removed, or acknowledged in a work queue.
            let Ok(message) = opened.get_raw_message(sequence).await else {
                continue;
            };
            messages.push(StoredMessage {
                sequence,
                subject: message.subject.to_string(),
                headers: pairs(&message.headers),
                body: message.payload,
            });
        }
        messages
    }

    /// Deletes a message of a stream.
    ///
    /// # Panics
    /// Panics when there is no such message.
    pub async fn delete(&self, stream: &str, sequence: u64) {
        let opened = self.context.get_stream(stream).await;
        let opened = opened.unwrap_or_else(|error| panic!("open stream {stream}: {error}"));
        let deleted = opened.delete_message(sequence).await;
        deleted.unwrap_or_else(|error| panic!("delete {sequence} of {stream}: {error}"));
    }

    /// Returns the underlying JetStream context, for what this type has no method for.
    #[must_use]
    pub fn context(&self) -> &jetstream::Context {
        &self.context
    }
}

/// Returns the name and password in a URL, which the client does not take from there by itself.
fn login(url: &str) -> Option<(&str, &str)> {
    let (before_host, _) = url.split_once('@')?;
    let (_, user_info) = before_host.split_once("://")?;
    user_info.split_once(':')
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter_map(|(name, values)| Some((name.to_string(), values.first()?.to_string())))
        .collect()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

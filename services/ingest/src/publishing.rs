//! From events to the broker: publish all, and answer only after the last `PubAck`.

use domain::{event::Event, trace::TraceParent};
use futures::future::try_join_all;
use http::HeaderMap;
use http_api::problem::Problem;
use jetstream::{
    publisher::{self, Outgoing},
    wire::{self, TraceHeaders},
};

use crate::Ingest;

/// An event that is stored.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) id: String,
    /// Whether an event of this id was there already, and this one was not stored.
    pub(crate) deduplicated: bool,
}

impl Ingest {
    /// Stores the events of a request, as part of the trace that its headers name.
    pub(crate) async fn publish(
        &self,
        events: Vec<Event>,
        headers: &HeaderMap,
        operation: &'static str,
    ) -> Result<Vec<Published>, Problem> {
        let trace = trace(headers);
        let published = self
            .publish_all(events, &trace)
            .await
            .map_err(|error| refused(error, operation))?;
        self.instruments.accepted(
            &published
                .iter()
                .map(|event| event.deduplicated)
                .collect::<Vec<_>>(),
        );
        Ok(published)
    }

    /// Publishes every event, then waits for every `PubAck`.
    async fn publish_all(
        &self,
        events: Vec<Event>,
        trace: &TraceHeaders,
    ) -> Result<Vec<Published>, publisher::Error> {
        let mut sent = Vec::with_capacity(events.len());
        for event in events {
            let mut headers = jetstream::HeaderMap::new();
            trace.write(&mut headers);
            catalogue::mark_checked(&mut headers);
            wire::event::write(&event.content, &mut headers);
            let stored = self
                .publisher
                .send(Outgoing {
                    subject: self.broker.names.event(&event.organisation, &event.name),
                    message_id: format!("{}:{}", event.organisation, event.id),
                    headers,
                    payload: event.body,
                })
                .await?;
            sent.push(async move {
                let stored = stored.await?;
                Ok(Published {
                    id: event.id.to_string(),
                    deduplicated: stored.duplicate,
                })
            });
        }
        try_join_all(sent).await
    }
}

/// Returns the producer's trace context, or the root of a new trace.
fn trace(headers: &HeaderMap) -> TraceHeaders {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match text("traceparent").filter(|parent| TraceParent::parse(parent).is_some()) {
        Some(parent) => TraceHeaders::new(Some(parent), text("tracestate")),
        None => {
            let root = TraceParent::root(lifecycle::entropy::bytes(), lifecycle::entropy::bytes());
            TraceHeaders::new(Some(&root.to_string()), None)
        }
    }
}

/// Tells that the broker did not store an event. Some may be stored: repeating is safe.
fn refused(error: publisher::Error, operation: &'static str) -> Problem {
    match error {
        publisher::Error::Unavailable(reason) => {
            tracing::warn!(reason, "events not stored");
            Problem::unavailable(
                operation,
                "the broker did not store the events; repeat the request",
            )
        }
        publisher::Error::Refused(reason) => {
            tracing::error!(reason, "the broker refuses an event");
            Problem::internal(operation, &reason)
        }
        publisher::Error::TooLarge => {
            Problem::payload_too_large(operation, "an event is larger than the broker takes")
        }
    }
}

//! From events to the broker: publish all, and answer only after the last `PubAck`.

use domain::{event::Event, trace::TraceParent};
use futures::future::try_join_all;
use http::request::Parts;
use http_api::{problem::Problem, span};
use jetstream::{
    publisher::{self, Outgoing},
    wire::{self, TraceHeaders},
};
use telemetry::{
    KeyValue, attribute,
    trace::{Kind, Span},
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
    /// Stores the events of a request, as part of the trace that it belongs to.
    pub(crate) async fn publish(
        &self,
        events: Vec<Event>,
        request: &Parts,
        operation: &'static str,
    ) -> Result<Vec<Published>, Problem> {
        let published = self
            .publish_all(events, request)
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
        request: &Parts,
    ) -> Result<Vec<Published>, publisher::Error> {
        let within = span::context(request);
        let text = |name| (request.headers.get(name)).and_then(|value| value.to_str().ok());
        let trace = TraceHeaders::new(text("traceparent"), text("tracestate"));
        let mut sent = Vec::with_capacity(events.len());
        for event in events {
            let subject = self.broker.names.event(&event.organisation, &event.name);
            let mut span = self.span(within, &event, &subject);
            let mut headers = jetstream::HeaderMap::new();
            trace.at(span.context()).write(&mut headers);
            catalogue::mark_checked(&mut headers);
            wire::event::write(&event.content, &mut headers);
            let stored = self
                .publisher
                .send(Outgoing {
                    subject,
                    message_id: format!("{}:{}", event.organisation, event.id),
                    headers,
                    payload: event.body,
                })
                .await?;
            sent.push(async move {
                let stored = stored.await.inspect_err(|_error| span.fail("publish"))?;
                Ok(Published {
                    id: event.id.to_string(),
                    deduplicated: stored.duplicate,
                })
            });
        }
        try_join_all(sent).await
    }

    fn span(&self, within: TraceParent, event: &Event, subject: &str) -> Span {
        let name = "publish events";
        let mut span = self.tracer.child(Kind::Producer, name, within);
        span.describe(|| {
            [
                KeyValue::new(attribute::MESSAGING_SYSTEM, attribute::NATS),
                KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "publish"),
                KeyValue::new(attribute::MESSAGING_OPERATION_TYPE, "send"),
                KeyValue::new(attribute::MESSAGING_DESTINATION, subject.to_owned()),
                KeyValue::new(attribute::MESSAGING_MESSAGE_ID, event.id.to_string()),
                KeyValue::new(
                    attribute::MESSAGING_BODY_SIZE,
                    i64::try_from(event.body.len()).unwrap_or(i64::MAX),
                ),
                KeyValue::new(attribute::ORGANISATION, event.organisation.to_string()),
                KeyValue::new(attribute::EVENT, event.id.to_string()),
                KeyValue::new(attribute::EVENT_NAME, event.name.to_string()),
            ]
        });
        span
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

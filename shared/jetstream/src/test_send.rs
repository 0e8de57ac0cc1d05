//! Test sends: a request from admin to one replica of delivery, and its answer. No stream is involved.
//!
//! The request is a job's message as it stands on a queue: the event's body as payload, the job in its
//! header. The answer is JSON. Neither holds a secret: delivery looks them up when it sends.

use std::time::Duration;

use async_nats::{Message, RequestErrorKind, Subscriber};
use bytes::Bytes;
use domain::{
    attempt::{AttemptRecord, BodyEncoding},
    job::Job,
    outcome::ErrorKind,
};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use crate::{
    connection::Broker,
    retry_lane::{Cargo, job_headers},
    wire::{self, SCHEMA, TraceHeaders},
};

#[cfg(test)]
mod fuzz;

/// Of the replicas that listen in one group, one gets a request.
const GROUP: &str = "delivery";

/// What came of a test send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "result")]
pub enum Answer {
    /// It was sent, and its record is stored.
    Sent(Box<Sent>),
    /// The replica has as many under way as it may have.
    Busy,
    /// It could not be sent, for a reason that is ours.
    NotSent {
        /// Why, for an operator.
        reason: String,
    },
}

/// The attempt that a test send was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// The id of its record in the log.
    pub log_id: String,
    /// Whether the receiver took it.
    pub success: bool,
    /// The status, if an answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_status: Option<u16>,
    /// The kept part of the response's body, scrubbed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// How `response_body` is written; `None` means as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_body_encoding: Option<BodyEncoding>,
    /// What kind of thing went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<ErrorKind>,
    /// A sentence about what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// How long the attempt took, in milliseconds.
    pub duration_ms: u32,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// No replica of delivery listens.
    #[error("no replica of delivery listens")]
    Nobody,
    /// A replica listens, and did not answer in time: the request may have been sent.
    #[error("no answer came in time")]
    Late,
    /// The event is larger than the broker takes.
    #[error("message is larger than the broker takes")]
    TooLarge,
    /// The broker does not take the request, or the answer is not readable.
    #[error("test send did not go through: {0}")]
    Broken(String),
}

/// The test sends that this replica is asked for.
#[derive(Debug)]
pub struct Requests {
    broker: Broker,
    subscriber: Subscriber,
}

/// A test send that is asked for.
#[derive(Debug)]
pub struct Asked {
    /// The job.
    pub job: Job,
    /// The event's body.
    pub body: Bytes,
    /// The trace context.
    pub trace: TraceHeaders,
    /// Whom to answer.
    pub reply: Reply,
}

/// Somebody who waits for an answer.
#[derive(Debug)]
pub struct Reply {
    broker: Broker,
    to: async_nats::Subject,
}

#[derive(Serialize, Deserialize)]
struct Form<A> {
    schema: u32,
    #[serde(flatten)]
    answer: A,
}

#[derive(Deserialize)]
struct Version {
    schema: u32,
}

impl Sent {
    /// Tells what the record of the attempt says.
    #[must_use]
    pub fn of(record: &AttemptRecord) -> Self {
        Self {
            log_id: record.id.clone(),
            success: record.success,
            response_status: record.response_status,
            response_body: record.response_body.clone(),
            response_body_encoding: record.response_body_encoding,
            error_kind: record.error_kind,
            error_message: record.error_message.clone(),
            duration_ms: record.duration_ms,
        }
    }
}

/// Asks a replica of delivery to send a job's event as a test, and waits for what came of it.
///
/// # Errors
/// [`NoAnswer`].
pub async fn ask(
    broker: &Broker,
    job: &Job,
    cargo: &Cargo,
    patience: Duration,
) -> Result<Answer, NoAnswer> {
    let request = async_nats::Request::new()
        .headers(job_headers(job, cargo))
        .payload(cargo.body.clone())
        .timeout(Some(patience));
    let subject = broker.names.test_send();
    let message =
        (broker.client.send_request(subject, request).await).map_err(|error| {
            match error.kind() {
                RequestErrorKind::NoResponders => NoAnswer::Nobody,
                RequestErrorKind::TimedOut => NoAnswer::Late,
                RequestErrorKind::MaxPayloadExceeded => NoAnswer::TooLarge,
                RequestErrorKind::InvalidSubject | RequestErrorKind::Other => {
                    NoAnswer::Broken(error.to_string())
                }
            }
        })?;
    decode(&message.payload).map_err(NoAnswer::Broken)
}

impl Requests {
    /// Begins to listen, beside the other replicas.
    ///
    /// # Errors
    /// The broker's word when it refuses.
    pub async fn listen(broker: &Broker) -> Result<Self, String> {
        let subject = broker.names.test_send();
        let listening = broker.client.queue_subscribe(subject, GROUP.to_owned());
        let subscriber = listening.await.map_err(|error| error.to_string())?;
        Ok(Self {
            broker: broker.clone(),
            subscriber,
        })
    }

    /// Waits for the next test send; `None` when the connection is closed for good. What can't be read is
    /// answered here.
    pub async fn next(&mut self) -> Option<Asked> {
        loop {
            let message = self.subscriber.next().await?;
            let Some(to) = message.reply.clone() else {
                continue;
            };
            let reply = Reply {
                broker: self.broker.clone(),
                to,
            };
            match job(&message) {
                Ok(job) => {
                    return Some(Asked {
                        job,
                        trace: TraceHeaders::read(message.headers.as_ref()),
                        body: message.payload,
                        reply,
                    });
                }
                Err(reason) => reply.send(&Answer::NotSent { reason }).await,
            }
        }
    }

    /// Lets the other replicas have what is asked from here on.
    pub async fn stop(mut self) {
        if let Err(error) = self.subscriber.unsubscribe().await {
            tracing::debug!(error = %error, "test sends are still heard");
        }
    }
}

impl Reply {
    /// Answers. An answer that is lost makes the asker time out.
    pub async fn send(self, answer: &Answer) {
        let sent = self.broker.client.publish(self.to, encode(answer)).await;
        if let Err(error) = sent {
            tracing::warn!(error = %error, "answer to a test send is lost");
        }
    }
}

fn job(message: &Message) -> Result<Job, String> {
    let text = wire::header(message.headers.as_ref(), wire::JOB_HEADER).unwrap_or_default();
    wire::job::decode(text).map_err(|error| error.to_string())
}

fn encode(answer: &Answer) -> Bytes {
    let form = Form {
        schema: SCHEMA,
        answer,
    };
    #[expect(
        clippy::expect_used,
        reason = "answers have string keys and no fallible field"
    )]
    serde_json::to_vec(&form)
        .map(Bytes::from)
        .expect("an answer is always writable as JSON")
}

fn decode(payload: &[u8]) -> Result<Answer, String> {
    let malformed = |error: serde_json::Error| error.to_string();
    let Version { schema } = serde_json::from_slice(payload).map_err(malformed)?;
    if schema > SCHEMA {
        return Err(format!("has schema {schema}, newer than {SCHEMA}"));
    }
    let form: Form<Answer> = serde_json::from_slice(payload).map_err(malformed)?;
    Ok(form.answer)
}

#[cfg(test)]
mod tests {
    use domain::outcome::ErrorKind;

    use super::{Answer, Sent, decode, encode};

    /// The bytes that versions in the field write: additive changes only.
    const SENT: &str = "{\"schema\":1,\"result\":\"sent\",\"logId\":\"019a\",\"success\":false,\
        \"responseStatus\":500,\"responseBody\":\"//4=\",\"responseBodyEncoding\":\"base64\",\
        \"errorKind\":\"status\",\"errorMessage\":\"HTTP 500: Internal Server Error\",\"durationMs\":12}";
    const BUSY: &str = "{\"schema\":1,\"result\":\"busy\"}";
    const NOT_SENT: &str = "{\"schema\":1,\"result\":\"notSent\",\"reason\":\"no key\"}";

    #[test]
    fn the_form_is_pinned() {
        for text in [SENT, BUSY, NOT_SENT] {
            let answer = decode(text.as_bytes()).unwrap();
            assert_eq!(std::str::from_utf8(&encode(&answer)).unwrap(), text);
        }
        let Answer::Sent(sent) = decode(SENT.as_bytes()).unwrap() else {
            panic!("is an answer of something sent");
        };
        assert_eq!(sent.error_kind, Some(ErrorKind::Status));
    }

    #[test]
    fn what_is_left_out_is_not_there_and_what_is_unknown_is_passed_over() {
        let bare = "{\"schema\":1,\"result\":\"sent\",\"logId\":\"a\",\"success\":true,\"durationMs\":1,\"x\":2}";

        assert_eq!(
            decode(bare.as_bytes()),
            Ok(Answer::Sent(Box::new(Sent {
                log_id: "a".to_owned(),
                success: true,
                response_status: None,
                response_body: None,
                response_body_encoding: None,
                error_kind: None,
                error_message: None,
                duration_ms: 1,
            })))
        );
    }

    #[test]
    fn a_newer_form_is_told_from_a_damaged_one() {
        let newer = decode(b"{\"schema\":2,\"result\":\"dreamt\"}").unwrap_err();

        assert_eq!(newer, "has schema 2, newer than 1");
        for damaged in [
            "",
            "{}",
            "{\"schema\":1}",
            "{\"schema\":1,\"result\":\"x\"}",
        ] {
            assert!(decode(damaged.as_bytes()).is_err(), "{damaged}");
        }
    }
}

//! Reading stored messages by sequence, many for one request.
//!
//! A server before 2.11 knows no batches and answers with one message, which lacks the header that tells how
//! many follow.

use std::time::Duration;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use domain::time::Timestamp;
use futures::StreamExt as _;
use serde_json::json;

use super::{Unavailable, unavailable};
use crate::{connection::Broker, consumer::Delivery, subject::Stream, wire::header};

/// The most messages of one request.
const BATCH_MESSAGES: u32 = 512;
/// About how many bytes one request brings.
const BATCH_BYTES: u32 = 4 * 1024 * 1024;
/// How long the next message of an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The status behind the last message.
const END: u16 = 204;
/// The status if there is no message.
const NONE: u16 = 404;

/// Returns the next messages on the subjects, from a sequence on; none if there are none.
pub(super) async fn read(
    broker: &Broker,
    stream: Stream,
    subjects: &str,
    from: u64,
) -> Result<Vec<Delivery>, Unavailable> {
    let asked = json!({
        "seq": from.max(1),
        "next_by_subj": subjects,
        "batch": BATCH_MESSAGES,
        "max_bytes": BATCH_BYTES,
    });
    let mut answers = ask(broker, stream, asked.to_string()).await?;
    let mut messages = Vec::new();
    while let Some(message) = next(&mut answers).await? {
        let is_last = header(message.headers.as_ref(), "Nats-Num-Pending").is_none();
        messages.push(stored(message)?);
        if is_last {
            break;
        }
    }
    Ok(messages)
}

/// Returns the next message on the subjects, from a sequence on.
pub(super) async fn read_one(
    broker: &Broker,
    stream: Stream,
    subjects: &str,
    from: u64,
) -> Result<Option<Delivery>, Unavailable> {
    let asked = json!({ "seq": from.max(1), "next_by_subj": subjects });
    let mut answers = ask(broker, stream, asked.to_string()).await?;
    next(&mut answers).await?.map(stored).transpose()
}

async fn ask(broker: &Broker, stream: Stream, asked: String) -> Result<Subscriber, Unavailable> {
    let client = &broker.client;
    let inbox = client.new_inbox();
    let answers = client.subscribe(inbox.clone()).await;
    let subject = format!("$JS.API.DIRECT.GET.{}", broker.names.stream(stream));
    client
        .publish_with_reply(subject, inbox, Bytes::from(asked))
        .await
        .map_err(unavailable)?;
    answers.map_err(unavailable)
}

/// Returns the next message of an answer; `None` behind the last.
async fn next(answers: &mut Subscriber) -> Result<Option<Message>, Unavailable> {
    let answer = tokio::time::timeout(PATIENCE, answers.next())
        .await
        .map_err(|_elapsed| unavailable("no answer came in time"))?
        .ok_or_else(|| unavailable("the connection is closed"))?;
    match answer.status.map(|status| status.as_u16()) {
        None => Ok(Some(answer)),
        Some(END | NONE) => Ok(None),
        Some(status) => Err(unavailable(format!("the broker answers {status}"))),
    }
}

/// Reads a message as it is stored; what the broker says of it stands in headers.
fn stored(message: Message) -> Result<Delivery, Unavailable> {
    let said = |name| header(message.headers.as_ref(), name);
    let place = said("Nats-Sequence").and_then(|text| text.parse().ok());
    let time = said("Nats-Time-Stamp").and_then(|text| Timestamp::parse(text).ok());
    let subject = said("Nats-Subject").map(str::to_owned);
    match (place, time, subject) {
        (Some(sequence), Some(stored_at), Some(subject)) => Ok(Delivery {
            subject,
            headers: message.headers,
            payload: message.payload,
            sequence,
            deliveries: 0,
            stored_at,
            is_poison: false,
        }),
        _ => Err(unavailable("an answer does not say what it is")),
    }
}

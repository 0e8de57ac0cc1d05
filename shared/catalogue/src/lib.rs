//! The catalogue of event types in memory, and the one check of events against it.
//!
//! Ingest, fan-out and the log writer ask it the same question with the same answer: may this event pass,
//! and what is its category. The rules are `domain::event_type` and `domain::payload_schema`; the library
//! that checks payloads draws randomness for its maps, so it can't be in `domain`, and is named only here.
//!
//! **Invariant:** nothing is fetched, no file is read, and a regular expression takes linear time.
//!
//! # What ingest let pass is not refused later
//!
//! A schema may change while an event is on its way. Ingest marks what it checked, and whoever reads the
//! event from the stream takes its word; of any other event, only schemas that were saved before the broker
//! stored it are asked. The mark is a header, so a NATS client could set it too; who may publish there is
//! trusted with more than that, and a schema is a service to producers, not a defence.

mod held;
mod schema;

use std::{future::Future, sync::Arc};

use domain::event::Fault;
use jetstream::{
    Broker, HeaderMap,
    bucket::{self, Followed},
    event_type_bucket::EventTypeBucket,
};
use tokio_util::sync::CancellationToken;

pub use crate::{
    held::{Catalogue, Entry, Met},
    schema::Schema,
};

/// The header of an event that was checked when it was accepted.
const CHECKED: &str = "posthorn-checked";
/// What the header says.
const BY_SCHEMA: &str = "schema";

/// Why an event may not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its payload does not fit its schema.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The event type can't be read by this version, so nobody here may say whether the event fits.
    #[error("the event type can't be read by this version")]
    Unreadable,
}

/// Follows the bucket of event types into memory until `stop`: returns what is held, how far it is, and the
/// task that does it.
///
/// # Errors
/// [`bucket::Error`] if the bucket can't be opened.
pub async fn follow(
    broker: &Broker,
    stop: CancellationToken,
) -> Result<(Arc<Catalogue>, Followed, impl Future<Output = ()> + use<>), bucket::Error> {
    let bucket = EventTypeBucket::open(broker).await?;
    let catalogue = Arc::new(Catalogue::default());
    let (followed, following) = bucket::follow(bucket.bucket(), Arc::clone(&catalogue), stop);
    Ok((catalogue, followed, following))
}

/// Marks an event that passed, for those who read it from the stream.
pub fn mark_checked(headers: &mut HeaderMap) {
    headers.insert(CHECKED, BY_SCHEMA);
}

/// Returns whether an event was checked when it was accepted.
#[must_use]
pub fn is_checked(headers: Option<&HeaderMap>) -> bool {
    let value = headers.and_then(|headers| headers.get(CHECKED));
    value.is_some_and(|value| value.as_str() == BY_SCHEMA)
}

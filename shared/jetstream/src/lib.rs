//! Everything that Posthorn asks of NATS JetStream, and the only crate that names its client.
//!
//! Guaranteed here: a publish counts as stored only after its `PubAck`; a message is settled once,
//! after its handler returned; nothing is pulled while what a service must hold in memory is not up
//! to date. Not guaranteed, because JetStream does not: order, and delivery exactly once.
//!
//! [`Broker`] is the connection; [`topology`] makes the streams; [`publisher`] and [`consumer`] move
//! messages, [`wire`] says what they look like; [`bucket`], [`endpoint_bucket`], [`token_bucket`],
//! [`event_type_bucket`] and [`presence`] hold what is configured; [`retry_lane`] decides how a job waits,
//! [`overdue`] looks after those that wait too long; [`erasing`] finds what the streams hold of an event.
//! [`account`] tells what the broker says of itself.

pub mod account;
pub mod batcher;
pub mod bucket;
pub mod connection;
pub mod consumer;
pub mod dead_letter;
pub mod dead_letters;
pub mod endpoint_bucket;
pub mod erasing;
pub mod erasure_bucket;
pub mod event_type_bucket;
#[cfg(test)]
mod fuzz;
pub mod health_bucket;
pub mod organisation_bucket;
pub mod overdue;
pub mod patience;
pub mod presence;
pub mod progress;
pub mod publisher;
pub mod replay_bucket;
pub mod resealing;
pub mod retry_lane;
pub mod sealing;
pub mod signal;
pub mod subject;
pub mod test_send;
pub mod token_bucket;
pub mod topology;
pub mod wire;

pub use async_nats::HeaderMap;
pub use connection::{Backlog, Broker, Options};

//! What ingest takes, what it refuses and what it puts onto the stream of events, on a real broker.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic with a message is how a test fails, in the functions that tests share too"
)]

mod cloud_events;
mod custom_events;
mod event_types;
mod installation;

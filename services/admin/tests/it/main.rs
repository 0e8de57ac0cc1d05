//! The Admin API against a real broker and a real store, its routes called in process.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic with a message is how a test fails, in the functions that tests share too"
)]

mod access;
mod asking;
mod config;
mod dead_letters;
mod delivery;
mod erasing;
mod event_type;
mod hostile;
mod installation;
mod log;
mod panel;
mod pausing;
mod replay;
mod saving;
mod secret;
mod settings;
mod signing;
mod stats;
mod token;

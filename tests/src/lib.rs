//! The whole of Posthorn as its users run it: real binaries, a real broker, a real store.
//!
//! Nothing here looks inside a service: what is checked goes over HTTP, over NATS, or is a file or an exit status.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test equipment: a panic with a message is how a test fails"
)]

pub mod accounts;
pub mod load;

mod collector;
mod command_line;
mod description;
mod dev;
mod grpc;
mod next_version;
mod organisation;
mod process_table;
mod service;
mod stack;
mod wiring;

pub use collector::{CollectedSpan, Collector};
pub use command_line::{CommandLine, Ended, Running};
pub use description::{Described, Description};
pub use dev::{Dev, broker_children};
pub use organisation::{Delivered, Organisation};
pub use process_table::process_runs;
pub use service::Service;
pub use stack::{Replica, Stack, Store};
pub use wiring::Peer;

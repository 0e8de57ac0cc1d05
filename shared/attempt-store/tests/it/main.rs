//! One suite for both stores: whatever holds for PostgreSQL holds for SQLite.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by a panic, in the functions that tests share too"
)]

mod archive;
mod bodies;
mod build;
mod deliveries;
mod erasing;
mod jobs;
mod large_bodies;
mod open;
mod outage;
mod paging;
mod partitions;
mod plans;
mod read;
mod replaying;
mod retention;
mod states;
mod statistics;
mod stores;
mod walking;
mod write;

//! What goes wrong around Posthorn, each under load and with the balance checked: every accepted event is delivered or
//! dead for every endpoint, every request is in the log, and attempts are numbered without a gap.
//!
//! By itself each fault lasts for seconds, and those that take minutes or a file system of their own are left out;
//! `make faults` runs all of them for as long as it takes to pass every time-out there is, and writes the tables.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic with a message is how a test fails, in the functions that tests share too"
)]

mod balance;
mod broker;
mod clock;
mod disk;
mod load;
mod names;
mod network;
mod pace;
mod postgres;
mod processes;
mod quorum;
mod receivers;
mod report;
mod stage;
mod streams;

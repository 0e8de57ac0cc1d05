//! End to end: what Posthorn promises, shown with the real binaries.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic with a message is how a test fails, in the functions that tests share too"
)]

mod body_retention;
mod cloud_events;
mod cluster;
mod command_line;
mod custom_events;
mod deliveries;
mod delivers;
mod dev;
mod drains;
mod egress;
mod erasing;
mod event_types;
mod external_broker;
mod freshness;
mod isolation;
mod killed_often;
mod limits;
mod log_complete;
mod malformed;
mod manual;
mod openapi;
mod outcomes;
mod panel;
mod pausing;
mod permissions;
mod prometheus;
mod refuses_bad_config;
mod replay;
mod restores;
mod retries;
mod roles;
mod rolling;
mod rotates_key;
mod secrets;
mod signing;
mod starts_anew;
mod survives_kill;
mod tenants;
mod traces;
mod versions;
mod waits;

use std::time::Duration;

/// How long anything may take that needs no retry and no lost ack to be noticed.
const BOUND: Duration = Duration::from_secs(30);

/// A signing secret as a customer would bring it.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

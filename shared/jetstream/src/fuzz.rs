//! A target for each form on the broker: whatever stands there, reading it ends soon, does not panic, and loses
//! nothing of what it takes.
//!
//! More inputs than in a test run: `make fuzz`.

mod bucket;
mod message;
mod sealing;

use fuzzing::Target;

/// Words of all forms.
const WORDS: &[&str] = &[
    "\"schema\":1",
    "\"schema\":2",
    "\"id\":",
    "\"unknown\":",
    "\"2026-03-14T10:21:45.102Z\"",
    "\"9999-12-31T23:59:60Z\"",
    "4294967296",
    "18446744073709551615",
    "acme",
    "ep_1",
];

pub(crate) fn target(name: &str) -> Target {
    Target::new(env!("CARGO_MANIFEST_DIR"), name, WORDS)
}

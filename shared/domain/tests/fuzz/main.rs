//! A target for each parser: whatever comes in, it ends soon, does not panic, and holds what it promises.
//!
//! More inputs than in a test run: `make fuzz`.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod answer;
mod cloud_event;
mod config;
mod event;
mod event_type;
mod expression;
mod key;
mod name;
mod url;

use domain::{name::OrganisationId, time::Timestamp};
use fuzzing::Target;

/// The most bytes of an error's text that goes back to a caller: it repeats no input of any length.
const ERROR_MAX_BYTES: usize = 1_024;

fn target(name: &str, words: &'static [&'static str]) -> Target {
    Target::new(env!("CARGO_MANIFEST_DIR"), name, words)
}

fn acme() -> OrganisationId {
    "acme".parse().unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_773_483_705_102)
}

fn assert_short(error: &impl ToString) {
    let text = error.to_string();
    assert!(
        text.len() <= ERROR_MAX_BYTES,
        "{} bytes: {text}",
        text.len()
    );
    assert!(!text.is_empty());
}

//! A target for each parser: whatever comes in, it ends soon, does not panic, and holds what it promises.
//!
//! More inputs than in a test run: `make fuzz`.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod asked_wait;
mod cloud_event;
mod config;
mod event;
mod expression;
mod small;

use domain::{name::OrganisationId, time::Timestamp};

/// The most bytes of an error's text that goes back to a caller: it repeats no input of any length.
const ERROR_MAX_BYTES: usize = 1_024;

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

//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the time, for what is finer than a millisecond.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the wall clock"
)]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Returns milliseconds since 1970-01-01T00:00:00Z; 0 for a clock set before that.
#[must_use]
pub fn now_ms() -> i64 {
    now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

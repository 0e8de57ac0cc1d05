//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns milliseconds since 1970-01-01T00:00:00Z; 0 for a clock set before that.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the wall clock"
)]
pub fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

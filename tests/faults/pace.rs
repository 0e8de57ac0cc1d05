//! How long faults last.

use std::time::Duration;

/// The variable that makes faults last.
const VARIABLE: &str = "POSTHORN_FAULTS";

/// Returns whether faults are to outlast every time-out, and none is to be left out.
pub(crate) fn is_long() -> bool {
    std::env::var(VARIABLE).is_ok_and(|value| value == "long")
}

/// Returns the first, or with `make faults` the second, in seconds.
pub(crate) fn seconds(short: u64, long: u64) -> Duration {
    Duration::from_secs(if is_long() { long } else { short })
}

//! Polls a condition until it holds, within a bound, and shows what it saw last when it does not.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Waits until `condition` answers `Ok`, and returns what it answered; `Err` carries what it saw instead.
///
/// # Panics
/// Panics with `what` and the last `Err` once `bound` is over.
pub async fn eventually<T, E: Display>(
    what: &str,
    bound: Duration,
    mut condition: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match condition().await {
            Ok(value) => return value,
            Err(seen) if started.elapsed() >= bound => give_up(what, bound, &seen),
            Err(_) => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Does what [`eventually`] does on a thread that may block.
///
/// # Panics
/// Panics with `what` and the last `Err` once `bound` is over.
pub fn eventually_blocking<T, E: Display>(
    what: &str,
    bound: Duration,
    mut condition: impl FnMut() -> Result<T, E>,
) -> T {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match condition() {
            Ok(value) => return value,
            Err(seen) if started.elapsed() >= bound => give_up(what, bound, &seen),
            Err(_) => {}
        }
        std::thread::park_timeout(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn give_up(what: &str, bound: Duration, seen: &dyn Display) -> ! {
    panic!("{what}: not within {bound:?}; last seen: {seen}")
}

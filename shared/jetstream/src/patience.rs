//! Patience with a broker at start: a cluster may still be choosing who leads a stream, and a server may be on its way back.

use std::{
    fmt::Display,
    future::Future,
    time::{Duration, Instant},
};

/// How long something that a process can't do without is asked for.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(500);

/// Tries until it succeeds, for 20 s; `what` is wanted, as the log tells it.
///
/// # Errors
/// The last one.
pub async fn patiently<T, E, F>(what: &str, mut attempt: impl FnMut() -> F) -> Result<T, E>
where
    E: Display,
    F: Future<Output = Result<T, E>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(found) => return Ok(found),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(error) => tracing::warn!(%error, what, "the broker does not give it yet"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

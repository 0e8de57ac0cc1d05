//! Looks for schedules that did not fire, a few at a time.

use std::time::Duration;

use domain::time::Timestamp;
use jetstream::{Broker, overdue::Sweep, publisher::Publisher};
use tokio_util::sync::CancellationToken;

/// How often schedules are looked at.
const EVERY: Duration = Duration::from_secs(10);
/// How many at a time: half a per cent of a processor.
const AT_A_TIME: usize = 500;

/// Sweeps until `stop`.
pub(crate) async fn run(broker: Broker, publisher: Publisher, stop: CancellationToken) {
    let sweeping = async {
        let mut sweep = None;
        loop {
            if let Err(reason) = look(&mut sweep, &broker, &publisher).await {
                tracing::debug!(reason, "sweep for overdue schedules is interrupted");
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = sweeping => {}
    }
}

/// Looks at the next schedules. After an error the walk goes on behind where it was: one schedule that
/// can't be fired must not hide all those behind it.
async fn look(
    sweep: &mut Option<Sweep>,
    broker: &Broker,
    publisher: &Publisher,
) -> Result<(), String> {
    let walk = match sweep {
        Some(walk) => walk,
        None => sweep.insert(Sweep::new(broker, publisher).await?),
    };
    let now = Timestamp::from_millis(lifecycle::clock::now_ms());
    walk.look(AT_A_TIME, now).await?;
    Ok(())
}

//! Whether a process may get traffic: when all its latches are ready and it isn't draining.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[cfg(test)]
mod tests;

/// What a latch waits for before it is first set.
const STARTING: &str = "starting";

/// Collects the conditions for being ready; cheap to clone.
#[derive(Debug, Clone)]
pub struct Readiness {
    state: Arc<watch::Sender<Vec<Condition>>>,
    draining: CancellationToken,
}

/// One condition, as its latch last set it.
#[derive(Debug)]
struct Condition {
    name: &'static str,
    /// Why not; `None` when ready.
    reason: Option<String>,
}

/// What a process waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The name of the condition.
    pub name: &'static str,
    /// Why it does not hold.
    pub reason: String,
}

/// Sets one condition; cheap to clone.
#[derive(Debug, Clone)]
pub struct Latch {
    state: Arc<watch::Sender<Vec<Condition>>>,
    index: usize,
}

impl Readiness {
    /// Makes a readiness without conditions, which is ready until `draining` is cancelled.
    #[must_use]
    pub fn new(draining: CancellationToken) -> Self {
        Self {
            state: Arc::new(watch::Sender::new(Vec::new())),
            draining,
        }
    }

    /// Adds a condition, not ready at first.
    #[must_use]
    pub fn latch(&self, name: &'static str) -> Latch {
        let mut index = 0;
        self.state.send_modify(|conditions| {
            index = conditions.len();
            conditions.push(Condition {
                name,
                reason: Some(STARTING.to_owned()),
            });
        });
        Latch {
            state: Arc::clone(&self.state),
            index,
        }
    }

    /// Adds a condition that holds while `holds` is true, and returns the task that follows it
    /// until the drain.
    pub fn follow(
        &self,
        name: &'static str,
        mut holds: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + use<> {
        let latch = self.latch(name);
        let draining = self.draining.clone();
        async move {
            loop {
                if *holds.borrow_and_update() {
                    latch.ready();
                } else {
                    latch.not_ready("not yet, or no longer");
                }
                tokio::select! {
                    () = draining.cancelled() => return,
                    changed = holds.changed() => if changed.is_err() {
                        latch.not_ready("its task ended");
                        return;
                    },
                }
            }
        }
    }

    /// Returns whether every condition holds and the process isn't draining.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.draining.is_cancelled() && holds(&self.state.borrow())
    }

    /// Returns what the process waits for, in the order in which the latches were made.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<Waiting> {
        let draining = self.draining.is_cancelled().then(|| Waiting {
            name: "shutdown",
            reason: "draining".to_owned(),
        });
        let conditions = self.state.borrow();
        let waiting = conditions.iter().filter_map(|condition| {
            let reason = condition.reason.clone()?;
            Some(Waiting {
                name: condition.name,
                reason,
            })
        });
        draining.into_iter().chain(waiting).collect()
    }

    /// Waits until every condition holds; returns whether the process is ready then, and not
    /// draining.
    pub async fn until_ready(&self) -> bool {
        let mut state = self.state.subscribe();
        tokio::select! {
            held = state.wait_for(|conditions| holds(conditions)) => held.is_ok(),
            () = self.draining.cancelled() => false,
        }
    }
}

fn holds(conditions: &[Condition]) -> bool {
    conditions
        .iter()
        .all(|condition| condition.reason.is_none())
}

impl Latch {
    /// Says that the condition holds.
    pub fn ready(&self) {
        self.set(None);
    }

    /// Says that the condition doesn't hold, and why.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, reason: Option<String>) {
        self.state
            .send_if_modified(|conditions| match conditions.get_mut(self.index) {
                Some(condition) if condition.reason != reason => {
                    condition.reason = reason;
                    true
                }
                _ => false,
            });
    }
}

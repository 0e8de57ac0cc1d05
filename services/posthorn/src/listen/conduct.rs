//! How a receiver behaves that is told to fail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How requests are answered; clones count together.
#[derive(Debug, Clone)]
pub(super) struct Conduct {
    status: Option<u16>,
    /// How many failures are left; for ever if `None`.
    left: Option<Arc<AtomicU64>>,
    /// How long to wait before answering.
    pub(super) delay: Duration,
}

impl Conduct {
    pub(super) fn new(status: Option<u16>, times: Option<u64>, delay: Option<Duration>) -> Self {
        Self {
            status,
            left: times.map(|times| Arc::new(AtomicU64::new(times))),
            delay: delay.unwrap_or_default(),
        }
    }

    /// Returns the status of the next answer if it is to fail.
    pub(super) fn failure(&self) -> Option<u16> {
        let status = self.status?;
        let Some(left) = &self.left else {
            return Some(status);
        };
        let one_less = |left: u64| left.checked_sub(1);
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .ok()
            .map(|_before| status)
    }
}

#[cfg(test)]
mod tests {
    use super::Conduct;

    #[test]
    fn it_fails_for_ever_or_so_many_times() {
        let answers = |conduct: &Conduct| [0; 3].map(|_| conduct.failure());

        assert_eq!(answers(&Conduct::new(None, None, None)), [None; 3]);
        assert_eq!(
            answers(&Conduct::new(Some(500), None, None)),
            [Some(500); 3]
        );
        assert_eq!(
            answers(&Conduct::new(Some(503), Some(2), None)),
            [Some(503), Some(503), None]
        );
    }
}

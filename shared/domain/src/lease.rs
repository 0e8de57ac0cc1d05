//! A lease on a long piece of work: it is one process's alone, until that has not been heard of for a while.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How long a piece of work belongs to its owner after the last write.
pub const LEASE: Duration = Duration::from_secs(10);

/// Who works on something, and until when it is theirs alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The process.
    pub owner: String,
    /// The end, unless it is renewed.
    pub until: Timestamp,
}

impl Lease {
    /// Returns a lease for `owner`; `None` while somebody holds the one there is.
    #[must_use]
    pub fn taken(held: Option<&Self>, owner: &str, now: Timestamp) -> Option<Self> {
        let is_free = held.is_none_or(|lease| lease.until <= now);
        is_free.then(|| Self {
            owner: owner.to_owned(),
            until: now.after(LEASE),
        })
    }

    /// Returns the lease with its whole time before it.
    #[must_use]
    pub fn renewed(&self, now: Timestamp) -> Self {
        Self {
            owner: self.owner.clone(),
            until: now.after(LEASE),
        }
    }
}

//! A page of records, kept small enough to be held in memory with its bodies.
//!
//! **Invariant:** a body is read only after its length was counted, so that a page never holds more than
//! [`PAGE_BODY_BYTES`], unless its first record alone does.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use domain::time::Timestamp;

use crate::{
    filter::{Cursor, Order, Page},
    record::{BodyKey, StoredAttempt, body_key},
    select::page_size,
};

/// The most bytes of request bodies on a page, each counted as often as it is shown.
///
/// The page ends before the record whose body would exceed it. A first record is always shown.
pub const PAGE_BODY_BYTES: u64 = 8 * 1024 * 1024;

/// One page of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptPage {
    /// How many records satisfy the filter, counted up to [`COUNT_LIMIT`](crate::COUNT_LIMIT), and among the first
    /// [`LOOK_LIMIT`](crate::LOOK_LIMIT) in the page's order where records are passed over.
    pub total_count: u64,
    /// Whether these are all.
    pub is_total_exact: bool,
    /// The records of this page: fewer than asked for if these are the last, if their bodies are large, or if what
    /// is asked for is rare.
    pub records: Vec<StoredAttempt>,
    /// Where the next page begins; `None` if this is the last, however many records it has.
    pub next_cursor: Option<Cursor>,
}

impl AttemptPage {
    /// Returns the place behind this page, from which on new records are found later; `None` while nothing is there.
    #[must_use]
    pub fn end(&self, page: &Page) -> Option<Cursor> {
        let last = self.records.last().map(|it| Cursor::of(&it.record));
        last.or_else(|| page.after.cursor().cloned())
    }
}

/// How many records satisfy a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) count: u64,
    pub(crate) is_exact: bool,
}

/// A page whose bodies are still to be read.
#[derive(Debug)]
pub(crate) struct Draft {
    order: Order,
    /// Up to where records were looked at; `None` if that is the end.
    sight: Option<Timestamp>,
    records: Vec<StoredAttempt>,
    more: bool,
}

impl Draft {
    /// Takes the records that were found; there may be one more than the page holds.
    pub(crate) fn new(
        page: &Page,
        sight: Option<Timestamp>,
        mut records: Vec<StoredAttempt>,
    ) -> Self {
        let more = records.len() > page_size(page);
        records.truncate(page_size(page));
        Self {
            order: page.order,
            sight,
            records,
            more,
        }
    }

    /// Returns what the bodies of all records are found by.
    pub(crate) fn keys(&self) -> HashSet<BodyKey> {
        self.records.iter().map(|it| body_key(&it.record)).collect()
    }

    /// Ends the page where its bodies exceed the budget, and returns what is to be read.
    ///
    /// A body without a length was not archived when lengths were read. It is left out even if it is by now:
    /// nobody has counted it.
    pub(crate) fn cut(&mut self, lengths: &HashMap<BodyKey, i64>) -> HashSet<BodyKey> {
        let mut bytes = 0_u64;
        let exceeds = |it: &StoredAttempt| {
            let length = lengths.get(&body_key(&it.record)).copied();
            let length = length.unwrap_or_default();
            bytes = bytes.saturating_add(u64::try_from(length).unwrap_or_default());
            bytes > PAGE_BODY_BYTES
        };
        if let Some(end) = self.records.iter().position(exceeds) {
            let kept = end.max(1);
            self.more |= kept < self.records.len();
            self.records.truncate(kept);
        }
        let mut keys = self.keys();
        keys.retain(|key| lengths.contains_key(key));
        keys
    }

    /// Puts the records and their bodies together.
    pub(crate) fn complete(
        self,
        total: Total,
        bodies: &HashMap<BodyKey, Bytes>,
        expired: &HashSet<BodyKey>,
    ) -> AttemptPage {
        let next_cursor = if self.more {
            self.records.last().map(|it| Cursor::of(&it.record))
        } else {
            self.sight.map(|sight| Cursor::behind(self.order, sight))
        };
        let records = self.records.into_iter();
        AttemptPage {
            total_count: total.count,
            is_total_exact: total.is_exact,
            records: records.map(|it| it.with_body(bodies, expired)).collect(),
            next_cursor,
        }
    }
}

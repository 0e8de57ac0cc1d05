//! A page of records, kept small enough to be held in memory with its bodies.
//!
//! **Invariant:** a body is read only after its length was counted, so that a page never holds more than
//! [`PAGE_BODY_BYTES`], unless its first record alone does.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use domain::attempt::AttemptRecord;

use crate::{
    filter::{Cursor, Page},
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
    /// How many records satisfy the filter, counted up to [`COUNT_LIMIT`](crate::COUNT_LIMIT).
    pub total_count: u64,
    /// The records of this page: fewer than asked for if these are the last, or if their bodies are large.
    pub records: Vec<StoredAttempt>,
    /// Where the next page begins; `None` if this is the last, however many records it has.
    pub next_cursor: Option<Cursor>,
}

/// A page whose bodies are still to be read.
#[derive(Debug)]
pub(crate) struct Draft {
    total_count: u64,
    records: Vec<AttemptRecord>,
    more: bool,
}

impl Draft {
    /// Takes the records that were found; there may be one more than the page holds.
    pub(crate) fn new(page: &Page, total: i64, mut records: Vec<AttemptRecord>) -> Self {
        let more = records.len() > page_size(page);
        records.truncate(page_size(page));
        Self {
            total_count: u64::try_from(total).unwrap_or_default(),
            records,
            more,
        }
    }

    /// Returns what the bodies of all records are found by.
    pub(crate) fn keys(&self) -> HashSet<BodyKey> {
        self.records.iter().map(body_key).collect()
    }

    /// Ends the page where its bodies exceed the budget, and returns what is to be read.
    ///
    /// A body without a length was not archived when lengths were read. It is left out even if it is by now:
    /// nobody has counted it.
    pub(crate) fn cut(&mut self, lengths: &HashMap<BodyKey, i64>) -> HashSet<BodyKey> {
        let mut bytes = 0_u64;
        let exceeds = |record: &AttemptRecord| {
            let length = lengths.get(&body_key(record)).copied().unwrap_or_default();
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
    pub(crate) fn complete(self, bodies: &HashMap<BodyKey, Bytes>) -> AttemptPage {
        let next_cursor = self.records.last().filter(|_| self.more).map(Cursor::of);
        let records = self.records.into_iter();
        AttemptPage {
            total_count: self.total_count,
            records: records
                .map(|record| StoredAttempt::new(record, bodies))
                .collect(),
            next_cursor,
        }
    }
}

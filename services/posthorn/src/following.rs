//! Follows the log as it grows.
//!
//! A record stands in the log by the time at which its attempt began, and comes there once it has
//! ended; so one may come in front of others that were read already. What is new is therefore read
//! from the newest record on, a little overlapping, and the log is read a second time where it is
//! *settled*: whatever came too late for the first reading is found there. Each record is shown once.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use domain::time::Timestamp;

use crate::{
    api::Api,
    failure::Failure,
    record::{self, Filter, PAGE, Shown},
};

/// How long an attempt that began before the newest one may take to be found at once.
const OVERLAP: Duration = Duration::from_secs(15);
/// Where more records than this lie in the overlap, nothing overlaps.
const OVERLAP_RECORDS: usize = 200;
/// How often the settled log is read.
const SETTLED_EVERY: Duration = Duration::from_secs(5);
/// The most records that are remembered; above it the settled log has to catch up first.
const REMEMBERED_MAX: usize = 50_000;
/// The most pages that one look reads before they are shown.
const PAGES_MAX: usize = 20;

/// Where a record stands.
type Place = (Timestamp, String);

/// Reads what is new in the log.
#[derive(Debug)]
pub(crate) struct Follower {
    filter: Filter,
    /// What was shown and is not settled yet.
    shown: BTreeSet<Place>,
    /// What was read and not handed out yet.
    new: Vec<Shown>,
    /// Before this nothing is shown.
    from: Option<Timestamp>,
    settled: Settled,
}

/// How far the settled log was read.
#[derive(Debug, Default)]
struct Settled {
    cursor: Option<String>,
    read_at: Option<Instant>,
}

impl Follower {
    /// Follows the log from the end on; returns the newest records too, at most so many, the oldest first.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub(crate) async fn start(
        api: &Api,
        filter: Filter,
        before: u32,
    ) -> Result<(Self, Vec<Shown>), Failure> {
        // The newest one tells where the end is, by the clock of whoever wrote it.
        let mut newest = record::newest(api, &filter, before.max(1)).await?;
        let mut follower = Self {
            from: newest
                .first()
                .map(|first| first.record.created_at)
                .or(filter.since),
            filter,
            shown: BTreeSet::new(),
            new: Vec::new(),
            settled: Settled::default(),
        };
        for shown in &newest {
            follower.shown.insert(place(shown));
        }
        if before == 0 {
            newest.clear();
        }
        Ok((follower, newest))
    }

    /// Returns the records that are new since the last look, in their order as far as that is known.
    ///
    /// # Errors
    /// As [`Api::read`]; the next look goes on where this one failed.
    pub(crate) async fn look(&mut self, api: &Api) -> Result<Vec<Shown>, Failure> {
        if self.shown.len() < REMEMBERED_MAX {
            self.read_newest(api).await?;
        }
        if self
            .settled
            .read_at
            .is_none_or(|at| at.elapsed() >= SETTLED_EVERY)
        {
            self.read_settled(api).await?;
            self.settled.read_at = Some(Instant::now());
        }
        Ok(std::mem::take(&mut self.new))
    }

    async fn read_newest(&mut self, api: &Api) -> Result<(), Failure> {
        let since = self.overlapping();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let call = self
                .filter
                .call("createdAt", PAGE)
                .with_some("since", since)
                .with_some("cursor", cursor);
            let (records, next) = record::page(api, &call).await?;
            for shown in records {
                if self.shown.insert(place(&shown)) {
                    self.new.push(shown);
                }
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Returns from when on the log is read again.
    fn overlapping(&self) -> Option<Timestamp> {
        let (newest, _) = self.shown.last()?;
        let overlap = i64::try_from(OVERLAP.as_millis()).unwrap_or(i64::MAX);
        let from = Timestamp::from_millis(newest.millis().saturating_sub(overlap));
        let lies_in = self.shown.range((from, String::new())..).count();
        let from = if lies_in > OVERLAP_RECORDS {
            *newest
        } else {
            from
        };
        Some(self.from.map_or(from, |first| first.max(from)))
    }

    async fn read_settled(&mut self, api: &Api) -> Result<(), Failure> {
        for _ in 0..PAGES_MAX {
            let call = self
                .filter
                .call("createdAt", PAGE)
                .with("settled", true)
                .with_some("since", self.from)
                .with_some("cursor", self.settled.cursor.as_ref());
            let (records, next) = record::page(api, &call).await?;
            let is_full = u32::try_from(records.len()).is_ok_and(|count| count == PAGE);
            if let Some(last) = records.last() {
                // Nothing comes before a settled record any more.
                let settled = place(last);
                for shown in records {
                    if !self.shown.contains(&place(&shown)) {
                        self.new.push(shown);
                    }
                }
                // Whoever looks again from there on must not meet what is forgotten.
                self.shown.retain(|(at, _)| *at >= settled.0);
                self.from = Some(settled.0);
                self.shown.insert(settled);
            }
            self.settled.cursor = next.or(self.settled.cursor.take());
            if !is_full {
                break;
            }
        }
        Ok(())
    }
}

fn place(shown: &Shown) -> Place {
    (shown.record.created_at, shown.record.id.clone())
}

//! A page of deliveries while it fills, and the steps of the walk that fills it.

use std::{cmp::Reverse, collections::HashSet};

use domain::{job_state::DeliveryState, name::JobId};

use crate::{
    delivery::{Delivery, DeliveryPage, History},
    entry::HeadRow,
    filter::{Cursor, PAGE_LIMIT},
};

/// How many records of each table one step of a walk reads.
pub(super) const STEP: usize = 500;
/// How many jobs are looked up at once.
pub(crate) const JOBS_AT_ONCE: usize = 100;

/// What one step of a walk found.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    pub(crate) rows: Vec<HeadRow>,
    /// Up to where everything was found; `None` if that is the end.
    pub(crate) reached: Option<Cursor>,
}

/// A page while it fills.
#[derive(Debug)]
pub(super) struct Filling {
    size: usize,
    found: Vec<(Cursor, Delivery)>,
    jobs: HashSet<JobId>,
}

impl Heads {
    /// Adds what a table gave, the newest first; as many as were asked for means that there may be more, as does
    /// `sight`, the place up to which the table was looked at.
    pub(super) fn add(&mut self, rows: Vec<HeadRow>, sight: Option<Cursor>) {
        let reached = if rows.len() >= STEP {
            rows.last().map(HeadRow::place)
        } else {
            sight
        };
        self.reached = self.reached.take().max(reached);
        self.rows.extend(rows);
    }

    /// Leaves out what lies beyond the place up to which both tables were read, and what begins no job.
    pub(super) fn sorted(mut self) -> Self {
        let reached = self.reached.as_ref();
        self.rows.retain(|row| {
            row.attempt == 1 && reached.is_none_or(|reached| row.place() >= *reached)
        });
        self.rows.sort_by_key(|row| Reverse(row.place()));
        self
    }
}

impl Filling {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            size: usize::try_from(limit.clamp(1, PAGE_LIMIT)).unwrap_or(1),
            found: Vec::new(),
            jobs: HashSet::new(),
        }
    }

    /// Returns how many jobs are worth looking up at once.
    pub(super) fn lookup(&self, state: Option<DeliveryState>) -> usize {
        if state.is_none() {
            // Nearly all of them belong on the page.
            self.size.saturating_add(1)
        } else {
            JOBS_AT_ONCE
        }
    }

    pub(super) fn take(
        &mut self,
        rows: &[HeadRow],
        histories: &[History],
        state: Option<DeliveryState>,
    ) {
        for row in rows {
            let place = row.place();
            let found = histories
                .binary_search_by(|it| it.key().job.as_str().cmp(&row.job_id))
                .ok()
                .and_then(|at| histories.get(at));
            let Some(history) = found.filter(|it| it.begins_at(&place) && !it.is_test()) else {
                continue;
            };
            let delivery = history.delivery();
            if state.is_none_or(|state| state == delivery.state)
                && self.jobs.insert(delivery.job_id.clone())
            {
                self.found.push((place, delivery));
            }
        }
    }

    /// Returns whether there is one more than the page holds, which tells that there is a next page.
    pub(super) fn full(&self) -> bool {
        self.found.len() > self.size
    }

    /// Ends the page; `reached` is where the walk stopped without being done.
    pub(super) fn finish(mut self, reached: Option<Cursor>) -> DeliveryPage {
        let full = self.full();
        self.found.truncate(self.size);
        let next_cursor = if full {
            self.found.last().map(|(place, _)| place.clone())
        } else {
            reached
        };
        DeliveryPage {
            deliveries: self.found.into_iter().map(|(_, it)| it).collect(),
            next_cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::{Heads, STEP};
    use crate::{entry::HeadRow, filter::Cursor};

    #[test]
    fn a_step_ends_where_the_table_that_goes_on_was_left() {
        let mut heads = Heads::default();
        heads.add(
            (1_000..)
                .take(STEP)
                .map(row)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect(),
            None,
        );
        heads.add(vec![row(9_000), row(1_000), row(999)], None);

        let sorted = heads.sorted();

        let times: Vec<_> = sorted.rows.iter().map(|row| row.created_at).collect();
        assert_eq!(times.len(), STEP + 2);
        assert!(times.is_sorted_by(|a, b| a >= b));
        assert_eq!((times.first(), times.last()), (Some(&9_000), Some(&1_000)));
        assert_eq!(sorted.reached, Some(row(1_000).place()));
    }

    #[test]
    fn a_step_ends_where_a_table_was_not_looked_at_any_further() {
        let mut heads = Heads::default();
        let sight = Cursor::before(Timestamp::from_millis(5));
        heads.add(vec![row(9), row(5)], Some(sight.clone()));
        heads.add(vec![row(7), row(4)], None);

        let sorted = heads.sorted();

        let times: Vec<_> = sorted.rows.iter().map(|row| row.created_at).collect();
        assert_eq!(times, [9, 7, 5]);
        assert_eq!(sorted.reached, Some(sight));
    }

    fn row(created_at: i64) -> HeadRow {
        HeadRow {
            created_at,
            id: format!("{created_at}"),
            job_id: "evt-1:ep_1".to_owned(),
            attempt: 1,
        }
    }
}

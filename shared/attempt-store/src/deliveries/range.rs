//! Stretches of job ids, by which the records of jobs are looked up.

use std::time::Duration;

use domain::{name::JobId, time::Timestamp};

use crate::entry::{HeadRow, Table};

/// How long before a job's first record another of its attempts is looked for. A first attempt is repeated
/// when the broker hands out the job again, within minutes of a crash; and no partition of an older day
/// needs to be looked into.
const REPEATED_WITHIN: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// A stretch of job ids, and from when on their attempts are wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobRange {
    /// The first id.
    pub(crate) low: String,
    /// The first id that does not belong to it any more.
    pub(crate) high: String,
    since: Timestamp,
}

impl JobRange {
    fn new(low: String, high: String) -> Self {
        Self {
            low,
            high,
            since: Timestamp::from_millis(0),
        }
    }

    /// Returns the range of one id: what may follow in a longer one sorts behind `!`.
    pub(super) fn of_job(job: &JobId) -> Self {
        Self::new(job.to_string(), format!("{job}!"))
    }

    /// Returns the range of the ids of the job's replays: a semicolon is the character behind the colon.
    pub(super) fn of_replays(job: &JobId) -> Self {
        Self::new(format!("{job}:"), format!("{job};"))
    }

    /// Returns the range of the job that may begin with the record.
    pub(crate) fn of_head(row: &HeadRow) -> Self {
        let repeated = i64::try_from(REPEATED_WITHIN.as_millis()).unwrap_or(i64::MAX);
        Self {
            since: Timestamp::from_millis(row.created_at.saturating_sub(repeated)),
            ..Self::new(row.job_id.clone(), format!("{}!", row.job_id))
        }
    }

    /// Returns from when on records are wanted. A job may have been parked for as long as it likes.
    pub(crate) fn since(&self, table: Table) -> Timestamp {
        match table {
            Table::Attempts => self.since,
            Table::States => Timestamp::from_millis(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::name::JobId;

    use super::JobRange;

    #[test]
    fn ranges_hold_a_job_and_its_replays_and_no_neighbours() {
        let job: JobId = "evt-1:ep_1".parse().unwrap();
        let holds =
            |range: &JobRange, id: &str| range.low.as_str() <= id && id < range.high.as_str();

        for (id, first, replay) in [
            ("evt-1:ep_1", true, false),
            ("evt-1:ep_1:r1", false, true),
            ("evt-1:ep_1:-", false, true),
            ("evt-1:ep_10", false, false),
            ("evt-1:ep_1-", false, false),
            ("evt-1:ep_1_", false, false),
            ("evt-1:ep_1a", false, false),
            ("evt-1:ep_1Z", false, false),
            ("evt-1:ep_", false, false),
        ] {
            assert_eq!(holds(&JobRange::of_job(&job), id), first, "{id}");
            assert_eq!(holds(&JobRange::of_replays(&job), id), replay, "{id}");
        }
    }
}

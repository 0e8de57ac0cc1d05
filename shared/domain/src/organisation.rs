//! What an organisation decides for all of its endpoints.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The most days that bodies may be told to be kept. Nothing outlives the retention of records.
pub const BODY_RETENTION_MAX_DAYS: u32 = 3_650;

const DAY: Duration = Duration::from_secs(86_400);
/// How far before the end of the last sweep the next one begins: records arrive late.
const OVERLAP: Duration = Duration::from_secs(3_600);
/// How often a sweep begins at the beginning, for what arrived later than that.
const WHOLE_EVERY: Duration = Duration::from_secs(86_400);

/// The settings of an organisation. One that has none has these.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// For how many days the bodies of events and answers are kept; as long as records without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_retention_days: Option<u32>,
    /// When the settings were saved; never if they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Fields of a later version, kept as they are.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, serde_json::Value>,
}

/// A stretch of time whose bodies have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// From this time on.
    pub from: Timestamp,
    /// Before this time.
    pub before: Timestamp,
}

/// How far an organisation's bodies were swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    before: Timestamp,
    whole_at: Timestamp,
}

impl Settings {
    /// Returns since when bodies are kept; `None` if they are as long as records.
    #[must_use]
    pub fn bodies_kept_since(&self, now: Timestamp) -> Option<Timestamp> {
        self.body_retention_days
            .map(|days| earlier(now, DAY * days))
    }

    /// Returns what is to be swept now, and what is to be remembered of it; `None` if nothing is.
    ///
    /// Most sweeps go on where the last one ended, so that they read little; one each day begins at the
    /// beginning.
    #[must_use]
    pub fn sweep(&self, swept: Option<Swept>, now: Timestamp) -> Option<(Sweep, Swept)> {
        let before = self.bodies_kept_since(now)?;
        let recent = swept.filter(|swept| now.since(swept.whole_at) < WHOLE_EVERY);
        let (from, whole_at) = recent.map_or((Timestamp::from_millis(0), now), |swept| {
            (earlier(swept.before.min(before), OVERLAP), swept.whole_at)
        });
        Some((Sweep { from, before }, Swept { before, whole_at }))
    }
}

fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.millis().saturating_sub(by).max(0))
}

#[cfg(test)]
mod tests {
    use super::{Settings, Sweep};
    use crate::time::Timestamp;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;

    #[test]
    fn without_settings_bodies_live_as_long_as_records() {
        let settings = Settings::default();

        assert_eq!(settings.bodies_kept_since(at(100 * DAY)), None);
        assert_eq!(settings.sweep(None, at(100 * DAY)), None);
    }

    #[test]
    fn a_sweep_goes_on_where_the_last_one_ended_and_begins_anew_each_day() {
        let settings = keeping(7);
        let now = 100 * DAY;
        let range = |from: i64, before: i64| Sweep {
            from: at(from),
            before: at(before),
        };

        let (first, swept) = settings.sweep(None, at(now)).unwrap();
        let (second, swept) = settings.sweep(Some(swept), at(now + HOUR)).unwrap();
        let (third, _) = settings.sweep(Some(swept), at(now + DAY)).unwrap();

        assert_eq!(first, range(0, 93 * DAY));
        assert_eq!(second, range(93 * DAY - HOUR, 93 * DAY + HOUR));
        assert_eq!(third, range(0, 94 * DAY));
    }

    #[test]
    fn a_shorter_retention_takes_what_the_longer_one_left() {
        let (_, swept) = keeping(30).sweep(None, at(100 * DAY)).unwrap();

        let (sweep, _) = keeping(0).sweep(Some(swept), at(100 * DAY)).unwrap();

        assert!(sweep.from <= at(70 * DAY));
        assert_eq!(sweep.before, at(100 * DAY));
    }

    #[test]
    fn the_longest_retention_is_no_underflow() {
        let kept = keeping(super::BODY_RETENTION_MAX_DAYS).bodies_kept_since(at(5));

        assert_eq!(kept, Some(at(0)));
    }

    fn keeping(days: u32) -> Settings {
        Settings {
            body_retention_days: Some(days),
            ..Settings::default()
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }
}

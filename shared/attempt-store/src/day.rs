//! UTC days, and which stretch of days one partition takes.

use std::{fmt, time::Duration};

use domain::time::Timestamp;
use time::{Date, Month};

const MILLIS_PER_DAY: i64 = 24 * 60 * 60 * 1000;
const FIRST: Day = Day(0);
// 9999-12-31, the last day that a `Timestamp` can lie on.
const LAST: Day = Day(2_932_896);

/// How many days before today get a partition each.
const NEAR_PAST_DAYS: i32 = 60;
/// How many days after today get a partition each.
const NEAR_FUTURE_DAYS: i32 = 2;
/// How far from today, on either side, a partition takes what is left of a month.
const MONTHLY_DAYS: i32 = 400;
/// How far from today, on either side, a partition takes what is left of a year; beyond, all that is left.
const YEARLY_DAYS: i32 = 3_660;

/// A UTC day, as the number of days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(i32);

/// A stretch of whole days, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Days {
    pub(crate) first: Day,
    pub(crate) last: Day,
}

impl Day {
    /// Returns the day on which the time lies.
    pub(crate) fn of(time: Timestamp) -> Self {
        i32::try_from(time.millis().div_euclid(MILLIS_PER_DAY)).map_or(LAST, Self::from_number)
    }

    /// Makes a day from its number, clamped to the years 1970 to 9999.
    pub(crate) fn from_number(number: i32) -> Self {
        Self(number.clamp(FIRST.0, LAST.0))
    }

    /// Returns the number of days since 1970-01-01.
    pub(crate) fn number(self) -> i32 {
        self.0
    }

    /// Returns the first millisecond of the day.
    pub(crate) fn start(self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.0) * MILLIS_PER_DAY)
    }

    /// Returns the first day of which something may be younger than `keep`.
    pub(crate) fn first_kept(now: Timestamp, keep: Duration) -> Self {
        let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        Self::of(Timestamp::from_millis(now.millis().saturating_sub(keep)))
    }

    /// Returns the day after, or `None` on the last.
    pub(crate) fn next(self) -> Option<Self> {
        (self < LAST).then_some(Self(self.0 + 1))
    }

    /// Returns the calendar's day.
    pub(crate) fn date(self) -> Date {
        Date::from_julian_day(self.0 + UNIX_EPOCH_JULIAN_DAY).unwrap_or(Date::MAX)
    }

    fn of_date(date: Date) -> Self {
        Self::from_number(date.to_julian_day() - UNIX_EPOCH_JULIAN_DAY)
    }

    fn shifted(self, days: i32) -> Self {
        Self::from_number(self.0.saturating_add(days))
    }
}

const UNIX_EPOCH_JULIAN_DAY: i32 = 2_440_588;

/// Prints `2026-11-21`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date();
        write!(
            f,
            "{:04}-{:02}-{:02}",
            date.year(),
            u8::from(date.month()),
            date.day()
        )
    }
}

impl Days {
    /// Returns the stretch that a partition for `day` takes, given the stretches that are taken already.
    ///
    /// Near today that is the day alone. A clock that is wrong by more gets wider partitions, the wider the
    /// farther off, so that no flood of strange times makes more than about a hundred of them; a wide one
    /// that time catches up with is in use until it expires as a whole. There is no default partition: with
    /// one, every later partition would have to look through it first.
    ///
    /// Returns `None` if the day is taken.
    pub(crate) fn around(day: Day, today: Day, taken: &[Self]) -> Option<Self> {
        if taken.iter().any(|days| days.contains(day)) {
            return None;
        }
        let wide = Self::wanted(day, today);
        let below = taken
            .iter()
            .map(|days| days.last)
            .filter(|last| *last < day)
            .max();
        let above = taken
            .iter()
            .map(|days| days.first)
            .filter(|first| *first > day)
            .min();
        Some(Self {
            first: below.map_or(wide.first, |last| wide.first.max(last.shifted(1))),
            last: above.map_or(wide.last, |first| wide.last.min(first.shifted(-1))),
        })
    }

    /// Returns the table's name for these days: `<parent>_20261121`, or `<parent>_20270101_20271231`.
    pub(crate) fn table(self, parent: &str) -> String {
        let digits = |day: Day| day.to_string().replace('-', "");
        if self.first == self.last {
            format!("{parent}_{}", digits(self.first))
        } else {
            format!("{parent}_{}_{}", digits(self.first), digits(self.last))
        }
    }

    /// Reads the days back from a table's name; `None` if it is not one of ours.
    pub(crate) fn of_table(parent: &str, table: &str) -> Option<Self> {
        let rest = table.strip_prefix(parent)?.strip_prefix('_')?;
        let (first, last) = rest.split_once('_').unwrap_or((rest, rest));
        Some(Self {
            first: day_of_digits(first)?,
            last: day_of_digits(last)?,
        })
    }

    fn contains(self, day: Day) -> bool {
        self.first <= day && day <= self.last
    }

    fn wanted(day: Day, today: Day) -> Self {
        let distance = day.0 - today.0;
        let date = day.date();
        if (-NEAR_PAST_DAYS..=NEAR_FUTURE_DAYS).contains(&distance) {
            Self {
                first: day,
                last: day,
            }
        } else if distance.abs() <= MONTHLY_DAYS {
            Self {
                first: Day(day.0 - i32::from(date.day()) + 1),
                last: Day(day.0 - i32::from(date.day()) + i32::from(month_days(date))),
            }
            .beyond_near(day, today)
        } else if distance.abs() <= YEARLY_DAYS {
            Self {
                first: first_of_year(date.year()),
                last: last_of_year(date.year()),
            }
            .beyond_near(day, today)
        } else if distance < 0 {
            Self {
                first: FIRST,
                last: today.shifted(-YEARLY_DAYS - 1),
            }
        } else {
            Self {
                first: today.shifted(YEARLY_DAYS + 1),
                last: LAST,
            }
        }
    }

    /// Keeps clear of the days that get a partition each.
    fn beyond_near(self, day: Day, today: Day) -> Self {
        if day > today {
            Self {
                first: self.first.max(today.shifted(NEAR_FUTURE_DAYS + 1)),
                ..self
            }
        } else {
            Self {
                last: self.last.min(today.shifted(-NEAR_PAST_DAYS - 1)),
                ..self
            }
        }
    }
}

fn month_days(date: Date) -> u8 {
    date.month().length(date.year())
}

fn first_of_year(year: i32) -> Day {
    Date::from_calendar_date(year, Month::January, 1).map_or(FIRST, Day::of_date)
}

fn last_of_year(year: i32) -> Day {
    Date::from_calendar_date(year, Month::December, 31).map_or(LAST, Day::of_date)
}

fn day_of_digits(digits: &str) -> Option<Day> {
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year = digits.get(..4)?.parse().ok()?;
    let month = digits.get(4..6)?.parse::<u8>().ok()?;
    let day = digits.get(6..)?.parse().ok()?;
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    Some(Day::of_date(date))
}

#[cfg(test)]
mod tests;

//! Points in time as milliseconds since the Unix epoch, and their RFC 3339 form.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A point in time, in whole milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is no RFC 3339 time, or a time outside the years 0 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 time such as 2026-03-14T10:21:45.102Z")]
pub struct InvalidTimestamp;

/// The last millisecond of the year 9999, the latest time that RFC 3339 can write.
const LATEST_MS: i64 = 253_402_300_799_999;

impl Timestamp {
    /// The epoch.
    pub const EPOCH: Self = Self(0);

    /// Makes a time from milliseconds since the epoch, clamped to the years 1970 to 9999.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, LATEST_MS))
    }

    /// Returns milliseconds since the epoch.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0
    }

    /// Returns whole seconds since the epoch, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Parses an RFC 3339 time; digits below a millisecond are dropped.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] if it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_error| InvalidTimestamp)?;
        let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis)
            .map(Self::from_millis)
            .map_err(|_error| InvalidTimestamp)
    }

    /// Returns the time a duration later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(LATEST_MS);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Returns how long it is from `earlier` to this time; zero if that lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        u64::try_from(self.0.saturating_sub(earlier.0))
            .map_or(Duration::ZERO, Duration::from_millis)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .map_err(|_error| fmt::Error)?;
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Timestamp;

    #[test]
    fn prints_what_it_parses() {
        for text in [
            "2026-03-14T10:21:45.102Z",
            "1970-01-01T00:00:00.000Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn offsets_and_finer_digits_are_brought_to_utc_milliseconds() {
        let time = Timestamp::parse("2026-03-14T12:21:45.1029+02:00").unwrap();

        assert_eq!(time.to_string(), "2026-03-14T10:21:45.102Z");
    }

    #[test]
    fn rubbish_is_refused() {
        for text in [
            "",
            "now",
            "2026-03-14",
            "2026-13-14T10:21:45Z",
            "1710411705",
        ] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let time = Timestamp::from_millis(1_000);

        assert_eq!(time.after(Duration::from_secs(2)).millis(), 3_000);
        assert_eq!(time.since(Timestamp::from_millis(4_000)), Duration::ZERO);
        assert_eq!(
            time.after(Duration::MAX).to_string(),
            "9999-12-31T23:59:59.999Z"
        );
    }
}

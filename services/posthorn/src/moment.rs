//! Times as people give them: how long ago, or when.

use std::time::Duration;

use config::parse;
use domain::time::Timestamp;

/// Takes an RFC 3339 time, or how long ago it was: `15m`, `12h`, `30d`.
pub(crate) fn past(text: &str) -> Result<Timestamp, String> {
    at(text, lifecycle::clock::now_ms(), -1)
}

/// Takes an RFC 3339 time, or how far ahead it is: `12h`, `30d`.
pub(crate) fn future(text: &str) -> Result<Timestamp, String> {
    at(text, lifecycle::clock::now_ms(), 1)
}

/// Takes a duration with a unit: `500ms`, `90s`, `15m`, `12h`, `30d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Some(number) = text.strip_suffix("ms") {
        let millis = number.parse().map(Duration::from_millis);
        return millis.map_err(|_error| "must be a duration such as 500ms".to_owned());
    }
    parse::span(Duration::ZERO)(text)
        .map_err(|_error| "must be a duration such as 500ms, 90s, 15m, 12h or 30d".to_owned())
}

/// Takes a duration from 100 ms to an hour, for what is done again and again.
pub(crate) fn pause(text: &str) -> Result<Duration, String> {
    let pause = duration(text)?;
    if (Duration::from_millis(100)..=Duration::from_secs(3_600)).contains(&pause) {
        Ok(pause)
    } else {
        Err("must be 100ms to 1h".to_owned())
    }
}

fn at(text: &str, now_ms: i64, direction: i64) -> Result<Timestamp, String> {
    if let Ok(span) = parse::span(Duration::ZERO)(text) {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let moment = now_ms.saturating_add(millis.saturating_mul(direction));
        return Ok(Timestamp::from_millis(moment));
    }
    Timestamp::parse(text).map_err(|_error| {
        "must be a time such as 2026-03-14T10:21:45Z, or a span such as 90s, 15m, 12h or 30d"
            .to_owned()
    })
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::{at, duration};

    #[test]
    fn a_time_is_told_by_itself_or_by_its_distance() {
        let now = 1_000_000_000;
        let millis = |text, direction| at(text, now, direction).map(Timestamp::millis);

        assert_eq!(millis("90s", -1), Ok(now - 90_000));
        assert_eq!(millis("1d", 1), Ok(now + 86_400_000));
        assert_eq!(millis("1970-01-01T00:00:01Z", -1), Ok(1_000));
        assert!(millis("yesterday", -1).is_err());
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms").unwrap().as_millis(), 500);
        assert_eq!(duration("2s").unwrap().as_secs(), 2);
        assert!(duration("5").is_err());
    }
}

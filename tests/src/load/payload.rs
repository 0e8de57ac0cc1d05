//! Events of the load tool: a number and a time at fixed places, so that reading them costs nothing.

use std::time::Duration;

/// Name of every event that the load tool sends.
pub(crate) const EVENT_NAME: &str = "load-test";

const BEFORE_NUMBER: &str = "{\"id\":\"load-";
const NUMBER_DIGITS: usize = 10;
const BEFORE_TIME: &str = "\",\"eventCategory\":\"load\",\"eventSubCategory\":\"load-test\",\
    \"createdAt\":\"2026-03-14T10:21:45.102Z\",\"payload\":{\"at\":\"";
const TIME_DIGITS: usize = 20;
const BEFORE_FILL: &str = "\",\"fill\":\"";
const END: &str = "\"}}";

/// What an event that arrived says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Number of the event, from 0.
    pub(crate) number: u64,
    /// When it was due to be sent, since the start of the run.
    pub(crate) due: Duration,
}

/// Appends an event of about `size` bytes, or as few as the rest of it needs.
pub(crate) fn write_event(into: &mut String, mark: Mark, size: usize) {
    use std::fmt::Write as _;

    let fixed = BEFORE_NUMBER.len() + NUMBER_DIGITS + BEFORE_TIME.len() + TIME_DIGITS;
    let fill = size.saturating_sub(fixed + BEFORE_FILL.len() + END.len());
    let (number, nanos) = (mark.number, mark.due.as_nanos());
    write!(
        into,
        "{BEFORE_NUMBER}{number:010}{BEFORE_TIME}{nanos:020}{BEFORE_FILL}"
    )
    .expect("writing into a string cannot fail");
    into.extend(std::iter::repeat_n('x', fill));
    into.push_str(END);
}

/// Reads the mark of an event, or nothing when it is not one of ours or was changed on its way.
pub(crate) fn read_event(body: &[u8]) -> Option<Mark> {
    let rest = body.strip_prefix(BEFORE_NUMBER.as_bytes())?;
    let (number, rest) = rest.split_at_checked(NUMBER_DIGITS)?;
    let rest = rest.strip_prefix(BEFORE_TIME.as_bytes())?;
    let (nanos, rest) = rest.split_at_checked(TIME_DIGITS)?;
    (rest.starts_with(BEFORE_FILL.as_bytes()) && rest.ends_with(END.as_bytes())).then_some(())?;
    let due = Duration::from_nanos(digits(nanos)?);
    Some(Mark {
        number: digits(number)?,
        due,
    })
}

fn digits(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_size_is_json_and_says_its_mark() {
        let mark = Mark {
            number: 4711,
            due: Duration::from_nanos(12_345_678_901),
        };
        let mut text = String::new();

        write_event(&mut text, mark, 1024);

        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text.len(), 1024);
        assert_eq!(value["eventSubCategory"], EVENT_NAME);
        assert_eq!(value["id"], "load-0000004711");
        assert_eq!(read_event(text.as_bytes()), Some(mark));
    }

    #[test]
    fn a_changed_event_is_not_read() {
        let mut text = String::new();
        write_event(
            &mut text,
            Mark {
                number: 1,
                due: Duration::ZERO,
            },
            300,
        );

        assert_eq!(
            read_event(text.replace("\"at\":", "\"at\": ").as_bytes()),
            None
        );
        assert_eq!(read_event(b"{}"), None);
    }
}

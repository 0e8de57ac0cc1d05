//! Events of the load tool: a number and a time at fixed places, so that reading them costs nothing.

use std::time::Duration;

const NUMBER_DIGITS: usize = 10;
const NAME_DIGITS: usize = 5;
const TIME_DIGITS: usize = 20;
const BEFORE_FILL: &str = "\",\"fill\":\"";
const END: &str = "\"}}";

/// What an event that arrived says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Number of the event among those of its name, from 0.
    pub(crate) number: u64,
    /// When it was due to be sent, since the start of the run.
    pub(crate) due: Duration,
}

/// The form of all events of a run, which have one name or several in turn.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    name: String,
    names: u32,
    before_number: String,
    before_name: String,
    before_time: &'static str,
}

impl Form {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            names: 1,
            before_number: format!("{{\"id\":\"{name}-"),
            before_name: format!("\",\"eventCategory\":\"load\",\"eventSubCategory\":\"{name}"),
            before_time: "\",\"createdAt\":\"2026-03-14T10:21:45.102Z\",\"payload\":{\"at\":\"",
        }
    }

    pub(crate) fn spread_over(mut self, names: u32) -> Self {
        self.names = names.max(1);
        self
    }

    /// Returns how many names there are.
    pub(crate) fn names(&self) -> u32 {
        self.names
    }

    /// Returns the name of the events of a number, modulo that of names.
    pub(crate) fn name(&self, number: u64) -> String {
        format!("{}{}", self.name, self.name_end(number))
    }

    fn name_end(&self, number: u64) -> String {
        match self.names {
            1 => String::new(),
            names => format!("-{:0NAME_DIGITS$}", number % u64::from(names)),
        }
    }

    /// Appends an event of about `size` bytes, or as few as the rest of it needs.
    pub(crate) fn write(&self, into: &mut String, mark: Mark, size: usize) {
        use std::fmt::Write as _;

        let Self {
            before_number,
            before_name,
            before_time,
            ..
        } = self;
        let start = into.len();
        let (number, nanos) = (mark.number, mark.due.as_nanos());
        let name_end = self.name_end(number);
        write!(
            into,
            "{before_number}{number:010}{before_name}{name_end}{before_time}{nanos:020}{BEFORE_FILL}"
        )
        .expect("writing into a string cannot fail");
        let fill = size.saturating_sub(into.len() - start + END.len());
        into.extend(std::iter::repeat_n('x', fill));
        into.push_str(END);
    }

    /// Reads the mark of an event, or nothing when it is not of this form or was changed on its way.
    pub(crate) fn read(&self, body: &[u8]) -> Option<Mark> {
        let rest = body.strip_prefix(self.before_number.as_bytes())?;
        let (number, rest) = rest.split_at_checked(NUMBER_DIGITS)?;
        let rest = rest.strip_prefix(self.before_name.as_bytes())?;
        let rest = match self.names {
            1 => rest,
            _ => rest.get(1 + NAME_DIGITS..)?,
        };
        let rest = rest.strip_prefix(self.before_time.as_bytes())?;
        let (nanos, rest) = rest.split_at_checked(TIME_DIGITS)?;
        (rest.starts_with(BEFORE_FILL.as_bytes()) && rest.ends_with(END.as_bytes()))
            .then_some(())?;
        let due = Duration::from_nanos(digits(nanos)?);
        Some(Mark {
            number: digits(number)?,
            due,
        })
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_size_is_json_and_says_its_mark() {
        let form = Form::new("load-test");
        let mark = Mark {
            number: 4711,
            due: Duration::from_nanos(12_345_678_901),
        };
        let mut text = String::new();

        form.write(&mut text, mark, 1024);

        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text.len(), 1024);
        assert_eq!(value["eventSubCategory"], "load-test");
        assert_eq!(value["id"], "load-test-0000004711");
        assert_eq!(form.read(text.as_bytes()), Some(mark));
    }

    #[test]
    fn an_event_with_one_of_several_names_is_read_too() {
        let form = Form::new("load-test").spread_over(1_000);
        let mark = Mark {
            number: 12_345,
            due: Duration::from_millis(7),
        };
        let mut text = String::new();

        form.write(&mut text, mark, 512);

        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text.len(), 512);
        assert_eq!(value["eventSubCategory"], "load-test-00345");
        assert_eq!(form.name(345), "load-test-00345");
        assert_eq!(form.read(text.as_bytes()), Some(mark));
    }

    #[test]
    fn a_changed_event_and_one_of_another_name_are_not_read() {
        let form = Form::new("load-test");
        let mark = Mark {
            number: 1,
            due: Duration::ZERO,
        };
        let mut text = String::new();
        form.write(&mut text, mark, 300);

        let changed = text.replace("\"at\":", "\"at\": ");
        assert_eq!(form.read(changed.as_bytes()), None);
        assert_eq!(form.read(b"{}"), None);
        assert_eq!(Form::new("other").read(text.as_bytes()), None);
    }
}

//! One thing that was looked at.

use serde_json::{Value, json};

use crate::output::{BAD, DIM, GOOD, ODD, plain, styled};

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Good,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Failure,
}

/// What was found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    area: &'static str,
    says: String,
    todo: Option<String>,
}

impl Finding {
    pub(super) fn good(area: &'static str, says: impl Into<String>) -> Self {
        Self::new(Verdict::Good, area, says)
    }

    pub(super) fn warning(area: &'static str, says: impl Into<String>) -> Self {
        Self::new(Verdict::Warning, area, says)
    }

    pub(super) fn failure(area: &'static str, says: impl Into<String>) -> Self {
        Self::new(Verdict::Failure, area, says)
    }

    fn new(verdict: Verdict, area: &'static str, says: impl Into<String>) -> Self {
        Self {
            verdict,
            area,
            says: says.into(),
            todo: None,
        }
    }

    /// Adds what to do.
    pub(super) fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = Some(todo.into());
        self
    }

    /// Returns the finding for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let verdict = match self.verdict {
            Verdict::Good => styled(GOOD, "ok     "),
            Verdict::Warning => styled(ODD, "warning"),
            Verdict::Failure => styled(BAD, "failure"),
        };
        let mut lines = vec![format!("{verdict}  {}: {}", self.area, plain(&self.says))];
        if let Some(todo) = &self.todo {
            lines.push(format!("         {} {}", styled(DIM, "→"), plain(todo)));
        }
        lines
    }

    /// Returns the finding for programs.
    pub(super) fn told(&self) -> Value {
        let verdict = match self.verdict {
            Verdict::Good => "ok",
            Verdict::Warning => "warning",
            Verdict::Failure => "failure",
        };
        json!({"verdict": verdict, "area": self.area, "says": self.says, "todo": self.todo})
    }
}

/// Returns bytes as people read them.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = UNITS.into_iter().find(|(_, unit)| bytes >= *unit);
    match unit {
        Some((name, unit)) => {
            let tenths = bytes % unit * 10 / unit;
            format!("{}.{tenths} {name}", bytes / unit)
        }
        None => format!("{bytes} bytes"),
    }
}

/// Judges how much of a limit is used; `None` if there is no limit.
pub(super) fn fill(bytes: u64, most: Option<u64>) -> Option<(Verdict, u64)> {
    let most = most.filter(|most| *most > 0)?;
    let percent = u128::from(bytes) * 100 / u128::from(most);
    let percent = u64::try_from(percent).unwrap_or(u64::MAX);
    let verdict = match percent {
        0..80 => Verdict::Good,
        80..95 => Verdict::Warning,
        95.. => Verdict::Failure,
    };
    Some((verdict, percent))
}

#[cfg(test)]
mod tests {
    use super::{Finding, Verdict, fill, size};

    #[test]
    fn sizes_have_one_digit_behind_the_point() {
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
        assert_eq!(size(u64::MAX / 2), "8589934591.9 GiB");
    }

    #[test]
    fn what_is_nearly_full_is_warned_of_before_it_fails() {
        assert_eq!(fill(10, None), None);
        assert_eq!(fill(79, Some(100)), Some((Verdict::Good, 79)));
        assert_eq!(fill(80, Some(100)), Some((Verdict::Warning, 80)));
        assert_eq!(fill(95, Some(100)), Some((Verdict::Failure, 95)));
        assert_eq!(fill(u64::MAX, Some(1)).unwrap().0, Verdict::Failure);
    }

    #[test]
    fn what_to_do_stands_below_what_was_found() {
        let lines = Finding::failure("broker", "is\naway")
            .todo("start it")
            .lines();

        assert!(lines[0].ends_with("broker: is\\naway"), "{lines:?}");
        assert!(lines[1].ends_with("start it"), "{lines:?}");
    }
}

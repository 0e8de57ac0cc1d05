//! What is wrong with the configuration, one line per variable.

use std::fmt;

/// Everything that is wrong with the configuration; shown one fault per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    lines: Vec<String>,
}

impl Faults {
    pub(crate) fn new(lines: Vec<String>) -> Self {
        Self { lines }
    }

    /// Returns the faults, each starting with the full name of its variable.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for Faults {}

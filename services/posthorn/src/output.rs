//! What is written: results to standard output, for pipes; everything else to standard error.
//!
//! Colour is for terminals alone, and not where `NO_COLOR` is set. What comes from outside is written
//! with its control characters escaped, so that no body can steer the terminal.

use std::{
    fmt::Display,
    io::{ErrorKind, Write as _},
};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::failure::{Ended, Failure};

/// Something is as it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Something failed.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// Something should be looked at.
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
/// Beside the point.
pub(crate) const DIM: Style = Style::new().dimmed();
/// What the eye should find first.
pub(crate) const BOLD: Style = Style::new().bold();

/// Writes a line of the result.
pub(crate) fn line(text: impl Display) -> Ended {
    writeln!(anstream::stdout(), "{text}").map_err(|error| unwritten(&error))
}

/// Writes text of the result as it is, without a line break of its own.
pub(crate) fn text(text: &str) -> Ended {
    write!(anstream::stdout(), "{text}").map_err(|error| unwritten(&error))
}

/// Writes a document of the result on one line.
pub(crate) fn json(document: &impl Serialize) -> Ended {
    let text = serde_json::to_string(document)
        .map_err(|error| Failure::Failed(format!("write JSON: {error}")))?;
    line(one_line(&text))
}

/// Tells the person something that is not part of the result. Nobody may be there to read it.
pub(crate) fn note(text: impl Display) {
    drop(writeln!(anstream::stderr(), "{text}"));
}

/// Says why the command failed.
pub(crate) fn error(message: &str) {
    note(format_args!("{BAD}error{BAD:#}: {message}"));
}

/// Returns text with its control characters escaped.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
    }
    plain
}

/// Returns text in a style.
pub(crate) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns JSON on one line. Line breaks stand only between its values: in its strings they are escaped.
pub(crate) fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

fn unwritten(error: &std::io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        Failure::Closed
    } else {
        Failure::Failed(format!("write the result: {error}"))
    }
}

/// Rows with columns of one width each.
#[derive(Debug)]
pub(crate) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Makes a table without rows.
    pub(crate) fn new(heads: &[&'static str]) -> Self {
        Self {
            heads: heads.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; what its cells say is escaped.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows
            .push(cells.into_iter().map(|cell| plain(&cell)).collect());
    }

    /// Writes the table.
    pub(crate) fn print(&self) -> Ended {
        let width = |at: usize, head: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(head.len())
        };
        let widths: Vec<usize> = (self.heads.iter().enumerate())
            .map(|(at, head)| width(at, head))
            .collect();
        let heads: Vec<String> = self.heads.iter().map(|&head| head.to_owned()).collect();
        line(styled(BOLD, joined(&heads, &widths)))?;
        for row in &self.rows {
            line(joined(row, &widths))?;
        }
        Ok(())
    }
}

fn joined(cells: &[String], widths: &[usize]) -> String {
    let padded = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| format!("{cell:<width$}"));
    padded
        .collect::<Vec<String>>()
        .join("  ")
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::{one_line, plain};

    #[test]
    fn a_body_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\nc\u{9b}é"), "a\\u{1b}[31mb\\nc\\u{9b}é");
    }

    #[test]
    fn a_document_is_one_line() {
        assert_eq!(
            one_line("{\n \"a\": \"b\\n\"\r\n}"),
            "{  \"a\": \"b\\n\"  }"
        );
    }
}

//! Reads variables one by one and remembers what is wrong with them.

use std::{collections::BTreeSet, fmt::Display};

use crate::{
    fault::Faults,
    secret::Secret,
    source::{OTEL_PREFIX, PREFIX, Source, full_name},
    variable,
};

#[cfg(test)]
mod tests;

/// The most characters of a wrong value that a fault shows.
const SHOWN_CHARS: usize = 80;
/// What a secret's variable ends with when it names a file.
const FILE_SUFFIX: &str = "_FILE";

/// Reads variables and collects the faults of all of them.
///
/// Every name is given without `POSTHORN_`; those of OpenTelemetry (`OTEL_…`) have no such prefix, and count as
/// unset when they are empty. A parser is a function from the text to a value; its
/// error reads as the rest of a sentence, such as `must be true or false`, and doesn't repeat the
/// text. After a fault a getter returns a placeholder, which [`Reader::finish`] keeps from use.
#[derive(Debug)]
pub struct Reader<'a> {
    source: &'a Source,
    asked: BTreeSet<String>,
    faults: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Starts to read.
    #[must_use]
    pub fn new(source: &'a Source) -> Self {
        Self {
            source,
            asked: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    /// Returns where the variables come from.
    #[must_use]
    pub fn source(&self) -> &'a Source {
        self.source
    }

    /// Reads a variable that must be set; `None` only after a fault.
    pub fn required<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Some(text) = self.text(name) else {
            self.fault(name, "must be set");
            return None;
        };
        self.parsed(name, &text?, parse)
    }

    /// Reads a variable that may be unset.
    pub fn optional<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)??;
        self.parsed(name, &text, parse)
    }

    /// Reads a variable that has a default.
    pub fn or_default<T, E: Display>(
        &mut self,
        name: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        self.optional(name, parse).unwrap_or(default)
    }

    /// Reads a secret that must be set, from `POSTHORN_<name>` or the file that
    /// `POSTHORN_<name>_FILE` names; `None` only after a fault.
    ///
    /// A line break at the end of the file is not part of the secret. The value is never shown:
    /// the parser's error must not show it either.
    pub fn required_secret<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Secret) -> Result<T, E>,
    ) -> Option<T> {
        let Some(secret) = self.secret_text(name) else {
            self.fault(name, "must be set");
            return None;
        };
        self.parsed_secret(name, &secret?, parse)
    }

    /// Reads a secret that may be unset, from the variable or from a file.
    pub fn optional_secret<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Secret) -> Result<T, E>,
    ) -> Option<T> {
        let secret = self.secret_text(name)??;
        self.parsed_secret(name, &secret, parse)
    }

    /// Records a fault that shows only when variables are seen together.
    pub fn fault(&mut self, name: &str, problem: &str) {
        self.faults.push(format!("{}: {problem}", full_name(name)));
    }

    /// Builds the configuration, or returns every fault, unknown variables included.
    ///
    /// `build` runs only without faults: every required value is there, and `?` may take it out
    /// of its `Option`.
    ///
    /// # Errors
    /// All [`Faults`] that were found.
    pub fn finish<T>(mut self, build: impl FnOnce() -> Option<T>) -> Result<T, Faults> {
        self.refuse_unknown();
        if !self.faults.is_empty() {
            return Err(Faults::new(self.faults));
        }
        build()
            .ok_or_else(|| Faults::new(vec!["an optional variable was taken for set".to_owned()]))
    }

    /// Returns a variable's text, and notes that the name is known. `Some(None)` after a fault.
    fn text(&mut self, name: &str) -> Option<Option<String>> {
        let full = full_name(name);
        let value = self.source.get(&full).map(|value| value.map(str::to_owned));
        let is_absent = full.starts_with(OTEL_PREFIX) && value == Some(Some(String::new()));
        let value = value.filter(|_| !is_absent);
        self.asked.insert(full);
        if value == Some(None) {
            self.fault(name, "must be UTF-8");
        }
        value
    }

    /// As [`Reader::text`], from the variable or from its file.
    fn secret_text(&mut self, name: &str) -> Option<Option<Secret>> {
        let file_name = format!("{name}{FILE_SUFFIX}");
        let direct = self.text(name);
        let path = self.text(&file_name);
        match (direct, path) {
            (None, None) => None,
            (Some(text), None) => Some(text.map(Secret::new)),
            (None, Some(path)) => Some(path.and_then(|path| self.secret_file(&file_name, &path))),
            (Some(_), Some(_)) => {
                self.fault(
                    &file_name,
                    &format!("must not be set beside {}", full_name(name)),
                );
                Some(None)
            }
        }
    }

    fn secret_file(&mut self, file_name: &str, path: &str) -> Option<Secret> {
        match std::fs::read_to_string(path).map(Secret::new) {
            Ok(secret) => Some(Secret::new(
                secret.expose().trim_end_matches(['\r', '\n']).to_owned(),
            )),
            Err(error) => {
                self.fault(file_name, &format!("can't be read: {error}"));
                None
            }
        }
    }

    fn parsed<T, E: Display>(
        &mut self,
        name: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(text)
            .map_err(|error| self.fault(name, &format!("{error}, got \"{}\"", shown(text))))
            .ok()
    }

    fn parsed_secret<T, E: Display>(
        &mut self,
        name: &str,
        secret: &Secret,
        parse: impl FnOnce(&Secret) -> Result<T, E>,
    ) -> Option<T> {
        parse(secret)
            .map_err(|error| self.fault(name, &error.to_string()))
            .ok()
    }

    fn refuse_unknown(&mut self) {
        let known: BTreeSet<String> = variable::ALL
            .iter()
            .map(|name| format!("{PREFIX}{name}"))
            .chain(std::mem::take(&mut self.asked))
            .collect();
        let unknown = self.source.names().filter(|name| !known.contains(*name));
        for name in unknown {
            self.faults.push(
                match variable::nearest(name, known.iter().map(String::as_str)) {
                    Some(near) => format!("{name}: is unknown, did you mean {near}?"),
                    None => format!("{name}: is unknown"),
                },
            );
        }
    }
}

/// Returns what of a wrong value may be shown: nothing of one that may hold a password.
fn shown(text: &str) -> String {
    if text.contains('@') {
        return "***".to_owned();
    }
    let cut: String = text.chars().take(SHOWN_CHARS).collect();
    cut.escape_debug().to_string()
}

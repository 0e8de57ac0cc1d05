//! Where the variables come from: the environment, or a list in tests.

use std::{collections::BTreeMap, fmt};

/// What every variable of ours starts with.
pub(crate) const PREFIX: &str = "POSTHORN_";
/// What OpenTelemetry's own variables start with: they bear the same names for every program.
pub(crate) const OTEL_PREFIX: &str = "OTEL_";

/// Returns the full name of a variable that is named without our prefix.
pub(crate) fn full_name(name: &str) -> String {
    if name.starts_with(OTEL_PREFIX) {
        name.to_owned()
    } else {
        format!("{PREFIX}{name}")
    }
}

/// A snapshot of all variables that start with `POSTHORN_` or `OTEL_`.
#[derive(Clone, Default)]
pub struct Source {
    /// By full name; `None` when the value is not UTF-8.
    variables: BTreeMap<String, Option<String>>,
}

impl Source {
    /// Takes the variables of the process.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "config is the crate that reads the environment"
    )]
    pub fn environment() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                Some((name, value.into_string().ok()))
            })
            .filter(|(name, _)| is_read(name))
            .collect()
    }

    /// Makes a source from full names and values.
    #[must_use]
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
            .filter(|(name, _)| is_read(name))
            .collect()
    }

    /// Returns whether a variable is set, named without its prefix.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.variables.contains_key(&format!("{PREFIX}{name}"))
    }

    /// Sets a variable, named without its prefix, unless it is set already.
    ///
    /// `posthorn dev` gives its own defaults this way.
    pub fn set_default(&mut self, name: &str, value: String) {
        self.variables
            .entry(format!("{PREFIX}{name}"))
            .or_insert(Some(value));
    }

    /// Returns a variable by its full name; the inner `None` means that it is not UTF-8.
    pub(crate) fn get(&self, name: &str) -> Option<Option<&str>> {
        self.variables.get(name).map(Option::as_deref)
    }

    /// Returns the full names of what is set of ours, without those that Kubernetes made.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables
            .keys()
            .map(String::as_str)
            .filter(|name| name.starts_with(PREFIX))
            .filter(|name| !self.is_service_link(name))
    }

    /// Returns whether Kubernetes made a variable for a Service of its namespace.
    ///
    /// A Service named `posthorn-ingest` gives every pod `POSTHORN_INGEST_SERVICE_HOST`,
    /// `POSTHORN_INGEST_PORT_8080_TCP` and more, which nobody configured.
    fn is_service_link(&self, name: &str) -> bool {
        ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"]
            .into_iter()
            .filter_map(|mark| name.find(mark).and_then(|at| name.get(..at)))
            .any(|service| {
                self.variables
                    .contains_key(&format!("{service}_SERVICE_HOST"))
            })
    }
}

fn is_read(name: &str) -> bool {
    name.starts_with(PREFIX) || name.starts_with(OTEL_PREFIX)
}

impl FromIterator<(String, Option<String>)> for Source {
    fn from_iter<I: IntoIterator<Item = (String, Option<String>)>>(variables: I) -> Self {
        Self {
            variables: variables.into_iter().collect(),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secret.
        out.debug_set().entries(self.variables.keys()).finish()
    }
}

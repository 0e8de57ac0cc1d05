//! JSON Schemas of payloads: which are taken, how long checking may take, and what is said of a fault.
//!
//! Whether a payload fits is found out by a library, which is not pure (see the crate `catalogue`). Decided
//! here is that it ends soon, whoever wrote the schema: references stay within the document and never lead
//! back, so that a schema unfolds to a tree of bounded size and depth; and the work that a schema makes
//! with a payload is counted before it is done.

mod unfold;
pub mod wording;
mod work;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::draft::Fault;

/// The most JSON values of a schema with every reference replaced by what it points to.
pub const UNFOLDED_MAX: u64 = 10_000;
/// How deep schemas may stand in each other, through references too.
pub const LEVELS_MAX: usize = 32;
/// The most bytes of a regular expression in a schema.
pub const PATTERN_MAX_BYTES: usize = 256;
/// The room that a regular expression is counted as: compiled it may take much more than its text.
const PATTERN_ROOM: usize = 4 * 1024;
/// The most work of checking one payload; each unit costs some tens of nanoseconds at worst.
pub const WORK_MAX: u64 = 20_000_000;
/// Up to this much work, with everything in a schema tried on everything in a payload, a fault is looked for
/// in detail; finding it keeps a note of each value that each alternative refuses.
const DETAIL_MAX: u64 = 1_000_000;

/// The drafts of JSON Schema that are understood, by what `$schema` says; without it, it is the latest.
const DRAFTS: [&str; 5] = [
    "json-schema.org/draft/2020-12/schema",
    "json-schema.org/draft/2019-09/schema",
    "json-schema.org/draft-07/schema",
    "json-schema.org/draft-06/schema",
    "json-schema.org/draft-04/schema",
];

/// What was found out about a schema that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// How many JSON values it unfolds to.
    unfolded: u64,
    /// What each byte of a text costs, if everything in the schema looks at it.
    per_byte: u64,
    /// Every name of a field that it knows; what else stands in a payload may be private.
    names: BTreeSet<String>,
}

/// How much of checking a payload is worth doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Check it, and look for where a fault is.
    Detailed,
    /// Check it, and say no more than whether it fits.
    Plain,
    /// It would take too long.
    TooMuch,
}

impl Shape {
    /// Looks at a schema, and refuses one that can't be checked in bounded time or from itself alone.
    ///
    /// # Errors
    /// [`Fault`] names the place, such as `schema.properties.points.$ref`.
    pub fn of(schema: &Value) -> Result<Self, Fault> {
        check_draft(schema)?;
        unfold::unfold(schema)
    }

    /// Returns whether a name of a field is the schema's own, and may be shown.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Returns how much work it may be at most to check a payload whose text has so many bytes.
    #[must_use]
    pub fn most_work(&self, bytes: usize) -> u64 {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        // A value takes a byte at least.
        self.work(work::Size {
            values: bytes,
            bytes,
        })
    }

    /// Decides how much of checking a payload against the schema is done.
    #[must_use]
    pub fn effort(&self, schema: &Value, payload: &Value) -> Effort {
        let at_most = self.work(work::size(payload));
        if at_most <= DETAIL_MAX {
            Effort::Detailed
        } else if at_most <= WORK_MAX || work::is_within(schema, payload, WORK_MAX) {
            Effort::Plain
        } else {
            Effort::TooMuch
        }
    }

    /// Returns how much work it is to try everything in the schema on everything in a payload.
    fn work(&self, size: work::Size) -> u64 {
        let values = self.unfolded.saturating_mul(size.values);
        let bytes = self.per_byte.saturating_mul(size.bytes);
        values.saturating_add(bytes)
    }
}

/// Returns the room that a schema takes, in bytes: its text without blanks, and each regular expression as
/// 4 KiB more.
#[must_use]
pub fn room(schema: &Value) -> usize {
    schema.to_string().len() + patterns_in(schema) * PATTERN_ROOM
}

fn patterns_in(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(items) => items.iter().map(patterns_in).sum(),
        Value::Object(fields) => {
            let own = fields
                .iter()
                .map(|(name, value)| match (name.as_str(), value) {
                    ("pattern", Value::String(_)) => 1,
                    ("patternProperties", Value::Object(patterns)) => patterns.len(),
                    _ => 0,
                });
            own.sum::<usize>() + fields.values().map(patterns_in).sum::<usize>()
        }
    }
}

fn check_draft(schema: &Value) -> Result<(), Fault> {
    let Some(named) = schema.get("$schema") else {
        return Ok(());
    };
    let text = named.as_str().unwrap_or_default();
    let bare = text.trim_end_matches('#');
    let schemes = ["https://", "http://"].iter();
    let bare = schemes
        .filter_map(|scheme| bare.strip_prefix(scheme))
        .next();
    if bare.is_some_and(|bare| DRAFTS.contains(&bare)) {
        return Ok(());
    }
    Err(fault(
        "schema.$schema",
        "must be JSON Schema draft 4, 6, 7, 2019-09 or 2020-12",
    ))
}

fn fault(place: &str, problem: impl Into<String>) -> Fault {
    Fault {
        field: place
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect(),
        problem: problem.into(),
    }
}

/// Resolves a reference within the document, written as `#` and a JSON pointer.
fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// Where in a schema other schemas stand, by keyword. All drafts are taken together: what one of them does
/// not know is counted for nothing lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keyword {
    /// A reference to another schema for the same value.
    Reference,
    /// A schema for the same value, or an array or an object of such.
    Same,
    /// A schema for values within the value, or an array or an object of such.
    Within,
    /// An object of schemas by the names of fields.
    Fields,
    /// Schemas that apply only where a reference points to them.
    Definitions,
    /// What is neither: it is compared, or says nothing.
    Plain,
}

impl Keyword {
    fn of(name: &str) -> Self {
        match name {
            "$ref" => Self::Reference,
            "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentSchemas"
            | "dependencies" => Self::Same,
            "properties" => Self::Fields,
            "patternProperties"
            | "additionalProperties"
            | "items"
            | "prefixItems"
            | "additionalItems"
            | "contains"
            | "unevaluatedItems"
            | "unevaluatedProperties"
            | "propertyNames"
            | "contentSchema" => Self::Within,
            "$defs" | "definitions" => Self::Definitions,
            _ => Self::Plain,
        }
    }

    /// Returns whether the schemas under a keyword stand in an object by names, not as the schema itself.
    fn is_map(name: &str) -> bool {
        matches!(
            name,
            "properties"
                | "patternProperties"
                | "dependentSchemas"
                | "dependencies"
                | "$defs"
                | "definitions"
        )
    }
}

/// Returns the schemas under a keyword, each with what its place is called.
fn schemas_under<'a>(name: &'a str, value: &'a Value) -> Vec<(String, &'a Value)> {
    match value {
        Value::Object(map) if Keyword::is_map(name) => map
            .iter()
            .filter(|(_, one)| !one.is_array())
            .map(|(key, one)| (format!("{name}.{key}"), one))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, one)| (format!("{name}[{at}]"), one))
            .collect(),
        Value::Object(_) | Value::Bool(_) => vec![(name.to_owned(), value)],
        Value::Null | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Returns what reading each byte of a text costs for the keywords of one schema.
fn per_byte(name: &str, value: &Value) -> u64 {
    match name {
        "minLength" | "maxLength" | "contentEncoding" => 1,
        "contentMediaType" => 16,
        // A counted repetition may keep many states alive at once.
        "pattern" if value.as_str().is_some_and(|pattern| pattern.contains('{')) => 64,
        "pattern" => 8,
        "patternProperties" => {
            let patterns = value.as_object().map_or(0, serde_json::Map::len);
            u64::try_from(patterns)
                .unwrap_or(u64::MAX)
                .saturating_mul(64)
        }
        _ => 0,
    }
}

/// How often the values below an array are looked at for doublets.
const UNIQUE_COST: u64 = 16;

#[cfg(test)]
mod tests;

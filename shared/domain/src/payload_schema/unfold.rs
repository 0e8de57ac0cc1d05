//! Walks a schema with every reference replaced by what it points to.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    Keyword, LEVELS_MAX, PATTERN_MAX_BYTES, Shape, UNFOLDED_MAX, UNIQUE_COST, fault, per_byte,
    resolve, schemas_under,
};
use crate::draft::Fault;

/// What would need other documents, or can't be followed before a payload is there.
const UNSUPPORTED: [&str; 6] = [
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
    "$anchor",
];

/// Unfolds a schema.
pub(super) fn unfold(schema: &Value) -> Result<Shape, Fault> {
    let mut walk = Walk {
        root: schema,
        unfolded: 0,
        per_byte: 0,
        names: BTreeSet::new(),
        references: Vec::new(),
    };
    walk.schema(schema, "schema", 0)?;
    Ok(Shape {
        unfolded: walk.unfolded,
        per_byte: walk.per_byte,
        names: walk.names,
    })
}

struct Walk<'a> {
    root: &'a Value,
    unfolded: u64,
    per_byte: u64,
    names: BTreeSet<String>,
    /// The references that are being followed.
    references: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Value, place: &str, level: usize) -> Result<(), Fault> {
        if level > LEVELS_MAX {
            let problem = format!("must stand at most {LEVELS_MAX} deep, references followed");
            return Err(fault(place, problem));
        }
        self.count(1)?;
        match schema {
            Value::Bool(_) => Ok(()),
            Value::Object(keywords) => self.keywords(keywords, place, level),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(fault(place, "must be an object or a boolean"))
            }
        }
    }

    fn keywords(
        &mut self,
        keywords: &'a Map<String, Value>,
        place: &str,
        level: usize,
    ) -> Result<(), Fault> {
        // What nothing has looked at is found by looking at everything once more.
        let looks_again = ["unevaluatedItems", "unevaluatedProperties"]
            .iter()
            .any(|name| keywords.contains_key(*name));
        for (name, value) in keywords {
            let inner = format!("{place}.{name}");
            check_keyword(name, value, &inner, level)?;
            self.per_byte = self.per_byte.saturating_add(per_byte(name, value));
            match Keyword::of(name) {
                Keyword::Reference => self.follow(value, &inner, level)?,
                Keyword::Same => {
                    for _ in 0..=usize::from(looks_again) {
                        self.each(name, value, place, level)?;
                    }
                }
                Keyword::Fields | Keyword::Within => {
                    self.note_names(name, value);
                    self.each(name, value, place, level)?;
                }
                Keyword::Definitions => self.each(name, value, place, level)?,
                Keyword::Plain => {
                    self.note_names(name, value);
                    self.count(values_in(value))?;
                    if name == "uniqueItems" {
                        self.count(UNIQUE_COST)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn each(
        &mut self,
        name: &'a str,
        value: &'a Value,
        place: &str,
        level: usize,
    ) -> Result<(), Fault> {
        for (inner, one) in schemas_under(name, value) {
            self.schema(one, &format!("{place}.{inner}"), level + 1)?;
        }
        Ok(())
    }

    fn follow(&mut self, value: &'a Value, place: &str, level: usize) -> Result<(), Fault> {
        let reference = value
            .as_str()
            .filter(|text| *text == "#" || (text.starts_with("#/") && !text.contains('%')))
            .ok_or_else(|| {
                let problem = "must point into the schema itself, such as \"#/$defs/item\"";
                fault(place, problem)
            })?;
        let target = resolve(self.root, reference)
            .ok_or_else(|| fault(place, "points to nothing in the schema"))?;
        if reference == "#" || self.references.contains(&reference) {
            return Err(fault(place, "must not lead back to itself"));
        }
        self.references.push(reference);
        self.schema(target, place, level + 1)?;
        self.references.pop();
        Ok(())
    }

    /// Notes the names of fields that a keyword tells.
    fn note_names(&mut self, name: &str, value: &Value) {
        match (name, value) {
            ("properties", Value::Object(fields)) => self.names.extend(fields.keys().cloned()),
            ("required", Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str);
                self.names.extend(names.map(str::to_owned));
            }
            _ => {}
        }
    }

    fn count(&mut self, values: u64) -> Result<(), Fault> {
        self.unfolded = self.unfolded.saturating_add(values);
        if self.unfolded > UNFOLDED_MAX {
            let problem = format!("must hold at most {UNFOLDED_MAX} values, references followed");
            return Err(fault("schema", problem));
        }
        Ok(())
    }
}

/// Refuses keywords that are not supported, or not where they stand.
fn check_keyword(name: &str, value: &Value, place: &str, level: usize) -> Result<(), Fault> {
    let is_root = level == 0;
    if UNSUPPORTED.contains(&name) {
        return Err(fault(place, "is not supported"));
    }
    // Below the root these begin another document, to which references would be relative.
    if !is_root && (matches!(name, "$id" | "$schema") || (name == "id" && value.is_string())) {
        return Err(fault(place, "is supported at the root only"));
    }
    let patterns = match (name, value) {
        ("pattern", Value::String(pattern)) => vec![pattern.as_str()],
        ("patternProperties", Value::Object(map)) => map.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    if patterns.iter().any(|one| one.len() > PATTERN_MAX_BYTES) {
        let problem = format!("must be at most {PATTERN_MAX_BYTES} bytes");
        return Err(fault(place, problem));
    }
    Ok(())
}

/// Counts the JSON values in a value, itself included.
fn values_in(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
        Value::Array(items) => items.iter().map(values_in).sum::<u64>() + 1,
        Value::Object(fields) => fields.values().map(values_in).sum::<u64>() + 1,
    }
}

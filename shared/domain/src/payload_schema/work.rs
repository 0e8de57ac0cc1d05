//! Counts the work that a schema makes with a payload, by walking through both at once.

use serde_json::{Map, Value};

use super::{Keyword, UNIQUE_COST, per_byte, resolve, schemas_under};

/// How large a payload is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Its JSON values.
    pub(super) values: u64,
    /// The bytes of its texts, names of fields included.
    pub(super) bytes: u64,
}

/// Measures a payload.
pub(super) fn size(value: &Value) -> Size {
    let own = Size {
        values: 1,
        bytes: value.as_str().map_or(0, |text| number(text.len())),
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => own,
        Value::Array(items) => items.iter().map(size).fold(own, add),
        Value::Object(fields) => {
            let names = fields.keys().map(|name| Size {
                values: 0,
                bytes: number(name.len()),
            });
            fields.values().map(size).chain(names).fold(own, add)
        }
    }
}

fn add(a: Size, b: Size) -> Size {
    Size {
        values: a.values.saturating_add(b.values),
        bytes: a.bytes.saturating_add(b.bytes),
    }
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Returns whether checking a payload takes no more than so much work. The schema is one that unfolds to a
/// tree; counting ends as soon as it is too much.
pub(super) fn is_within(schema: &Value, payload: &Value, most: u64) -> bool {
    let mut work = Work {
        root: schema,
        left: most,
    };
    work.schema(schema, payload).is_some()
}

struct Work<'a> {
    root: &'a Value,
    left: u64,
}

impl<'a> Work<'a> {
    fn spend(&mut self, units: u64) -> Option<()> {
        self.left = self.left.checked_sub(units)?;
        Some(())
    }

    fn schema(&mut self, schema: &'a Value, payload: &Value) -> Option<()> {
        self.spend(1)?;
        let Some(keywords) = schema.as_object() else {
            return Some(());
        };
        let looks_again = ["unevaluatedItems", "unevaluatedProperties"]
            .iter()
            .any(|name| keywords.contains_key(*name));
        for (name, value) in keywords {
            self.spend_text(per_byte(name, value), payload)?;
            match Keyword::of(name) {
                Keyword::Reference => {
                    let target = value.as_str().and_then(|to| resolve(self.root, to));
                    if let Some(target) = target {
                        self.schema(target, payload)?;
                    }
                }
                Keyword::Same => {
                    for (_, one) in schemas_under(name, value) {
                        for _ in 0..=usize::from(looks_again) {
                            self.schema(one, payload)?;
                        }
                    }
                }
                Keyword::Fields => self.fields(value.as_object(), payload)?,
                Keyword::Within if name == "propertyNames" => self.names(value, payload)?,
                Keyword::Within => {
                    for (_, one) in schemas_under(name, value) {
                        self.within(one, payload)?;
                    }
                }
                Keyword::Definitions => {}
                Keyword::Plain => self.plain(name, value, payload)?,
            }
        }
        Some(())
    }

    /// Counts what reading the texts of one value costs: its own, or the names of its fields.
    fn spend_text(&mut self, per_byte: u64, payload: &Value) -> Option<()> {
        if per_byte == 0 {
            return Some(());
        }
        let bytes = match payload {
            Value::String(text) => number(text.len()),
            Value::Object(fields) => fields.keys().map(|name| number(name.len())).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => 0,
        };
        self.spend(per_byte.saturating_mul(bytes))
    }

    fn fields(&mut self, schemas: Option<&'a Map<String, Value>>, payload: &Value) -> Option<()> {
        let (Some(schemas), Some(fields)) = (schemas, payload.as_object()) else {
            return Some(());
        };
        self.spend(number(schemas.len()))?;
        for (name, schema) in schemas {
            if let Some(value) = fields.get(name) {
                self.schema(schema, value)?;
            }
        }
        Some(())
    }

    fn within(&mut self, schema: &'a Value, payload: &Value) -> Option<()> {
        match payload {
            Value::Array(items) => items.iter().try_for_each(|one| self.schema(schema, one)),
            Value::Object(fields) => fields.values().try_for_each(|one| self.schema(schema, one)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(()),
        }
    }

    fn names(&mut self, schema: &'a Value, payload: &Value) -> Option<()> {
        let names = payload.as_object().into_iter().flat_map(Map::keys);
        names
            .map(|name| Value::from(name.as_str()))
            .try_for_each(|name| self.schema(schema, &name))
    }

    fn plain(&mut self, name: &str, value: &Value, payload: &Value) -> Option<()> {
        if name == "uniqueItems" {
            return self.spend(size(payload).values.saturating_mul(UNIQUE_COST));
        }
        let compared = matches!(name, "enum" | "const" | "required" | "dependentRequired");
        self.spend(if compared { size(value).values } else { 1 })
    }
}

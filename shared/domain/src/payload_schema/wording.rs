//! What is said of a payload that does not fit: the place and what the schema wants, never what was sent.

use serde_json::Value;

use super::Shape;

/// The most characters of a field's name that are shown.
const NAME_MAX_CHARS: usize = 64;

/// Returns how a place in a payload is written, such as `payload.items[2].points`.
///
/// A name that the schema does not know is shown as `*`: it may be private, as when fields are named after
/// people.
#[must_use]
pub fn place(field: &str, payload: &Value, pointer: &str, shape: &Shape) -> String {
    let mut place = field.to_owned();
    let mut at = Some(payload);
    for step in pointer.split('/').skip(1) {
        let name = step.replace("~1", "/").replace("~0", "~");
        match at {
            Some(Value::Array(items)) => {
                place.push_str(&format!("[{name}]"));
                at = name.parse().ok().and_then(|at: usize| items.get(at));
            }
            Some(value) => {
                place.push('.');
                place.push_str(&shown(&name, shape));
                at = value.get(&name);
            }
            None => break,
        }
    }
    place
}

/// Returns what may be shown of a field's name.
#[must_use]
pub fn shown(name: &str, shape: &Shape) -> String {
    if shape.knows(name) {
        let visible = name.chars().filter(|c| !c.is_control());
        visible.take(NAME_MAX_CHARS).collect()
    } else {
        "*".to_owned()
    }
}

/// Returns what a value must be that a keyword refused; `wanted` is what the schema says there.
#[must_use]
pub fn problem(keyword: &str, wanted: Option<&Value>) -> String {
    let number = wanted.filter(|wanted| wanted.is_number());
    let with =
        |before: &str, after: &str| number.map(|number| format!("must {before} {number}{after}"));
    let worded = match keyword {
        "type" => wanted.map(types),
        "minimum" => with("be at least", ""),
        "maximum" => with("be at most", ""),
        "exclusiveMinimum" => with("be above", ""),
        "exclusiveMaximum" => with("be below", ""),
        "multipleOf" => with("be a multiple of", ""),
        "minLength" => with("be at least", " characters"),
        "maxLength" => with("be at most", " characters"),
        "minItems" => with("hold at least", " items"),
        "maxItems" => with("hold at most", " items"),
        "minProperties" => with("have at least", " fields"),
        "maxProperties" => with("have at most", " fields"),
        _ => None,
    };
    worded.unwrap_or_else(|| plain(keyword).to_owned())
}

fn plain(keyword: &str) -> &'static str {
    match keyword {
        "required" => "is required",
        "enum" => "must be one of the values that the schema lists",
        "const" => "must be the value that the schema says",
        "pattern" => "must match the pattern of the schema",
        "uniqueItems" => "must not hold an item twice",
        "contains" => "must hold the items that the schema wants",
        "additionalProperties" | "unevaluatedProperties" => {
            "must not have fields that the schema does not know"
        }
        "additionalItems" | "unevaluatedItems" => "must not hold more items",
        "propertyNames" => "must not have a field of such a name",
        "anyOf" => "must fit one of the schema's alternatives",
        "oneOf" => "must fit exactly one of the schema's alternatives",
        "not" => "must not be what the schema forbids",
        "falseSchema" => "must not be there",
        _ => "must fit the schema of its event type",
    }
}

fn types(wanted: &Value) -> String {
    let names: Vec<&str> = match wanted {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            wanted.as_str().into_iter().collect()
        }
    };
    let names: Vec<&str> = names.into_iter().map(article).collect();
    format!("must be {}", names.join(" or "))
}

fn article(name: &str) -> &str {
    match name {
        "string" => "a string",
        "number" => "a number",
        "integer" => "a whole number",
        "boolean" => "true or false",
        "object" => "an object",
        "array" => "an array",
        other => other,
    }
}
